/**
 * What a simulated fleet is made of. Plain data, so that a scenario can be a JSON file and travel to another process.
 * Nothing here knows who will stop the tasks, or why.
 */

/** A server's version: a row of the table in `personalities.ts`. 5.4, 8.3 and 9.4 are played in full. */
export type PersonalityName =
  '5.4' | '6.1' | '7.0' | '7.1' | '8.0' | '8.1' | '8.2' | '8.3' | '8.3.0.25' | '9.1' | '9.4' | '10.2' | '11.1';

export interface Scenario {
  /** PostgreSQL for the `loading` tasks, e.g. `postgresql://user@127.0.0.1:5432/warehouse`. */
  readonly databaseUrl?: string;
  readonly servers: readonly ServerSpec[];
}

export interface ServerSpec {
  readonly name: string;
  readonly personality: PersonalityName;
  /** Delay of every answer in milliseconds; what was asked for is done before it. */
  readonly answerMs?: number;
  readonly tasks: readonly TaskSpec[];
  /** So many finished objects of yesterday stand in the list as well. */
  readonly endedObjects?: number;
}

export type TaskKind = 'transformation' | 'job';

export interface TaskSpec {
  /** Left out: a random UUID, as Carte gives. `{n}` is replaced by the number of the copy. */
  readonly id?: string;
  /** `{n}` is replaced by the number of the copy; without it all copies have one name. */
  readonly name: string;
  readonly kind: TaskKind;
  /** `idle` only keeps its state; `loading` really loads rows, over a database session of its own. */
  readonly mode: 'idle' | 'loading';
  /** How many of these. Default 1. */
  readonly count?: number;
  /** Default 60. */
  readonly startedSecondsAgo?: number;
  /** Time in Halting after a stop, in milliseconds. Default 150. */
  readonly settleMs?: number;
  readonly traits?: Traits;
  readonly load?: Load;
}

/** What makes a task awkward. */
export interface Traits {
  /** Every stop is answered OK and lost. */
  readonly ignoresStop?: boolean;
  /** The first stop is answered OK and lost, as one sent while the task starts. */
  readonly lostFirstStop?: boolean;
  /** Stays in Halting: stuck in one blocking call, until its database session ends. */
  readonly haltsForever?: boolean;
  /** Counted from the start of the fleet; for a job with a child this is the child's own end. */
  readonly endsByItselfAfterMs?: number;
  /** Registered, never started. */
  readonly waiting?: boolean;
  /** Its initialisation failed: it ended with one error. Also every later start fails. */
  readonly failsInit?: boolean;
  /** A job that runs a transformation, which is in no list. Whether a stop reaches it is the version's matter. */
  readonly child?: { readonly rowsFlow: true };
  /** It ends by itself when it has stood in so many lists: between plan and stop, say. */
  readonly endsAfterLists?: number;
  /** So long after its end it says Running again and works on, as if it had never ended. */
  readonly worksOnAfterMs?: number;
  /** It logs a line so often, which moves its `log_date` where that is the time of the last line. */
  readonly logsEveryMs?: number;
  /** So long after its end a new task of the same name appears. */
  readonly comesBackAfterMs?: number;
}

export interface Load {
  /** `orders` or `schema.orders`; created when missing. */
  readonly table: string;
  readonly rowsPerSecond: number;
  /** Rows per commit. Default 1000, as Table output has it. */
  readonly commitSize?: number;
  /** "Make the transformation database transactional": nothing is committed before the end. */
  readonly transactional?: boolean;
  /** How the session shows in `pg_stat_activity`. Default `kettle:<name>`. */
  readonly applicationName?: string;
}

