import { setTimeout as pause } from 'node:timers/promises';
import { OffboilError } from '../../../domain/errors.js';
import type { Engine, Reply, StopStep } from '../../../domain/ports.js';
import type { Secret } from '../../../domain/secret.js';
import type { EngineInfo, ObservedTask, TaskDetail, TaskRef } from '../../../domain/tasks.js';
import type { TlsMaterial } from '../kettle/agent.js';
import { startedOr } from '../kettle/http-failures.js';
import { type Answered, createKettleHttp, DETAIL_BYTES, type KettleHttp, LIST_BYTES } from '../kettle/http.js';
import { readWebResult, replyOf } from '../kettle/web-result.js';
import { readXml } from '../kettle/xml.js';
import { readHopDetail } from './detail.js';
import { dialectOf, dialectOfList, type HopDialect, REMARKS } from './dialects.js';
import { type HopList, readHopList } from './list.js';
import { readHopFile, registration } from './register.js';

export interface HopConfig {
  /** Name of the server in the estate. */
  readonly server: string;
  /** With its path prefix, such as `http://hop-01.corp:8181/hop`. */
  readonly url: string;
  readonly user?: string;
  readonly password?: Secret;
  /** Declared version; without one the list tells the generation only. */
  readonly version?: string;
  /** IANA zone of the server's JVM; needed only for starts before a change to or from daylight saving. */
  readonly timezone?: string;
  readonly perServer: number;
  /** Total limit of one request. */
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial;
  /** Reads the password again; asked once for each request that was refused with 401. */
  readonly refreshPassword?: () => Promise<Secret>;
  readonly clockNow?: () => number;
}

export interface HopEngine extends Engine {
  release(ref: TaskRef, signal: AbortSignal): Promise<Reply>;
  /** Closes kept connections. */
  close(): void;
}

/** What a read list told. */
interface Look {
  readonly list: HopList;
  readonly byId: ReadonlyMap<string, ObservedTask>;
  readonly clockSkewMs: number | undefined;
}

/** Servlets by kind of task. */
const SERVLETS = {
  pipeline: {
    stop: 'stopPipeline/',
    status: 'pipelineStatus/',
    register: 'registerPipeline/',
    start: 'startPipeline/',
    remove: 'removePipeline/',
  },
  workflow: {
    stop: 'stopWorkflow/',
    status: 'workflowStatus/',
    register: 'registerWorkflow/',
    start: 'startWorkflow/',
    remove: 'removeWorkflow/',
  },
} as const;
type HopKind = keyof typeof SERVLETS;

/** While objects are removed, about one list in a hundred fails with 500 (measured on 2.16.0): it is read again so many times. */
const LIST_REREADS = 3;
const BETWEEN_REREADS_MS = 100;

/** Apache Hop Server 2.13 to 2.16: Carte's descendant, told apart by `dialects.ts`. Nothing is sent here. */
export function createHopEngine(config: HopConfig): HopEngine {
  return new OneHop(config);
}

type Start = Parameters<Engine['start']>;

class OneHop implements HopEngine {
  readonly #config: HopConfig;
  readonly #http: KettleHttp;
  readonly #now: () => number;
  /** The last read list: the server's generation and words, and which tasks need care. */
  #last: Look | undefined;

  constructor(config: HopConfig) {
    const { url: baseUrl, ...rest } = config;
    this.#config = config;
    this.#now = config.clockNow ?? Date.now;
    this.#http = createKettleHttp({ ...rest, baseUrl });
  }

  async probe(signal: AbortSignal): Promise<EngineInfo> {
    const { list, clockSkewMs } = this.#last ?? (await this.#readList(signal));
    const dialect = this.#dialect(list);
    const { version } = this.#config;
    return {
      product: 'Apache Hop Server',
      version: version ?? 'unknown',
      dialect: dialect.id,
      source: dialect.source,
      ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
      rungs: ['stop'],
      start: dialect.listHasDates ? 'list' : 'none',
      stopReachesChildren: true,
      remarks: remarksOf(list, dialect, version),
    };
  }

