import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { expect, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { openLedger } from '../../adapters/ledger/ledger.js';
import { OffboilClient, type Report, type RequestInput, type RunHandle, type RunResult } from '../../client/index.js';
import { TemporalLine } from '../../client/temporal-line.js';
import { createFleet, type Fleet, type ServerSpec, type TaskSpec } from '../../sandbox/index.js';
import { compose, type House } from '../../worker/compose.js';
import { createWorker } from '../../worker/run-workers.js';
import { SEARCH_ATTRIBUTES, TASK_QUEUE } from '../../workflows/messages.js';
import type { TestPostgres } from './postgres.js';
import { workflowBundlePath } from './temporal.js';

/** What a test says about its estate; everything else is filled in from the fleet. */
export type EstateParts = Readonly<Record<string, unknown>>;

export interface SystemOptions {
  readonly postgres: TestPostgres;
  readonly servers: readonly ServerSpec[];
  /** Merged over the fleet's servers and a contract for every task. */
  readonly estate?: EstateParts;
  /** Merged over what the estate says of a server, by its name. */
  readonly entries?: Readonly<Record<string, EstateParts>>;
  /** In the test's process (default), as real processes that can be killed, or none. */
  readonly workers?: 'here' | 'none';
  /** A Temporal server of the test's own; the suite's one if left out. */
  readonly temporalAddress?: string;
  /** Executions that the test leaves open, by workflow id, with the reason. */
  readonly unfinished?: Readonly<Record<string, string>>;
}

export interface WorkerOfTest {
  readonly site?: string;
  readonly estateFile?: string;
}

/** The whole product as one test sees it: a namespace, a ledger and a fleet of its own. */
export interface System {
  readonly client: OffboilClient;
  readonly temporal: Client;
  readonly fleet: Fleet;
  readonly namespace: string;
  readonly address: string;
  readonly estateFile: string;
  readonly ledgerUrl: string;
  /** Environment for a program of the product: `offboil`, `worker`, `temporal`. */
  readonly env: NodeJS.ProcessEnv;
  /** Starts a run and answers `count` confirmations. */
  start(request: Partial<RequestInput>): Promise<RunHandle>;
  /** Starts it, confirms where the policy asks, waits for the end. */
  run(request: Partial<RequestInput>): Promise<{ readonly result: RunResult; readonly report: Report }>;
  /** A worker in the test's own process, on the main queue unless a site is named, with an estate file of its own if told. */
  workHere(place?: WorkerOfTest): Promise<{ stop(): Promise<void> }>;
  /** A worker as a process of its own, for kill -9 and SIGSTOP. */
  spawnWorker(env?: NodeJS.ProcessEnv): Promise<ChildProcess>;
  /** Requests that the fleet saw, stops only. */
  stops(): Promise<readonly { readonly server: string; readonly id: string; readonly name: string }[]>;
}

/** Quick times, so that a test waits for what it is about and for nothing else. */
const QUICK_POLICIES = {
  quick: {
    extends: 'contain',
    confirm: 'none',
    verify: { within: '3s', every: '100ms', linger: '0s' },
    watchAfter: '0s',
    snapshot: 'none',
    settle: '0s',
  },
  'quick-careful': {
    extends: 'careful',
    settle: '0s',
    verify: { within: '2s', every: '100ms', linger: '0s' },
    watchAfter: '0s',
  },
};

/** Many short waits instead of one long one: for whoever waits for the product. */
export async function eventually<T>(look: () => Promise<T> | T, timeout = 15_000): Promise<T> {
  return vi.waitFor(look, { timeout, interval: 25 });
}

export function aTask(name: string, change: Partial<TaskSpec> = {}): TaskSpec {
  return { name, kind: 'transformation', mode: 'idle', settleMs: 50, ...change };
}

export function aServer(name: string, tasks: readonly TaskSpec[], change: Partial<ServerSpec> = {}): ServerSpec {
  return { name, personality: '8.3', tasks, ...change };
}

/** A worker's ordinary life is not what a test is about. */
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });

