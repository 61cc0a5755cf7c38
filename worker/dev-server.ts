import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import {
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from '../adapters/ledger/embedded/process-identity.js';
import { OffboilError } from '../domain/errors.js';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.js';

/** A Temporal dev server of ours. It has no authentication, and listens on 127.0.0.1 only. */
export interface DevServer {
  readonly address: string;
  /** Of the Web UI, where one was asked for. */
  readonly uiAddress?: string;
  readonly pid: number;
  /** Ends it, and removes what it wrote unless it is lasting. */
  stop(): Promise<void>;
}

export interface DevServerOptions {
  /** The Temporal CLI, as the set-up found it. */
  readonly cliPath: string;
  /** Database, log and record. One server a folder. */
  readonly folder: string;
  /** Keeps its workflows after `stop`. */
  readonly lasting?: boolean;
  /** Any free one if left out. */
  readonly port?: number;
  /** With a Web UI on this port; 0 means any free one. */
  readonly uiPort?: number;
  /** Settings of the server beside our own. */
  readonly dynamicConfig?: Readonly<Record<string, number | boolean | string>>;
}

const identity = z.object({ pid: z.number(), started: z.string() });
const recordSchema = z.object({ owner: identity, server: identity, lasting: z.boolean() });

const RECORD = 'offboil-temporal.json';
const DATABASE = 'temporal.db';
const LOG = 'temporal.log';
/** Half a second on an idle machine; a busy one of two cores needed eight. */
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5_000;

/**
 * Starts a Temporal dev server as a process of its own: what uses it may be killed, and must find it again.
 * A server that a dead owner left over in this folder, or beside it, is ended by pid and start time.
 * @throws OffboilError `TEMPORAL_UNAVAILABLE` with the end of the server's log, or with the port that is taken
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const folder = resolve(options.folder);
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
  await endLeftovers(dirname(folder), folder);
  for (let tries = 1; ; tries++) {
    await refuseTaken(options);
    const ports: Ports = {
      grpc: options.port ?? (await freePort()),
      http: await freePort(),
      ...(options.uiPort === undefined ? {} : { ui: options.uiPort === 0 ? await freePort() : options.uiPort }),
    };
    try {
      return await launch(folder, options, ports);
    } catch (error) {
      if (options.lasting !== true) remove(folder);
      // Between our look and the server's bind somebody else may have taken a port. One that was asked for is refused above.
      const stillFree = await Promise.all(Object.values(ports).map(isFree));
      if (tries >= 3 || stillFree.every(Boolean)) throw error;
    }
  }
}

/** Another Temporal server on the port would answer in place of ours, and two ledgers would serve one task queue. */
async function refuseTaken({ port, uiPort }: DevServerOptions): Promise<void> {
  for (const asked of [port, uiPort]) {
    if (asked === undefined || (await isFree(asked))) continue;
    throw new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `Port ${asked} on 127.0.0.1 is taken by another program, perhaps another Temporal server. No Temporal server was started. End that program, or set TEMPORAL_ADDRESS to a free port, here and for the commands that follow.`,
    );
  }
}

interface Ports {
  readonly grpc: number;
  readonly ui?: number;
  /** Of its HTTP API. Always one that we have just chosen, so that no other server answers there. */
  readonly http: number;
}

