import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import type { RunHandle } from '../../client/index.js';
import { ASKING, untilAsked } from '../faults/scene.js';
import { aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { aLoad, sql, untilLoading, warehouse } from './scene.js';

describe('after a brake is answered', () => {
  const postgres = usePostgres();

  it('no session is ended, however many waited for a connection to the database', { timeout: 60_000 }, async () => {
    const slow = await slowWay(postgres.url, 'pg_terminate_backend(');
    const names = Array.from({ length: 16 }, (_, n) => `load_${n}`);
    const loads = names.map((name) => aLoad(name, { table: 'braked', transactional: true, rowsPerSecond: 20 }));
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', loads)],
      entries: { 'carte-1': { limits: { perServer: 12, timeout: '3s' } } },
      estate: {
        databases: [warehouse(slow)],
        tasks: names.map((name) => ({
          match: { name },
          stop: { ladder: ['stop', 'rollback'] },
          sessions: [{ database: 'warehouse', applicationName: name }],
        })),
        policies: { brief: { extends: 'quick', verify: { within: '1s' } } },
      },
    });
    await untilLoading(postgres, names);
    const handle = await system.start({ mode: 'rollback', policy: 'brief' });
    await eventually(() => expect(slow.seenAt.length).toBeGreaterThan(1));

    await handle.brake({ by: 'ops', reason: 'end nothing more' });

    const answered = slow.seenAt.length;
    const { outcomes } = await handle.result();
    expect(outcomes.skipped).toBeGreaterThan(0);
    expect(slow.seenAt.slice(answered)).toEqual([]);
  });
});

describe('reruns of what turned red', () => {
  const postgres = usePostgres();

  it('stand still while the run is paused, and go on after it', { timeout: 90_000 }, async () => {
    const { system, handle } = await rerunning('paused_reruns');
    await handle.pause({ by: 'ops', reason: 'look first' });
    const answered = (await starts(system)).length;
    await eventually(async () => expect((await handle.progress()).waits?.reason).toContain('paused by ops'));
    await sleep(1500);
    expect(await starts(system)).toHaveLength(answered);

    await handle.resume({ by: 'ops', reason: 'go on' });
    await handle.result();

    expect(await starts(system)).toHaveLength(TASKS);
    expect((await handle.report()).compensations.map(({ state }) => state)).toEqual(Array(TASKS).fill('done'));
  });

  it('end with a brake: none leaves after its answer, and each that did not is said', { timeout: 90_000 }, async () => {
    const { system, handle } = await rerunning('braked_reruns');
    await handle.brake({ by: 'ops', reason: 'start nothing more' });
    const answered = (await starts(system)).length;

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });

    expect(await starts(system)).toHaveLength(answered);
    const { compensations } = await handle.report();
    expect(compensations.filter(({ state }) => state === 'done')).toHaveLength(answered);
    const rest = compensations.filter(({ state }) => state !== 'done');
    expect(rest).toHaveLength(TASKS - answered);
    for (const one of rest)
      expect(one).toMatchObject({ state: 'notDone', detail: 'braked by ops: start nothing more' });
  });

  it('leave out a task that had ended by itself, and say why', { timeout: 60_000 }, async () => {
    const system = await aRerunningSystem('ended_itself', 2);
    const asked = await untilAsked(system);
    const [itself] = await system.fleet.tasks();
    await system.fleet.endTask('carte-1', itself?.id ?? '');
    const ended = asked.confirm();
    await eventually(async () => expect(await system.stops()).not.toEqual([]));
    await sql(postgres, 'INSERT INTO ended_itself VALUES (1)');

    const report = await ended;

    expect(report.outcomes).toEqual({ stopped: 1, alreadyEnded: 1 });
    expect(report.compensations.find(({ id }) => id === itself?.id)).toMatchObject({
      state: 'notDone',
      detail: 'it ended by itself, not by this stop',
    });
    expect((await starts(system)).map(({ id }) => id)).toEqual([report.results.find((one) => one.requests > 0)?.id]);
  });

  const TASKS = 40;

  /** A run in which some reruns have left and most have not. */
  async function rerunning(table: string): Promise<{ readonly system: System; readonly handle: RunHandle }> {
    const system = await aRerunningSystem(table, TASKS);
    const handle = await system.start({});
    await eventually(async () => expect(await system.stops()).not.toEqual([]));
    await sql(postgres, `INSERT INTO ${table} VALUES (1)`);
    await eventually(async () => expect((await starts(system)).length).toBeGreaterThan(3));
    return { system, handle };
  }

  /** Slow to answer; each task is started again when a row lies in the table. */
  async function aRerunningSystem(table: string, count: number): Promise<System> {
    await sql(postgres, `CREATE TABLE ${table} (bad int)`);
    return startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count })], { answerMs: 250, personality: '9.4' })],
      estate: {
        ...ASKING,
        databases: [warehouse(postgres)],
        tasks: [
          {
            match: { name: '*' },
            checks: [
              { name: 'nothing bad', database: 'warehouse', query: `SELECT bad FROM ${table}`, expect: { rows: 0 } },
            ],
            compensate: { kind: 'rerun' },
          },
        ],
      },
    });
  }

  async function starts(system: System): Promise<readonly { readonly path: string; readonly id?: string }[]> {
    return (await system.fleet.log()).filter(({ path }) => path === 'startTrans');
  }
});

/** A way to the database that takes a while, and notes each statement with these words in it. */
async function slowWay(to: string, words: string): Promise<{ readonly url: string; readonly seenAt: number[] }> {
  const { port, hostname } = new URL(to);
  const seenAt: number[] = [];
  const delayMs = 150;
  const proxy = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => {
        if (from === near && data.includes(words)) seenAt.push(Date.now());
        setTimeout(() => other.write(data), delayMs);
      });
      from.on('error', () => other.destroy());
      from.on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.close();
  });
  const url = new URL(to);
  url.hostname = '127.0.0.1';
  url.port = String((proxy.address() as net.AddressInfo).port); // listening on TCP
  return { url: url.href, seenAt };
}
