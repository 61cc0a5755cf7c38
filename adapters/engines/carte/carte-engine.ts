import { OffboilError } from '../../../domain/errors.js';
import type { Engine, Reply, StopStep } from '../../../domain/ports.js';
import type { Secret } from '../../../domain/secret.js';
import type { EngineInfo, ObservedTask, TaskDetail, TaskRef } from '../../../domain/tasks.js';
import type { TlsMaterial } from '../kettle/agent.js';
import { startedOr } from '../kettle/http-failures.js';
import type { ServerTime } from '../kettle/dates.js';
import { type Answered, createKettleHttp, DETAIL_BYTES, type KettleHttp, LIST_BYTES } from '../kettle/http.js';
import { readWebResult, replyOf } from '../kettle/web-result.js';
import { type CarteKind, type Dialect, dialectOf } from './dialects.js';
import { inferDialect, type KnownDialect, type ListMarkers } from './infer-dialect.js';
import { type DetailReply, readDetail } from './read-detail.js';
import { observe, readStatus } from './read-status.js';

/** One Carte server, with every reference of its estate entry resolved. */
export interface CarteConfig {
  /** Name in the estate. */
  readonly server: string;
  /** With its prefix: `/kettle`, `/pentaho/kettle` or `/spoon/kettle`. */
  readonly url: string;
  readonly user?: string;
  readonly password?: Secret;
  /** Reads a refused password again. */
  readonly refreshPassword?: () => Promise<Secret>;
  /** Declared version; Carte tells none. */
  readonly version?: string;
  /** IANA zone of the server's JVM. */
  readonly timezone?: string;
  readonly perServer: number;
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial;
  readonly clockNow?: () => number;
}

export interface CarteEngine extends Engine {
  release(ref: TaskRef, signal: AbortSignal): Promise<Reply>;
  /** Closes kept connections. */
  close(): void;
}

/** Carte of PDI 4.4 to 11: what differs between them stands in `dialects.ts`. */
export function createCarteEngine(config: CarteConfig): CarteEngine {
  const { url, ...rest } = config;
  return new OneCarte(config, createKettleHttp({ ...rest, baseUrl: url }));
}

/** What a Date header leaves open: its resolution, and the reply's way. */
const DATE_HEADER_MS = 2000;
const WITHOUT_DATE_HEADER_MS = 300_000;

/** Names that mean something to `runTrans` and `runJob` themselves. */
const RESERVED = ['trans', 'job', 'level', 'xml'];

/** A job that cannot exist: its answer, 200 or 404, tells servers up to 9.1 from later ones. */
const NO_SUCH_JOB = {
  xml: 'Y',
  name: 'offboil asks for a job that does not exist',
  id: '00000000-0000-0000-0000-000000000000',
};

const CALLS = {
  job: { status: 'jobStatus/', stop: 'stopJob/', start: 'startJob/', run: 'runJob/', remove: 'removeJob/' },
  transformation: {
    status: 'transStatus/',
    stop: 'stopTrans/',
    start: 'startTrans/',
    run: 'runTrans/',
    remove: 'removeTrans/',
  },
} as const satisfies Record<CarteKind, Record<string, string>>;

type Start = Parameters<Engine['start']>;

class OneCarte implements CarteEngine {
  readonly #config: CarteConfig;
  readonly #http: KettleHttp;
  #known: KnownDialect | undefined;
  #markers: ListMarkers | undefined;
  #unknownJobIs: 200 | 404 | undefined;
  #clockSkewMs: number | undefined;
  #upSinceMs: number | undefined;
  /** Ids that the latest list showed waiting. */
  #waiting: ReadonlySet<string> = new Set();
  /** Below zero and never twice the same: see `inspect`. */
  #from = -1 - Math.floor(Math.random() * 1_000_000);

  constructor(config: CarteConfig, http: KettleHttp) {
    this.#config = config;
    this.#http = http;
  }

