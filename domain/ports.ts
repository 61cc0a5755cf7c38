/**
 * The outside world, as the product needs it. Adapters translate and bound; they decide nothing.
 * Every method that waits takes an AbortSignal last; every read has limits in bytes, rows and time.
 */
import type { DatabaseEntry, Estate, NotifierEntry, ServerEntry } from './contracts/estate.js';
import type { EngineInfo, ObservedTask, TaskDetail, TaskRef } from './tasks.js';

export type * from './ledger.js';
export type * from './shard-ledger.js';

/** Time, so that the simulation can own it. */
export interface Clock {
  /** Milliseconds since 1970 UTC. */
  now(): number;
  /** Milliseconds of a clock that never jumps and runs on while the process is stopped. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------------------------------------------- engines

/** One step of the ladder that an engine can take. */
export interface StopStep {
  readonly rung: 'safe' | 'stop';
  /**
   * Called synchronously right before the first byte is written. False: nothing leaves, the reply is `unsent`.
   * The look at the lease and the write are one step (`design.md` §8.9).
   */
  mayLeave(): boolean;
}

/** What came back for a request. Evidence, never an outcome: `acknowledged` means requested. */
export interface Reply {
  /** `unsent`: provably nothing left. `unanswered`: it may have arrived. */
  readonly kind: 'acknowledged' | 'rejected' | 'unanswered' | 'unsent';
  /** The server's words, shortened and redacted; for people only. */
  readonly note?: string;
}

/** What a rerun starts: a path or file, or (neither run nor parameters) the held object again. */
export interface Startable {
  readonly held: TaskRef;
  readonly run?: string;
}

/** A running instance of a product that runs tasks. */
export interface Engine {
  /** Product, version, dialect, clock skew; read only. Costs no request when a list has told it already. */
  probe(signal: AbortSignal): Promise<EngineInfo>;
  /** The whole list in one request. @throws OffboilError for anything but a completely read list */
  list(signal: AbortSignal): Promise<ObservedTask[]>;
  /** Log tail, step metrics, errors of one task. @throws OffboilError when there is no such task or no readable reply */
  inspect(ref: TaskRef, signal: AbortSignal): Promise<TaskDetail>;
  /** One step of the ladder, addressed by id and name together. Never throws for what the server did: that is the reply. */
  stop(ref: TaskRef, step: StopStep, signal: AbortSignal): Promise<Reply>;
  /**
   * Starts a rerun.
   * @param mayLeave as for a stop, asked for each request that changes something
   * @returns the new task's identity; `heldBack`: the right to send was gone, and nothing was started
   */
  start(
    what: Startable,
    parameters: Readonly<Record<string, string>>,
    mayLeave: () => boolean,
    signal: AbortSignal,
  ): Promise<TaskRef | 'heldBack'>;
  /** Removes an ended task from the server's list; only ever after a proven end. */
  release?(ref: TaskRef, signal: AbortSignal): Promise<Reply>;
}

// ---------------------------------------------------------------------------------------------------- databases

/** How a task's own database sessions are recognised. */
export interface SessionMatch {
  readonly applicationName: string;
  readonly user?: string;
}

/** A session with the identity that must be read again right before it is ended. */
export interface DatabaseSession {
  readonly pid: number;
  readonly startedAt: string;
  readonly applicationName: string;
  readonly user: string;
  readonly client: string;
  readonly state: string;
  /** Has it changed anything in its open transaction? */
  readonly hasWritten: boolean;
}

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly truncated: boolean;
}

/** A database of the estate. */
export interface Database {
  /** Product, version and what our account may do (see sessions, end sessions); read only. */
  probe(
    signal: AbortSignal,
  ): Promise<{ readonly product: string; readonly rights: readonly string[]; readonly clockSkewMs: number }>;
  /** Runs one query in a read-only transaction with limits on time and rows. */
  query(
    sql: string,
    limits: { readonly timeoutMs: number; readonly maxRows: number },
    signal: AbortSignal,
  ): Promise<QueryResult>;
  /** Sessions that match all that is given; never our own. */
  sessions(match: SessionMatch, signal: AbortSignal): Promise<DatabaseSession[]>;
  /**
   * Ends the session after comparing pid and start again; `gone` when it is no longer that session.
   * @param mayLeave asked in the synchronous step in which the statement is written; `heldBack`: it said no, nothing left
   */
  endSession(
    session: DatabaseSession,
    mayLeave: () => boolean,
    signal: AbortSignal,
  ): Promise<'ended' | 'gone' | 'refused' | 'heldBack'>;
}

/** Tells people outside; one attempt, the caller decides about repeats. */
export interface Notifier {
  send(
    event: { readonly id: string; readonly type: string; readonly body: unknown },
    signal: AbortSignal,
  ): Promise<void>;
}

/** Builds adapters from an effective estate; the worker's composition root implements it. Instances are shared per estate. */
export interface Estates {
  /** The estate file as it is now on this worker. @throws OffboilError `ESTATE_INVALID` */
  current(): Promise<{ readonly estate: Estate; readonly hash: string }>;
  /** @throws OffboilError `SECRET_UNRESOLVED` when this worker cannot resolve a reference of that server */
  engine(estateHash: string, server: ServerEntry): Engine;
  database(estateHash: string, database: DatabaseEntry): Database;
  notifier(estateHash: string, notifier: NotifierEntry): Notifier;
}
