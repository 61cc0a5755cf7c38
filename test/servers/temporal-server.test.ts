import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type DevServer, type DevServerOptions, startDevServer } from '../../worker/dev-server.js';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'offboil-dev-server-'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

async function start(name: string, options: Partial<DevServerOptions> = {}): Promise<DevServer> {
  const server = await startDevServer({
    cliPath: process.env['TEMPORAL_CLI_PATH'] ?? '',
    folder: join(parent, name),
    ...options,
  });
  onTestFinished(() => server.stop());
  return server;
}

async function answers(address: string): Promise<boolean> {
  return Connection.connect({ address, connectTimeout: '1 second' }).then(
    (connection) => connection.close().then(() => true),
    () => false,
  );
}

function portOf({ address }: DevServer): number {
  return Number(address.split(':')[1]);
}

/** Something that listens on a port until the test ends. */
async function takenPort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void listener.close());
  const address = listener.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** Makes the record of a server say that the process which started it is gone. */
function orphan(name: string, server: DevServer, lasting = false): void {
  const [record = ''] = readdirSync(join(parent, name)).filter((file) => file.endsWith('.json'));
  const file = join(parent, name, record);
  const started = JSON.stringify({ pid: 2 ** 22 + 1, started: '1' });
  const text = spawnSync('cat', [file], { encoding: 'utf8' }).stdout;
  expect(text).toContain(String(server.pid));
  expect(text).toContain(`"lasting":${String(lasting)}`);
  writeFileSync(file, text.replace(/"owner":\{[^}]*\}/, `"owner":${started}`));
}

describe('a Temporal server of ours', () => {
  it('knows the search attributes of a run', async () => {
    const { address } = await start('a');
    const connection = await Connection.connect({ address });
    onTestFinished(() => connection.close());
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    expect(Object.keys(customAttributes)).toEqual(
      expect.arrayContaining(['OffboilPhase', 'OffboilRequestedBy', 'OffboilTicket']),
    );
  });

  it('has a Web UI where one was asked for', async () => {
    const { uiAddress } = await start('a', { uiPort: 0 });
    expect((await fetch(uiAddress ?? 'none')).status).toBe(200);
  });

  it('leaves no process, port or file behind', async () => {
    const server = await start('a');
    await server.stop();
    expect(await answers(server.address)).toBe(false);
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
    expect(existsSync(join(parent, 'a'))).toBe(false);
  });

  it('keeps its database when it is a lasting one', async () => {
    const server = await start('a', { lasting: true });
    await server.stop();
    expect(readdirSync(join(parent, 'a'))).toContain('temporal.db');
  });

  it('runs beside a second one', async () => {
    const [one, other] = await Promise.all([start('a'), start('b')]);
    expect([await answers(one.address), await answers(other.address)]).toEqual([true, true]);
  });

  it('is refused a folder in which another one runs', async () => {
    await start('a');
    await expect(start('a')).rejects.toThrow(`already runs there, started by process ${process.pid}`);
  });

  it('is refused a port that is taken, with what to do', async () => {
    const port = await takenPort();
    for (const ports of [{ port }, { uiPort: port }])
      await expect(start('a', ports)).rejects.toThrow(
        new RegExp(`Port ${port} on 127.0.0.1 is taken by another program.* set TEMPORAL_ADDRESS`),
      );
    expect(readdirSync(parent)).toEqual([]);
  });

  it('is refused the port of another one, and does not join it', async () => {
    const other = await start('other');
    await expect(start('a', { port: portOf(other) })).rejects.toThrow(`Port ${portOf(other)} on 127.0.0.1 is taken`);
    expect(await answers(other.address)).toBe(true);
  });

  it('does not join another one that takes its port while it starts', async () => {
    const early = await start('early'); // lends us a port that is free again
    await early.stop();
    const port = portOf(early);
    const slow = join(parent, 'slow-temporal');
    const go = join(parent, 'go');
    const wait = `while [ ! -e ${go} ]; do sleep 0.05; done`;
    writeFileSync(slow, `#!/bin/sh\n${wait}\nexec ${process.env['TEMPORAL_CLI_PATH'] ?? ''} "$@"\n`, { mode: 0o755 });
    const late = start('late', { port, cliPath: slow }).catch((error: unknown) => error);
    await vi.waitFor(() => {
      expect(existsSync(join(parent, 'late', 'offboil-temporal.json'))).toBe(true);
    }, 10_000);
    const other = await start('other', { port });
    await sleep(500); // long enough to take the other's answers for its own
    writeFileSync(go, '');
    expect(String(await late)).toContain(`Port ${port} on 127.0.0.1 is taken`);
    expect(await answers(other.address)).toBe(true);
    expect(readdirSync(parent)).not.toContain('late');
  });

  it('is started by a CLI of the PATH when that has a bare name', async () => {
    const cli = process.env['TEMPORAL_CLI_PATH'] ?? '';
    vi.stubEnv('PATH', `${dirname(cli)}:${process.env['PATH'] ?? ''}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await answers((await start('a', { cliPath: basename(cli) })).address)).toBe(true);
  });

  it('that cannot be started at all says why, and what to do', async () => {
    await expect(start('a', { cliPath: '/nowhere/temporal' })).rejects.toThrow(
      /could not be started: spawn \/nowhere\/temporal ENOENT.*TEMPORAL_CLI_PATH/,
    );
  });
});

describe('a Temporal server whose owner died', () => {
  it('is ended by the next one that starts beside it', async () => {
    const left = await start('left');
    orphan('left', left);
    await start('next');
    expect(await answers(left.address)).toBe(false);
    expect(existsSync(join(parent, 'left'))).toBe(false);
  });

  it('is left alone by others if it is a lasting one', async () => {
    const left = await start('left', { lasting: true });
    orphan('left', left, true);
    await start('next');
    expect(await answers(left.address)).toBe(true);
  });

  it('is ended by the next one in its own folder', async () => {
    const left = await start('left', { lasting: true });
    orphan('left', left, true);
    const next = await start('left', { lasting: true });
    expect([await answers(left.address), await answers(next.address)]).toEqual([false, true]);
  });

  it('is not confused with a process that has its id now', async () => {
    mkdirSync(join(parent, 'left'));
    const gone = { pid: process.pid, started: '1' };
    writeFileSync(
      join(parent, 'left', 'offboil-temporal.json'),
      JSON.stringify({ owner: gone, server: gone, lasting: false }),
    );
    await start('next'); // and this process is still here to say so
    expect(existsSync(join(parent, 'left'))).toBe(false);
  });
});