async function launch(folder: string, options: DevServerOptions, ports: Ports): Promise<DevServer> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lasting = options.lasting ?? false;
  const log = openSync(join(folder, LOG), lasting ? 'a' : 'w', 0o600);
  const settings = Object.entries(options.dynamicConfig ?? {}).flatMap(([key, value]) => [
    '--dynamic-config-value',
    `${key}=${JSON.stringify(value)}`,
  ]);
  const child = spawn(
    basename(options.cliPath) === options.cliPath ? options.cliPath : resolve(options.cliPath),
    [...argumentsOf(join(folder, DATABASE), lasting, ports), ...settings],
    {
      cwd: folder,
      // detached: Ctrl+C of the terminal must not reach the server before its workers have ended
      detached: true,
      stdio: ['ignore', log, log],
    },
  );
  closeSync(log);
  const failed = new Promise<Error>((resolve) => child.once('error', resolve));
  child.unref();
  if (child.pid === undefined) {
    const { message } = await failed;
    throw new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `The Temporal CLI could not be started: ${message}. Put the Temporal CLI on the PATH, or set TEMPORAL_CLI_PATH to it.`,
    );
  }
  const server = identify(child.pid);
  if (server === undefined) throw failure(folder, 'ended at once');
  const record = { owner: identify(process.pid) ?? { pid: process.pid, started: 'unknown' }, server, lasting };
  writeFileSync(join(folder, RECORD), JSON.stringify(record), { mode: 0o600 });

  const address = `127.0.0.1:${ports.grpc}`;
  const stop = async (): Promise<void> => {
    await end(server);
    if (lasting) rmSync(join(folder, RECORD), { force: true });
    else remove(folder);
  };
  try {
    await untilReady(folder, ports.http, server);
  } catch (error) {
    await end(server);
    throw error;
  }
  return {
    address,
    pid: server.pid,
    stop,
    ...(ports.ui === undefined ? {} : { uiAddress: `http://127.0.0.1:${ports.ui}` }),
  };
}

function argumentsOf(database: string, lasting: boolean, { grpc, ui, http }: Ports): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(grpc), '--log-level', 'warn'],
    ...['--http-port', String(http)],
    ...(ui === undefined ? ['--headless'] : ['--ui-ip', '127.0.0.1', '--ui-port', String(ui)]),
    ...(ui === undefined ? [] : ['--ui-disable-news-fetch']),
    ...['--db-filename', database],
    ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    // in memory it failed under stress in the SDK's own CI, and a plain file was too slow
    ...['--sqlite-pragma', 'journal_mode=WAL'],
    // what is thrown away at the end need not survive a power cut
    ...['--sqlite-pragma', `synchronous=${lasting ? 'NORMAL' : 'OFF'}`],
    // off by default; without it the fairness keys, by which one slow server does not hold up the others, do nothing
    ...['--dynamic-config-value', 'matching.enableFairness=true'],
  ];
}

/** Ready means: it knows its namespace. Asked on a port that only it can have: elsewhere another server might answer. */
async function untilReady(folder: string, httpPort: number, server: ProcessIdentity): Promise<void> {
  const url = `http://127.0.0.1:${httpPort}/api/v1/namespaces/default`;
  for (const until = Date.now() + READY_WITHIN_MS; ; await sleep(50)) {
    if (!isAlive(server)) throw failure(folder, 'ended at once');
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    if (Date.now() > until) throw failure(folder, 'did not get ready');
  }
}

/** Ends what dead owners left over. Beside the folder, lasting ones are left alone: somebody may want to look at them. */
async function endLeftovers(parent: string, own: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    const left = readRecord(folder);
    if (left === undefined) continue;
    if (isAlive(left.owner) && isAlive(left.server)) {
      if (folder === own) throw failure(folder, `already runs there, started by process ${left.owner.pid}`);
    } else if (folder === own || !left.lasting) {
      await end(left.server);
      if (!left.lasting) remove(folder);
    }
  }
}

function readRecord(folder: string): z.infer<typeof recordSchema> | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(join(folder, RECORD), 'utf8')));
  } catch {
    return undefined; // no such file, or half written by a process that died
  }
}

/** It stops its services in an order of its own, which may hang on an open long poll. */
async function end(server: ProcessIdentity): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    signalProcess(server, signal);
    for (const until = Date.now() + STOP_WITHIN_MS; Date.now() < until; await sleep(20)) if (!isAlive(server)) return;
  }
  throw new OffboilError(
    'TEMPORAL_UNAVAILABLE',
    `The Temporal server, process ${server.pid}, cannot be ended. End it by hand.`,
  );
}

/** Removes what the server wrote; the folder only if nothing else is in it. */
function remove(folder: string): void {
  for (const name of [DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`, LOG, RECORD])
    rmSync(join(folder, name), { force: true });
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

function logEnd(folder: string): string {
  const log = join(folder, LOG);
  return existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : '';
}

function failure(folder: string, what: string, cause?: unknown): OffboilError {
  const message = `The Temporal server in ${folder} ${what}. Its log ends:\n${logEnd(folder)}`;
  return new OffboilError('TEMPORAL_UNAVAILABLE', message, {}, { cause });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
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
