import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type PostgresServer, startPostgres } from '../../adapters/ledger/embedded/postgres-server.js';
import type { RunHandle } from '../../client/index.js';
import { type DevServer, startDevServer } from '../../worker/dev-server.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem, type System } from '../support/system.js';
import { expectOneStopEach, figure, now, stopLog, untilStops, untilTime } from './acts.js';

/** An answer of the ledger lets requests leave for so long. */
const LEASE_MS = 250;

interface Outage<T> {
  readonly server: T;
  /** Ends it, and keeps what it wrote. */
  end(): Promise<void>;
  /** Starts it again: same place, same port. */
  again(): Promise<void>;
}

/** A server of the test's own that can be ended and started again. */
async function ownServer<T extends { stop(): Promise<void> }>(
  name: string,
  start: (folder: string, port?: number) => Promise<T>,
  portOf: (server: T) => number,
): Promise<Outage<T>> {
  const folder = join(tmpdir(), `offboil-${name}-${randomBytes(6).toString('hex')}`);
  const server = await start(folder);
  let running = server;
  onTestFinished(async () => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    server,
    end: () => running.stop(),
    async again() {
      running = await start(folder, portOf(server));
    },
  };
}

const ownPostgres = (): Promise<Outage<PostgresServer>> =>
  ownServer(
    'ledger',
    (folder, port) => startPostgres({ folder, lasting: true, ...(port === undefined ? {} : { port }) }),
    ({ port }) => port,
  );

const ownTemporal = (): Promise<Outage<DevServer>> =>
  ownServer(
    'temporal',
    (folder, port) =>
      startDevServer({
        folder,
        lasting: true,
        cliPath: process.env['TEMPORAL_CLI_PATH'] ?? 'temporal',
        ...(port === undefined ? {} : { port }),
      }),
    ({ address }) => Number(address.split(':')[1]),
  );

/** Two chunks of two seconds each. */
const servers = [aServer('carte-1', [aTask('load_{n}', { count: 60 })], { answerMs: 200 })];

async function inMidWave(system: System): Promise<RunHandle> {
  await system.spawnWorker();
  const handle = await system.start({});
  await untilStops(system, 5);
  return handle;
}

async function stopsAfter(system: System, moment: number): Promise<number> {
  return (await stopLog(system)).filter(({ at }) => at > moment).length;
}

describe('the ledger gone in the middle of a wave', { timeout: 60_000 }, () => {
  it('holds everything back while it is gone, and the run goes on when it is there again', async () => {
    const ledger = await ownPostgres();
    const system = await startSystem({ postgres: ledger.server, servers, workers: 'none' });
    const handle = await inMidWave(system);

    await ledger.end();
    const goneAt = now();
    await untilTime(goneAt + 1500);
    expect(await stopsAfter(system, goneAt + LEASE_MS)).toBe(0);
    expect((await stopLog(system)).length).toBeLessThan(60);
    await ledger.again();
    const backAt = now();

    await expectOneStopEach(system, handle, 60);
    const next = (await stopLog(system)).find(({ at }) => at > backAt);
    figure('ledger back → next stop', (next?.at ?? Number.NaN) - backAt);
  });

  it('lets a brake answer all the same, and nothing leaves after the answer', async () => {
    const ledger = await ownPostgres();
    const system = await startSystem({ postgres: ledger.server, servers, workers: 'none' });
    const handle = await inMidWave(system);

    await ledger.end();
    const goneAt = now();
    await handle.brake({ by: 'ops-oncall', reason: 'enough' });
    const answeredAt = now();
    figure('brake without a ledger → answer', answeredAt - goneAt);
    await untilTime(answeredAt + 500);
    await ledger.again();
    const result = await handle.result();

    expect(await stopsAfter(system, answeredAt)).toBe(0);
    const asked = (await stopLog(system)).length;
    expect(result).toMatchObject({ end: 'braked', exitCode: 4 });
    // intended, and without a ledger nobody could note that it never left: unconfirmed, which is all that is known of it
    const { stopped, unconfirmed = 0, skipped = 0 } = result.outcomes;
    expect({ stopped, rest: unconfirmed + skipped }).toEqual({ stopped: asked, rest: 60 - asked });
    expect((await handle.report()).actors).toContainEqual(
      expect.objectContaining({ by: 'ops-oncall', role: 'operator' }),
    );
  });
});

describe('a pause and its resume while the ledger is gone', { timeout: 60_000 }, () => {
  it('are written in their order when it is there again, and the run goes on', async () => {
    const ledger = await ownPostgres();
    const system = await startSystem({ postgres: ledger.server, servers, workers: 'none' });
    const handle = await inMidWave(system);
    const by = { by: 'ops-oncall', reason: 'look first' };

    await ledger.end();
    const paused = await handle.pause(by);
    expect(paused.phase).toBe('paused');
    const answeredAt = now();
    const resuming = handle.resume(by);
    await untilTime(answeredAt + 3000);
    expect(await stopsAfter(system, answeredAt)).toBe(0);
    await ledger.again();

    expect((await resuming).waits).toBeUndefined();
    await expectOneStopEach(system, handle, 60);
  });
});

describe('the Temporal server gone in the middle of a wave', { timeout: 120_000 }, () => {
  const postgres = usePostgres();

  it('ends no run: what was intended goes on while it is gone, the rest when it is there again, each task asked once', async () => {
    const temporal = await ownTemporal();
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 200 })], { answerMs: 200 })],
      workers: 'none',
      temporalAddress: temporal.server.address,
    });
    const handle = await inMidWave(system);

    await temporal.end();
    const goneAt = now();
    await untilTime(goneAt + 3000);
    expect(await stopsAfter(system, goneAt)).toBeGreaterThan(0);
    expect((await stopLog(system)).length).toBeLessThan(200);
    await temporal.again();
    const backAt = now();

    await expectOneStopEach(system, handle, 200);
    const next = (await stopLog(system)).find(({ at }) => at > backAt);
    figure('Temporal back → next stop', (next?.at ?? Number.NaN) - backAt);
    figure('Temporal back → end of the run', now() - backAt);
  });
});