export type FaultKind =
  /** The port is closed, connections are cut. */
  | 'down'
  /** Accepts and never answers. Nothing is done. */
  | 'hang'
  /** The connection is reset when a request came in. Nothing is done. */
  | 'reset'
  /** 200 with a login page as HTML. Nothing is done. */
  | 'html200'
  /** A proxy's 502 page. Nothing is done. */
  | 'html502'
  /** Done, but the body ends in the middle. */
  | 'cut'
  /** Done, and the body never ends: entries follow until the caller goes away. */
  | 'oversized'
  /** 401 from now on. */
  | 'unauthorised'
  /** Done, but the body comes one byte every `ms`. */
  | 'slowDrip'
  /** The next list is a 500 page: the race of a removal with a list. Heals itself. */
  | 'status500Once'
  /** The list holds 50,000 ended objects more. */
  | 'listOf'
  /** The list leaves out the tasks named in `ids`, or the first one. */
  | 'shrink'
  /** Done, but the reply is lost: the connection is reset. Stops only, unless `paths` says otherwise. */
  | 'halfReplyAfterStop'
  /** `code` (409) with an ERROR for everything but lists. Nothing is done. */
  | 'refuse';

export interface FaultOptions {
  /** Only requests to these, e.g. `['stopTrans', 'status']`. */
  readonly paths?: readonly string[];
  /** Heals itself after so many requests. */
  readonly times?: number;
  readonly ms?: number;
  readonly ids?: readonly string[];
  readonly code?: number;
}

/** One request as a server saw it: the witness of what was really sent. */
export interface LogEntry {
  /** Counts over all servers, in the order of arrival. */
  readonly seq: number;
  /** Arrival in milliseconds since the epoch, with fractions; never runs backwards. */
  readonly at: number;
  readonly server: string;
  /** `stopTrans`, `status`, …; else the path as it was sent. */
  readonly path: string;
  readonly id?: string;
  readonly name?: string;
  /** A stop with `inputOnly=Y`. */
  readonly safe?: true;
  /** `OK`, `ERROR`, `list`, `detail`, an HTTP code, or the fault that was played. */
  answered: string;
}

export type TaskState = 'waiting' | 'running' | 'halting' | 'ended';

/** What is really so of one task, whatever the server's list says. */
export interface TaskTruth {
  readonly server: string;
  readonly id: string;
  readonly name: string;
  readonly kind: TaskKind;
  readonly state: TaskState;
  /** The status word the list shows for it. */
  readonly word: string;
  readonly endedBy?: 'itself' | 'stop' | 'safeStop' | 'failure';
  readonly errors: number;
  /** Sets of threads at work: 0 when it has ended, 2 after a second start of a running one. */
  readonly threads: number;
  /** Removed, or forgotten by its server, so in no list. */
  readonly hidden: boolean;
  /** Stop requests that reached it, lost ones included. */
  readonly stops: number;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly rows: number;
  readonly rowsCommitted: number;
  readonly batchId?: string;
  readonly applicationName?: string;
  /** What `runTrans` or `runJob` was called with, beside the path and the level. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface ServerAddress {
  readonly name: string;
  /** Ends with `/kettle`. */
  readonly url: string;
  readonly personality: PersonalityName;
}

/** What can be done to a fleet beside talking Carte to it. The same in this process and from another one. */
export interface FleetControl {
  /** Every request with `seq` above `since`, in the order of arrival. */
  readonly log: (since?: number) => Promise<readonly LogEntry[]>;
  readonly tasks: (server?: string) => Promise<readonly TaskTruth[]>;
  readonly fault: (server: string, kind: FaultKind, options?: FaultOptions) => Promise<void>;
  /** Takes one fault away, or all of them. */
  readonly heal: (server: string, kind?: FaultKind) => Promise<void>;
  /** The server's process starts anew: all objects are forgotten, open transactions are rolled back. */
  readonly restart: (server: string) => Promise<void>;
  /** Returns the ids of the new tasks. */
  readonly addTask: (server: string, task: TaskSpec) => Promise<readonly string[]>;
  /** Its steps count so many errors more, and it goes on, as with an error handling hop. */
  readonly addErrors: (server: string, id: string, errors: number) => Promise<void>;
  /** The task ends by itself, now. */
  readonly endTask: (server: string, id: string) => Promise<void>;
  /** The id now belongs to another task, or to a new run of the same one. */
  readonly replaceTask: (server: string, id: string, as: 'otherName' | 'restart') => Promise<void>;
}
