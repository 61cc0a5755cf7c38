import { spawn, spawnSync } from 'node:child_process';
import { randomBytes, createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import { OffboilError } from '../../../domain/errors.js';
import { type Account, canEnter, giveTo, ownFolder, placeFor, serverAccount } from './account.js';
import { placeBinaries } from './binaries.js';
import { identify, isAlive, type ProcessIdentity, signalProcess } from './process-identity.js';

/** A running PostgreSQL of ours, listening on 127.0.0.1 only. */
export interface PostgresServer {
  /** Superuser's URL, with its password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Where its data lies; not below the given folder when the server's account cannot enter that. */
  readonly data: string;
  /** Ends it, and removes what it wrote unless it is lasting. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Record, log and (where the server's account can enter) data. One server a folder. */
  readonly folder: string;
  readonly port?: number;
  /** Keeps its data after `stop`, and adopts a server whose owner died. */
  readonly lasting?: boolean;
}

const identity = z.object({ pid: z.number(), started: z.string() });
const recordSchema = z.object({
  owner: identity,
  server: identity.optional(),
  port: z.number(),
  data: z.string(),
  password: z.string(),
  lasting: z.boolean(),
});
type ServerRecord = z.infer<typeof recordSchema>;

const RECORD = 'offboil-postgres.json';
const LOG = 'postgres.log';
const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;

/**
 * Starts PostgreSQL as a process of its own, so that a killed worker does not take the ledger along.
 * A server left over in this folder, or beside it, by a dead owner is adopted (`lasting`) or ended, by pid and start time.
 * @throws OffboilError `LEDGER_UNAVAILABLE` with the end of the server's log
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const folder = resolve(options.folder);
  const lasting = options.lasting ?? false;
  const account = serverAccount();
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  await endLeftovers(dirname(folder), folder);
  const left = readRecord(folder);
  if (left !== undefined) {
    const adopted = await takeOver(folder, left, lasting);
    if (adopted !== undefined) return adopted;
  }
  const binaries = await placeBinaries();
  const again = lasting && left !== undefined && existsSync(join(left.data, 'PG_VERSION'));
  const data = again ? left.data : dataFolder(folder, account, lasting);
  const password = again ? left.password : randomBytes(18).toString('base64url');
  if (!again) initialise(binaries, data, password, account);
  for (let tries = 1; ; tries++) {
    const port = options.port ?? (await freePort());
    const record: ServerRecord = { owner: ourselves(), port, data, password, lasting };
    try {
      return await launch(folder, binaries, record, account);
    } catch (error) {
      if (options.port !== undefined || tries >= 3 || !logEnd(folder).includes('could not bind')) throw error;
    }
  }
}

/** Its owner is alive: refused. Dead and lasting: adopted. Dead otherwise: ended. */
async function takeOver(folder: string, left: ServerRecord, lasting: boolean): Promise<PostgresServer | undefined> {
  const { server } = left;
  if (server === undefined || !isAlive(server)) return undefined;
  if (isAlive(left.owner)) {
    throw new OffboilError(
      'LEDGER_UNAVAILABLE',
      `Process ${left.owner.pid} already runs a PostgreSQL in ${folder}. Nothing was started. Stop it first, or use another folder.`,
    );
  }
  if (!lasting) {
    await end(server);
    return undefined;
  }
  const adopted = { ...left, owner: ourselves() };
  writeRecord(folder, adopted);
  await untilReady(folder, adopted, server);
  return running(folder, adopted, server);
}

/** Ends servers beside the folder that a dead owner left over, and removes what they wrote; lasting ones are left alone. */
async function endLeftovers(parent: string, except: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    const left = folder === except ? undefined : readRecord(folder);
    if (left === undefined || left.lasting || isAlive(left.owner)) continue;
    if (left.server !== undefined) await end(left.server);
    remove(folder, left.data);
  }
}

/** Below the folder where the account can enter it, else at a place that it can. */
function dataFolder(folder: string, account: Account | undefined, lasting: boolean): string {
  if (canEnter(folder, account)) return join(folder, 'data');
  const home = placeFor('offboil-data', account, lasting);
  ownFolder(home);
  return join(home, createHash('sha256').update(folder).digest('hex').slice(0, 16));
}

function initialise(binaries: string, data: string, password: string, account: Account | undefined): void {
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { mode: 0o700 });
  giveTo(data, account);
  // a file, because the arguments of a process can be read by everybody on the machine
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(passwordFile, account);
  try {
    const how = [
      '--username=offboil',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ];
    const made = spawnSync(join(binaries, 'bin', 'initdb'), [`--pgdata=${data}`, ...how], {
      ...surroundings(data, account),
      encoding: 'utf8',
    });
    if (made.status !== 0) {
      rmSync(data, { recursive: true, force: true });
      throw new OffboilError(
        'LEDGER_UNAVAILABLE',
        `initdb failed in ${data}: ${made.error?.message ?? made.stderr.slice(-2000)}`,
      );
    }
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** What both programs run in: no PG* variables of the caller, and a working directory that the account can enter. */
function surroundings(
  data: string,
  account: Account | undefined,
): { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number } {
  const env: NodeJS.ProcessEnv = {
    LC_ALL: 'C',
    TZ: 'UTC',
    PATH: process.env['PATH'],
    SystemRoot: process.env['SystemRoot'],
  };
  return { cwd: dirname(data), env, ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }) };
}

