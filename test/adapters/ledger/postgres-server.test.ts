import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify, isAlive } from '../../../adapters/ledger/embedded/process-identity.js';
import { type PostgresServer, startPostgres } from '../../../adapters/ledger/embedded/postgres-server.js';

let home = '';
const started: PostgresServer[] = [];

beforeEach(() => {
  home = join(tmpdir(), `offboil-home-${randomBytes(6).toString('hex')}`);
  mkdirSync(home);
});

afterEach(async () => {
  for (const server of started.splice(0)) {
    await server.stop();
    await rm(server.data, { recursive: true, force: true });
  }
  await rm(home, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startPostgres>[0]): Promise<PostgresServer> {
  const server = await startPostgres(options);
  started.push(server);
  return server;
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

/** Makes the record look as if its owner had died: a process that has ended, by its number and start. */
async function orphan(folder: string): Promise<void> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const owner = identify(child.pid ?? 0);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  const file = join(folder, 'offboil-postgres.json');
  const record = JSON.parse(readFileSync(file, 'utf8')) as object; // written by the code under test
  writeFileSync(file, JSON.stringify({ ...record, owner }));
}

describe('a PostgreSQL of ours', () => {
  it('serves on 127.0.0.1 only, under a password, on a free port', async () => {
    const server = await start({ folder: join(home, 'ledger') });
    expect(await ask(server.url, 'SHOW listen_addresses')).toBe('127.0.0.1');
    expect(await ask(server.url, 'SELECT current_database()')).toBe('offboil');
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('runs two at once', async () => {
    const servers = await Promise.all([start({ folder: join(home, 'one') }), start({ folder: join(home, 'two') })]);
    expect(new Set(servers.map(({ port }) => port)).size).toBe(2);
  });

  it('leaves nothing behind when it is stopped', async () => {
    const folder = join(home, 'ledger');
    const server = await startPostgres({ folder });
    await server.stop();
    expect([existsSync(folder), existsSync(server.data), identify(server.pid)]).toEqual([false, false, undefined]);
  });

  it('leaves alone what others put into its folder', async () => {
    const folder = join(home, 'ledger');
    const server = await startPostgres({ folder });
    writeFileSync(join(folder, 'mine.txt'), 'keep');
    await server.stop();
    expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('keep');
  });

  it('starts also below a folder that only root may enter, and says where its data lies', async () => {
    chmodSync(home, 0o700);
    const server = await start({ folder: join(home, 'deep', 'ledger') });
    expect(await ask(server.url, 'SELECT 1')).toBe(1);
    expect(statSync(server.data).mode & 0o777).toBe(0o700);
    if (process.getuid?.() === 0) expect(server.data.startsWith(home)).toBe(false);
  });

  it('says what the log says when the given port is taken', async () => {
    const blocker = createServer();
    await new Promise<void>((listening) => blocker.listen(0, '127.0.0.1', listening));
    const address = blocker.address();
    const port = address === null || typeof address === 'string' ? 0 : address.port;
    await expect(startPostgres({ folder: join(home, 'ledger'), port })).rejects.toThrow('could not bind');
    blocker.close();
  });

  it('keeps its data over a restart when it is lasting', async () => {
    const folder = join(home, 'ledger');
    const first = await start({ folder, lasting: true });
    await ask(first.url, 'CREATE TABLE kept (n integer)');
    await first.stop();
    const second = await start({ folder, lasting: true });
    expect(await ask(second.url, 'SELECT count(*)::int FROM kept')).toBe(0);
  });
});

describe('a server whose owner lives', () => {
  it('is not disturbed by a second start in its folder', async () => {
    const folder = join(home, 'ledger');
    const server = await start({ folder });
    await expect(startPostgres({ folder })).rejects.toMatchObject({ code: 'LEDGER_UNAVAILABLE' });
    expect(await ask(server.url, 'SELECT 1')).toBe(1);
  });
});

describe('a server left over by a dead owner', () => {
  it('is adopted with its data when it is lasting', async () => {
    const folder = join(home, 'ledger');
    const left = await start({ folder, lasting: true });
    await orphan(folder);
    const adopted = await start({ folder, lasting: true });
    expect([adopted.pid, adopted.url]).toEqual([left.pid, left.url]);
  });

  it('is ended and begun anew in the same folder otherwise', async () => {
    const folder = join(home, 'ledger');
    const left = await startPostgres({ folder });
    const identity = identify(left.pid);
    await orphan(folder);
    const server = await start({ folder });
    expect(identity !== undefined && isAlive(identity)).toBe(false);
    expect(server.pid).not.toBe(left.pid);
  });

  it('is ended and removed by the next one that starts beside it', async () => {
    const left = await startPostgres({ folder: join(home, 'left') });
    await orphan(join(home, 'left'));
    await start({ folder: join(home, 'next') });
    expect([identify(left.pid), existsSync(join(home, 'left')), existsSync(left.data)]).toEqual([
      undefined,
      false,
      false,
    ]);
  });

  it('is left alone when its number belongs to another process by now', async () => {
    const folder = join(home, 'ledger');
    const server = await startPostgres({ folder });
    await server.stop();
    mkdirSync(folder);
    const record = {
      owner: { pid: 1, started: 'never' },
      server: { pid: process.pid, started: 'never' },
      port: 1,
      data: join(folder, 'data'),
      password: 'x',
      lasting: false,
    };
    writeFileSync(join(folder, 'offboil-postgres.json'), JSON.stringify(record));
    const next = await start({ folder });
    expect(await ask(next.url, 'SELECT 1')).toBe(1);
  });
});