  async probe(signal: AbortSignal): Promise<EngineInfo> {
    let known = this.#known ?? (await this.#read(signal)).known;
    if (known.canNarrow && this.#markers !== undefined) {
      const request = { path: CALLS.job.status, query: NO_SUCH_JOB, maxBytes: DETAIL_BYTES, repeatable: true };
      const { status } = await this.#http.read(request, signal);
      if (status === 200 || status === 404) this.#unknownJobIs = status;
      known = this.#learn(this.#markers);
    }
    const { dialect, version, remarks } = known;
    return {
      product: 'Carte',
      version,
      dialect: dialect.name,
      source: dialect.source,
      ...(this.#clockSkewMs === undefined ? {} : { clockSkewMs: this.#clockSkewMs }),
      rungs: dialect.hasSafeStop ? ['safe', 'stop'] : ['stop'],
      start: dialect.start,
      ...(this.#upSinceMs === undefined ? {} : { upSinceMs: this.#upSinceMs }),
      stopReachesChildren: dialect.stopReachesChildren,
      remarks,
    };
  }

  async list(signal: AbortSignal): Promise<ObservedTask[]> {
    return (await this.#read(signal)).tasks;
  }

  async inspect(ref: TaskRef, signal: AbortSignal): Promise<TaskDetail> {
    const { server } = this.#config;
    const kind = this.#kindOf(ref);
    const { dialect } = this.#known ?? (await this.#read(signal)).known;
    const read = await this.#detail(ref, dialect, this.#fromOf(kind, dialect), signal);
    if (read.kind === 'detail') {
      // Which `from` gives the whole log of a job cannot be told here: the other one is asked for where the start is missing.
      const isCut = kind === 'job' && dialect.wholeJobLog === 'unknown' && read.detail.startedAtMs === undefined;
      const whole = isCut ? await this.#detail(ref, dialect, '9999999', signal) : read;
      if (read.id === ref.id) return whole.kind === 'detail' && whole.id === ref.id ? whole.detail : read.detail;
      throw new OffboilError('REPLY_REJECTED', `${server} was asked for ${ref.id} and told of another task.`, {
        server,
        id: ref.id,
      });
    }
    if (read.kind === 'probablyNone' && (await this.list(signal)).some(({ id }) => id === ref.id)) {
      throw new OffboilError('REPLY_REJECTED', `${server} lists "${ref.name}" and answers HTTP 500 for its detail.`, {
        server,
        id: ref.id,
      });
    }
    throw new OffboilError('TARGET_UNKNOWN', `${server} has no task ${ref.id} ("${ref.name}") any more.`, {
      server,
      id: ref.id,
    });
  }

  /** @param from undefined: none is sent */
  async #detail(ref: TaskRef, dialect: Dialect, from: string | undefined, signal: AbortSignal): Promise<DetailReply> {
    const kind = this.#kindOf(ref);
    const query = { xml: 'Y', name: ref.name, id: ref.id, ...(from === undefined ? {} : { from }) };
    const request = { path: CALLS[kind].status, query, maxBytes: DETAIL_BYTES, repeatable: true };
    const reply = await this.#http.read(request, signal);
    return readDetail(this.#config.server, kind, dialect, reply, this.#timeOf(reply));
  }

  /**
   * Which log lines are asked for: all. Where the detail of a transformation can be a stale one that is cached per `from`
   * (`detailCacheTrap`), any number below zero means the same, and each is a key of its own.
   */
  #fromOf(kind: CarteKind, dialect: Dialect): string | undefined {
    if (kind === 'job') return dialect.wholeJobLog === 'unknown' ? undefined : dialect.wholeJobLog;
    return String(dialect.detailCacheTrap ? this.#from-- : 0);
  }

  /** The server's clock at a reply: its Date header (9.1 on) has seconds; without one it may be some minutes off ours. */
  #timeOf({ clockSkewMs }: Answered): ServerTime {
    const now = this.#config.clockNow?.() ?? Date.now();
    return clockSkewMs === undefined
      ? { zone: this.#config.timezone, now, toleranceMs: WITHOUT_DATE_HEADER_MS }
      : { zone: this.#config.timezone, now: now + clockSkewMs, toleranceMs: DATE_HEADER_MS };
  }

  async stop(ref: TaskRef, step: StopStep, signal: AbortSignal): Promise<Reply> {
    const { server, user, version } = this.#config;
    if (ref.kind !== 'job' && ref.kind !== 'transformation')
      return { kind: 'rejected', note: `Carte has no ${ref.kind}; nothing was sent` };
    if (this.#waiting.has(ref.id)) {
      // From 8.1 on a stop sent to a waiting job makes every later list answer 500; elsewhere it does nothing.
      return { kind: 'rejected', note: 'it waits, there is nothing to stop; nothing was sent' };
    }
    if (step.rung === 'safe') {
      const dialect = this.#known?.dialect ?? (version === undefined ? undefined : dialectOf(version));
      if (ref.kind === 'job') return { kind: 'rejected', note: 'Carte has no safe stop for jobs; nothing was sent' };
      // Before 8.1 `inputOnly` is ignored without a word, and a full stop happens.
      if (dialect?.hasSafeStop !== true)
        return { kind: 'rejected', note: 'safe stop is not certain on this version; nothing was sent' };
    }
    const query = { xml: 'Y', name: ref.name, id: ref.id, ...(step.rung === 'safe' ? { inputOnly: 'Y' } : {}) };
    const mayLeave = (): boolean => step.mayLeave();
    const came = await this.#http.send({ path: CALLS[ref.kind].stop, query, maxBytes: DETAIL_BYTES, mayLeave }, signal);
    return replyOf(server, user, came);
  }

  start(...start: Start): Promise<TaskRef | 'heldBack'> {
    return startedOr(this.#start(...start));
  }

  async #start(...[what, parameters, mayLeave, signal]: Start): Promise<TaskRef> {
    const kind = this.#kindOf(what.held);
    const { server } = this.#config;
    if (what.run === undefined) {
      if (Object.keys(parameters).length > 0) {
        throw this.#impossible('a held task starts again as it was, without parameters; give "run" with them');
      }
      const tasks = await this.#provenEnded(what.held, signal);
      // `startJob` takes the configuration of the first job of that name, which may be another one's.
      if (kind === 'job' && tasks.filter((task) => task.kind === 'job' && task.name === what.held.name).length > 1) {
        throw this.#impossible(`it holds several jobs named "${what.held.name}" and might start another one`);
      }
      const query = { xml: 'Y', name: what.held.name, id: what.held.id };
      await this.#demand({ path: CALLS[kind].start, query, maxBytes: DETAIL_BYTES, mayLeave }, signal);
      return what.held; // Carte starts it again under its id
    }
    const { dialect } = this.#known ?? (await this.#read(signal)).known;
    if (!dialect.hasRun) throw this.#impossible(`Carte ${dialect.name} cannot run a path`);
    const taken = Object.keys(parameters).find((name) => RESERVED.includes(name));
    if (taken !== undefined) throw this.#impossible(`a parameter named "${taken}" cannot be told from Carte's own`);
    const query = { xml: 'Y', [kind === 'job' ? 'job' : 'trans']: what.run, level: 'Basic', ...parameters };
    const { id } = await this.#demand({ path: CALLS[kind].run, query, maxBytes: DETAIL_BYTES, mayLeave }, signal);
    if (id === '')
      throw new OffboilError('REPLY_INCOMPLETE', `${server} started "${what.run}" and told no id.`, { server });
    // Its name stands inside the file; the list tells it. Gone already: the name of the task it replaces.
    const listed = (await this.list(signal)).find((task) => task.id === id);
    return { server, id, kind, name: listed?.name ?? what.held.name };
  }

  async release(ref: TaskRef, signal: AbortSignal): Promise<Reply> {
    const { server, user } = this.#config;
    const kind = this.#kindOf(ref);
    try {
      // Removed while it runs, a task goes on invisibly and can never be stopped over HTTP again (measured on 5.4.0.1).
      await this.#provenEnded(ref, signal);
    } catch (error) {
      if (!(error instanceof OffboilError)) throw error;
      return { kind: 'unsent', note: error.message };
    }
    const query = { xml: 'Y', name: ref.name, id: ref.id };
    return replyOf(
      server,
      user,
      await this.#http.send({ path: CALLS[kind].remove, query, maxBytes: DETAIL_BYTES }, signal),
    );
  }

  close(): void {
    this.#http.close();
  }

  /** The one list request, with all that is learned from it. */
  async #read(signal: AbortSignal): Promise<{ tasks: ObservedTask[]; known: KnownDialect }> {
    const { server } = this.#config;
    const reply = await this.#http.read(
      { path: 'status/', query: { xml: 'Y' }, maxBytes: LIST_BYTES, repeatable: true },
      signal,
    );
    const list = await readStatus(server, reply);
    const known = this.#learn(list.markers);
    this.#clockSkewMs = reply.clockSkewMs;
    const now = this.#config.clockNow?.() ?? Date.now();
    this.#upSinceMs = list.uptimeMs === undefined ? undefined : now - list.uptimeMs;
    const tasks = observe(server, list, known.dialect, this.#timeOf(reply));
    this.#waiting = new Set(tasks.filter(({ state }) => state === 'waiting').map(({ id }) => id));
    return { tasks, known };
  }

  #learn(markers: ListMarkers): KnownDialect {
    this.#markers = markers;
    this.#known = inferDialect(this.#config.server, this.#config.version, markers, this.#unknownJobIs);
    return this.#known;
  }

  /** @throws OffboilError unless a list (and where the list leaves a doubt, a detail) shows that this very task has ended */
  async #provenEnded(ref: TaskRef, signal: AbortSignal): Promise<ObservedTask[]> {
    const { server } = this.#config;
    const tasks = await this.list(signal);
    const task = tasks.find(({ id, name, kind }) => id === ref.id && name === ref.name && kind === ref.kind);
    if (task === undefined)
      throw new OffboilError('TARGET_UNKNOWN', `${server} has no task ${ref.id} ("${ref.name}") any more.`, { server });
    const ended =
      task.closesBy === 'detail' ? (await this.inspect(ref, signal)).proves === 'ended' : task.state === 'ended';
    if (ended) return tasks;
    // A start on a running object is not refused by Carte and runs it twice (PDI-18214).
    throw new OffboilError(
      'REPLY_REJECTED',
      `"${ref.name}" on ${server} is not proven ended (${task.word}). Nothing was sent.`,
      { server },
    );
  }

  /** A call that must answer OK. */
  async #demand(request: Parameters<KettleHttp['read']>[0], signal: AbortSignal): Promise<{ id: string }> {
    const { server } = this.#config;
    const { ok, message, id } = await readWebResult(server, await this.#http.read(request, signal));
    if (!ok) throw new OffboilError('REPLY_REJECTED', `${server} answered no: ${message}`, { server });
    return { id };
  }

  #kindOf(ref: TaskRef): CarteKind {
    if (ref.kind === 'job' || ref.kind === 'transformation') return ref.kind;
    throw new OffboilError(
      'TARGET_UNKNOWN',
      `${this.#config.server} is a Carte server, and Carte has no ${ref.kind}.`,
      { id: ref.id },
    );
  }

  #impossible(why: string): OffboilError {
    return new OffboilError('ESTATE_INVALID', `${this.#config.server}: ${why}. Nothing was sent.`, {
      server: this.#config.server,
    });
  }
}