async function launch(
  folder: string,
  binaries: string,
  record: ServerRecord,
  account: Account | undefined,
): Promise<PostgresServer> {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    'log_min_messages=warning',
  ];
  // what is thrown away at the end need not survive a power cut
  if (!record.lasting) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const log = openSync(join(folder, LOG), record.lasting ? 'a' : 'w', 0o600);
  const child = spawn(
    join(binaries, 'bin', 'postgres'),
    ['-D', record.data, '-p', String(record.port), ...settings.flatMap((setting) => ['-c', setting])],
    // detached: Ctrl+C of the terminal must not reach the database before its users have ended
    { ...surroundings(record.data, account), detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  child.on('error', () => undefined); // shows as a missing pid below
  child.unref();
  const server = child.pid === undefined ? undefined : identify(child.pid);
  if (server === undefined) throw failure(folder, 'ended at once');
  const started = { ...record, server };
  writeRecord(folder, started);
  try {
    await untilReady(folder, started, server);
  } catch (error) {
    await end(server);
    throw error;
  }
  return running(folder, started, server);
}

function running(folder: string, record: ServerRecord, server: ProcessIdentity): PostgresServer {
  return {
    url: urlOf(record, 'offboil'),
    port: record.port,
    pid: server.pid,
    data: record.data,
    async stop() {
      await end(server);
      if (!record.lasting) remove(folder, record.data);
    },
  };
}

function urlOf(record: ServerRecord, database: string): string {
  return `postgres://offboil:${record.password}@127.0.0.1:${record.port}/${database}`;
}

/** Ready means: it answers a query, and our database is there. */
async function untilReady(folder: string, record: ServerRecord, server: ProcessIdentity): Promise<void> {
  for (const until = Date.now() + READY_WITHIN_MS; ; await sleep(20)) {
    if (!isAlive(server)) throw failure(folder, 'ended at once');
    const client = new pg.Client({ connectionString: urlOf(record, 'postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined); // a lost connection shows in the query
    try {
      await client.connect();
      const { rowCount } = await client.query(`SELECT FROM pg_database WHERE datname = 'offboil'`);
      if (rowCount === 0) await client.query('CREATE DATABASE offboil');
      return;
    } catch (error) {
      if (Date.now() > until) throw failure(folder, 'did not get ready', error);
    } finally {
      await client.end().catch(() => undefined); // never connected
    }
  }
}

/** Fast shutdown; an immediate one when that takes too long. */
async function end(server: ProcessIdentity): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    signalProcess(server, signal);
    for (const until = Date.now() + STOP_WITHIN_MS; Date.now() < until; await sleep(20)) if (!isAlive(server)) return;
  }
  throw new OffboilError('LEDGER_UNAVAILABLE', `PostgreSQL, process ${server.pid}, cannot be ended. End it by hand.`);
}

/** Removes what we wrote; the folder only if nothing else is in it. */
function remove(folder: string, data: string): void {
  rmSync(data, { recursive: true, force: true });
  for (const name of [LOG, RECORD]) rmSync(join(folder, name), { force: true });
  try {
    rmdirSync(folder);
  } catch (error) {
    // somebody else's files are in it, or it is gone already; fs throws system errors only
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Undefined where there is none of ours: a record names processes to end, so one that others wrote is not believed. */
function readRecord(folder: string): ServerRecord | undefined {
  const file = join(folder, RECORD);
  try {
    if (process.getuid !== undefined && statSync(file).uid !== process.getuid()) return undefined;
    return recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined; // no such file, or half written by a process that died: nothing was started yet
  }
}

function writeRecord(folder: string, record: ServerRecord): void {
  writeFileSync(join(folder, RECORD), JSON.stringify(record), { mode: 0o600 });
}

function ourselves(): ProcessIdentity {
  return identify(process.pid) ?? { pid: process.pid, started: 'unknown' };
}

function logEnd(folder: string): string {
  const log = join(folder, LOG);
  return existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : '';
}

function failure(folder: string, what: string, cause?: unknown): OffboilError {
  return new OffboilError(
    'LEDGER_UNAVAILABLE',
    `PostgreSQL in ${folder} ${what}. Its log ends:\n${logEnd(folder)}`,
    {},
    { cause },
  );
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') failed(new TypeError('a TCP server has a port'));
        else found(address.port);
      });
    });
  });
}