  async list(signal: AbortSignal): Promise<ObservedTask[]> {
    const { list } = await this.#readList(signal);
    return list.tasks;
  }

  async inspect(ref: TaskRef, signal: AbortSignal): Promise<TaskDetail> {
    const kind = this.#kindOf(ref);
    const query = { name: ref.name, id: ref.id, xml: 'Y' };
    const reply = await this.#http.read(
      { path: SERVLETS[kind].status, query, maxBytes: DETAIL_BYTES, repeatable: true },
      signal,
    );
    const repliedAt = this.#now();
    const root = await readXml({ server: ref.server, ...reply }, [`${kind}-status`, 'webresult']);
    return readHopDetail(root, ref, { timezone: this.#config.timezone, repliedAt });
  }

  async stop(ref: TaskRef, step: StopStep, signal: AbortSignal): Promise<Reply> {
    if (step.rung === 'safe') {
      return { kind: 'unsent', note: `${ref.server} has no safe stop: Hop ignores inputOnly and stops at once` };
    }
    const kind = this.#kindOf(ref);
    const seen = this.#last?.byId.get(ref.id);
    if (kind === 'workflow' && (seen === undefined || seen.state === 'waiting')) {
      const hold = await this.#whyNotToStop(ref, signal);
      if (hold !== undefined) return { kind: 'unsent', note: hold };
    }
    const query = { name: ref.name, id: ref.id, xml: 'Y' };
    const came = await this.#http.send(
      { path: SERVLETS[kind].stop, query, maxBytes: DETAIL_BYTES, mayLeave: () => step.mayLeave() },
      signal,
    );
    const reply = await replyOf(ref.server, this.#config.user, came);
    return reply.kind === 'acknowledged' && seen?.remark !== undefined ? { ...reply, note: seen.remark } : reply;
  }

  start(...start: Start): Promise<TaskRef | 'heldBack'> {
    return startedOr(this.#start(...start));
  }

  /** Held back after its registration, what is registered stays there and waits: to remove it would be a request too. */
  async #start(...[what, parameters, mayLeave, signal]: Start): Promise<TaskRef> {
    const { server } = this.#config;
    if (what.run === undefined) {
      // A pipeline that was stopped and started again under its id cannot be stopped ever after (measured on 2.16.0).
      throw new OffboilError(
        'ESTATE_INVALID',
        `A rerun on ${server} needs "run", a .hpl or .hwf file on the worker: Hop is never asked to start "${what.held.name}" again ` +
          'under its old id, because no stop would reach it then. Nothing was started.',
        { server, id: what.held.id },
      );
    }
    const file = await readHopFile(server, what.run);
    await this.#readList(signal); // reachable, and of a known version
    const servlets = SERVLETS[file.kind];
    // Never repeated: a registration whose reply was lost would be there twice.
    const body = await registration(file, parameters);
    const registered = await this.#http.read(
      { path: servlets.register, query: { xml: 'Y' }, maxBytes: DETAIL_BYTES, body, mayLeave },
      signal,
    );
    const id = await this.#accepted(registered, `register ${file.kind} "${file.name}"`);
    if (id === '')
      throw new OffboilError(
        'REPLY_INCOMPLETE',
        `${server} registered "${file.name}" without telling its id; it was not started.`,
        { server },
      );
    const ref: TaskRef = { server, id, name: file.name, kind: file.kind };
    const query = { name: ref.name, id, xml: 'Y' };
    try {
      // The id in this answer is left alone: of a workflow it can be one that nothing knows (measured on 2.16.0).
      await this.#accepted(
        await this.#http.read({ path: servlets.start, query, maxBytes: DETAIL_BYTES, mayLeave }, signal),
        `start ${file.kind} "${file.name}"`,
      );
    } catch (error) {
      // Only what the server refused is surely not running; anything else stays listed, to be looked at.
      if (error instanceof OffboilError && error.code === 'REPLY_REJECTED') await this.release(ref, signal);
      throw error;
    }
    return ref;
  }

  async release(ref: TaskRef, signal: AbortSignal): Promise<Reply> {
    const query = { name: ref.name, id: ref.id, xml: 'Y' };
    const came = await this.#http.send(
      { path: SERVLETS[this.#kindOf(ref)].remove, query, maxBytes: DETAIL_BYTES },
      signal,
    );
    return replyOf(ref.server, this.#config.user, came);
  }

  close(): void {
    this.#http.close();
  }

  async #readList(signal: AbortSignal): Promise<Look> {
    const { server, timezone, version } = this.#config;
    if (version !== undefined) dialectOf(server, version); // a version nobody knows is refused before anything is sent
    const reply = await this.#listReply(signal);
    const repliedAt = this.#now();
    const list = readHopList(await readXml({ server, ...reply }, ['serverstatus']), { server, timezone, repliedAt });
    this.#last = { list, byId: new Map(list.tasks.map((task) => [task.id, task])), clockSkewMs: reply.clockSkewMs };
    return this.#last;
  }

  async #listReply(signal: AbortSignal): Promise<Answered> {
    const { server } = this.#config;
    for (let reads = 0; ; reads += 1) {
      const reply = await this.#http.read(
        { path: 'status/', query: { xml: 'Y' }, maxBytes: LIST_BYTES, repeatable: true },
        signal,
      );
      if (reply.status !== 500) return reply;
      if (reads === LIST_REREADS) {
        throw new OffboilError(
          'REPLY_REJECTED',
          `${server} answered ${reads + 1} lists in a row with HTTP 500. Hop does so, to everybody, when a workflow was stopped before ` +
            'it was started, until that workflow is started or removed (removeWorkflow). The server itself goes on.',
          { server, status: reply.status },
        );
      }
      await pause(BETWEEN_REREADS_MS, undefined, { signal });
    }
  }

  /** A stop of a workflow that was never started makes the status list answer 500 for everybody. @returns why it is not sent */
  async #whyNotToStop(ref: TaskRef, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { state } = await this.inspect(ref, signal);
      return state === 'waiting'
        ? `"${ref.name}" waits and was never started: a stop would break the status list of ${ref.server} for everybody`
        : undefined;
    } catch (error) {
      return `whether "${ref.name}" was ever started could not be read (${error instanceof Error ? error.message : String(error)})`;
    }
  }

  /** @returns the id in the answer. @throws OffboilError `REPLY_REJECTED` when the server said no */
  async #accepted(reply: Answered, what: string): Promise<string> {
    const { server } = this.#config;
    const { ok, message, id } = await readWebResult(server, reply);
    if (!ok) throw new OffboilError('REPLY_REJECTED', `${server} did not ${what}: ${message}`, { server });
    return id;
  }

  #kindOf(ref: TaskRef): HopKind {
    if (ref.kind === 'pipeline' || ref.kind === 'workflow') return ref.kind;
    throw new OffboilError(
      'INTERNAL',
      `${ref.server} is a Hop Server and has no ${ref.kind}; "${ref.name}" was not touched.`,
      { server: ref.server, id: ref.id },
    );
  }

  #dialect(list: HopList): HopDialect {
    const { server, version } = this.#config;
    if (version !== undefined) return dialectOf(server, version);
    const told = dialectOfList(list.workflowList);
    if (told === undefined)
      throw new OffboilError('VERSION_UNKNOWN', `The version of ${server} cannot be told; declare it in the estate.`, {
        server,
      });
    return told;
  }
}

function remarksOf(list: HopList, dialect: HopDialect, version: string | undefined): string[] {
  const own: string[] = [];
  if (list.statusWord !== 'Online') own.push(`The server says of itself: "${list.statusWord}".`);
  if (version !== undefined && list.workflowList !== dialect.workflowList) {
    own.push(`It is declared as ${version}, but its list is that of another version (${list.workflowList}).`);
  }
  return [...own, ...REMARKS];
}