/** Starts everything for one test; ends and replays everything when it is over. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const address = options.temporalAddress ?? process.env['OFFBOIL_TEST_TEMPORAL_ADDRESS'] ?? '';
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const folder = await mkdtemp(join(tmpdir(), 'offboil-system-'));
  const fleet = await createFleet({ servers: options.servers, databaseUrl: options.postgres.url });
  const connection = await Connection.connect({ address });
  await registerNamespace(connection, namespace);
  const temporal = new Client({ connection, namespace });
  const ledgerUrl = await freshLedger(options.postgres.url);
  const estateFile = join(folder, 'offboil.yaml');
  await writeFile(estateFile, estateOf(fleet, options));

  const ending: (() => Promise<unknown>)[] = [];
  const env = {
    ...process.env,
    OFFBOIL_LEDGER_URL: ledgerUrl,
    OFFBOIL_ESTATE: estateFile,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_CONFIG_FILE: join(folder, 'none.toml'),
  };
  const workHere = async (place: WorkerOfTest = {}): Promise<{ stop(): Promise<void> }> => {
    const { site, estateFile: ownFile = estateFile } = place;
    // one connection a worker: two on one queue may not share theirs
    const native = await NativeConnection.connect({ address });
    const house: House = await compose({ estateFile: ownFile, ledgerUrl, env, connection: native, namespace });
    const worker = await createWorker({
      connection: native,
      namespace,
      house,
      bundle: await workflowBundlePath(),
      ...(site === undefined ? {} : { site }),
    });
    const running = worker.run();
    let stopped = false;
    const stop = async (): Promise<void> => {
      if (stopped) return;
      stopped = true;
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
      await house.close();
      await native.close();
    };
    ending.unshift(stop);
    // a site's worker polls for activities only, which this question does not see
    if (site === undefined) await eventually(() => new TemporalLine(temporal, TASK_QUEUE).assertPolled('the test'));
    return { stop };
  };
  onTestFinished(async () => {
    const faults = await replayNamespace(temporal, options.unfinished ?? {});
    for (const end of ending) await end();
    await fleet.stop();
    await connection.close();
    await rm(folder, { recursive: true, force: true });
    expect(faults).toEqual([]);
  });
  if (options.workers !== 'none') await workHere();
  const client = new OffboilClient(temporal);
  const start = async (request: Partial<RequestInput>): Promise<RunHandle> =>
    client.start({ ...aRequest(), ...request, dryRun: false });
  return {
    client,
    temporal,
    fleet,
    namespace,
    address,
    estateFile,
    ledgerUrl,
    env,
    start,
    async run(request) {
      const handle = await start(request);
      const confirming = confirmCount(handle);
      const result = await handle.result();
      await confirming;
      return { result, report: await handle.report() };
    },
    workHere,
    async spawnWorker(more = {}) {
      // compiled, as in production; `npm test` has built it
      const child = spawn(process.execPath, ['dist/worker/main.js'], {
        env: { ...env, ...more },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      ending.unshift(async () => {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      });
      await new Promise<void>((ready, reject) => {
        let said = '';
        child.stderr.on('data', (chunk: Buffer) => {
          said += chunk.toString();
          if (said.includes('worker ready')) ready();
        });
        child.once('exit', () => {
          reject(new Error(`the worker ended: ${said}`));
        });
      });
      return child;
    },
    async stops() {
      const log = await fleet.log();
      return log
        .filter(({ path }) => path === 'stopTrans' || path === 'stopJob')
        .map(({ server, id = '', name = '' }) => ({ server, id, name }));
    },
  };
}

/** A request with an id of its own. */
export function aRequest(change: Partial<RequestInput> = {}): RequestInput & { readonly requestId: string } {
  return {
    requestId: `INC-${randomBytes(5).toString('hex')}`,
    reason: 'source corrupt',
    requestedBy: 'ops-oncall',
    select: { names: ['load_*'] },
    policy: 'quick',
    ...change,
  };
}

/** Confirms a plan that waits for a count, as a person who has read it would. */
export async function confirmCount(handle: RunHandle, by = 'ops-oncall'): Promise<void> {
  for await (const { phase, waits, planHash } of handle.watch({ everyMs: 25 })) {
    // without `waits` the policy asks for nothing, and the phase is passed through
    if (phase !== 'confirm' || waits === undefined || planHash === undefined) continue;
    await handle.approve({ by, planHash });
    return;
  }
}

function estateOf(fleet: Fleet, { estate = {}, entries = {} }: SystemOptions): string {
  const servers = fleet.servers.map(({ name, url, personality }) => ({
    name,
    engine: 'carte',
    url,
    user: 'cluster',
    password: 'cluster',
    version: personality === '5.4' ? '5.4.0' : personality,
    timezone: 'UTC',
    limits: { perServer: 4, timeout: '1s' },
    ...entries[name],
  }));
  return stringify({
    servers,
    tasks: [{ match: { name: '*' }, priority: 'normal' }],
    ...estate,
    policies: { ...QUICK_POLICIES, ...(estate['policies'] as object | undefined) },
  });
}

async function registerNamespace(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('1 day'),
  });
  const client = new Client({ connection, namespace });
  await eventually(async () => {
    await client.workflow.list()[Symbol.asyncIterator]().next();
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, KEYWORD])),
    });
  });
}

/** IndexedValueType of Temporal's API: keyword. */
const KEYWORD = 2;

async function freshLedger(url: string): Promise<string> {
  const { default: pg } = await import('pg');
  const name = `ledger_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`).finally(() => admin.end());
  const own = new URL(url);
  own.pathname = `/${name}`;
  const ledger = await openLedger(own.href);
  await ledger.migrate(AbortSignal.timeout(30_000)).finally(() => ledger.close());
  onTestFinished(async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).finally(() => client.end());
  });
  return own.href;
}

/** Replays every execution of the namespace. @returns what is wrong, one sentence each */
async function replayNamespace(client: Client, unfinished: Readonly<Record<string, string>>): Promise<string[]> {
  const histories = [];
  const faults: string[] = [];
  for await (const { workflowId, runId, status } of client.workflow.list()) {
    const handle = client.workflow.getHandle(workflowId, runId);
    histories.push({ workflowId, history: await handle.fetchHistory() });
    // the list lags behind: what it calls running may have closed
    if (status.name !== 'RUNNING' || (await handle.describe()).status.name !== 'RUNNING') continue;
    if (!(workflowId in unfinished)) faults.push(`${workflowId} was left unfinished`);
    await handle.terminate('the test has ended').catch(() => undefined); // it may have ended meanwhile
  }
  const workflowBundle = { codePath: await workflowBundlePath() };
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (error !== undefined) faults.push(`${workflowId} does not replay: ${error.message}`);
  }
  return faults;
}
