import { z } from 'zod';

/** Kinds of task, over all engines. */
export const TASK_KINDS = ['job', 'transformation', 'pipeline', 'workflow', 'process', 'execution'] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

/** What a status word says about a task's threads. `unknown` is never treated as ended. */
export const STATE_CLASSES = ['waiting', 'active', 'ending', 'ended', 'unknown'] as const;
export type StateClass = (typeof STATE_CLASSES)[number];

/** Business priority; `low` is stopped first. */
export const PRIORITIES = ['low', 'normal', 'high', 'core'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Rungs of the ladder, gentlest first. */
export const RUNGS = ['safe', 'stop', 'rollback', 'kill'] as const;
export type Rung = (typeof RUNGS)[number];

/** Names a target in messages and reports. Names are not unique on a server, ids are. */
export const targetKeySchema = z.strictObject({ server: z.string().min(1), id: z.string().min(1) });
export type TargetKey = z.infer<typeof targetKeySchema>;

/** The identity of a task: one execution seen on a server. `name` is as decoded, never as echoed by a reply. */
export interface TaskRef extends TargetKey {
  readonly name: string;
  readonly kind: TaskKind;
}

/** One task of a completely read list. */
export interface ObservedTask extends TaskRef {
  /** The server's own word, decoded. */
  readonly word: string;
  readonly state: StateClass;
  /** Whether the list alone proves the end of this task, or one `inspect` must close the doubt (dialect table). */
  readonly closesBy: 'list' | 'detail';
  /** Start as the server wrote it, only where it stays for as long as the task: then it is part of the identity. */
  readonly startedAt?: string;
  /** Start in milliseconds since 1970 UTC, only where the server's zone is known and its clock does not speak against it. */
  readonly startedAtMs?: number;
  /** It started at this time or earlier, in milliseconds since 1970 UTC: where a list shows the last log line and not the start. */
  readonly startedBeforeMs?: number;
  /** End in milliseconds since 1970 UTC by our clock (the engine corrects its server's skew), only where the list has it. */
  readonly endedAtMs?: number;
  /** What an operator must know about this very task, such as "restarted under one id: a stop cannot reach it". */
  readonly remark?: string;
}

/** Counters of one step (transform) of a task. */
export interface StepMetrics {
  readonly name: string;
  readonly copy: number;
  readonly status: string;
  readonly read: number;
  readonly written: number;
  readonly input: number;
  readonly output: number;
  readonly updated: number;
  readonly rejected: number;
  readonly errors: number;
}

/** What one look at a single task shows. Bounded in bytes; the log tail is at most 8 KiB. */
export interface TaskDetail {
  readonly word: string;
  readonly state: StateClass;
  /** What the detail proves, by the dialect table: words alone mislead (a failed start reads `Stopped`). */
  readonly proves: 'ended' | 'running' | 'nothing';
  /** Error count of the run, where the reply has one. */
  readonly errors?: number;
  /** The engine's own "was stopped" flag; also set after a failure. */
  readonly stoppedFlag?: boolean;
  readonly endedAtMs?: number;
  /** As in a list, from the first line of the log: the start where that line says so, else only a bound. */
  readonly startedAtMs?: number;
  readonly startedBeforeMs?: number;
  readonly steps: readonly StepMetrics[];
  readonly logTail: string;
}

/** What discovery learned about a server besides its list. */
export interface EngineInfo {
  readonly product: string;
  /** Declared or told version; `unknown` when only the dialect could be told from replies. */
  readonly version: string;
  readonly dialect: string;
  /** Whether the dialect's facts were seen on a real server or read in source code. */
  readonly source: 'measured' | 'read';
  /** Server clock minus ours, in milliseconds, from the HTTP Date header (1 s resolution). */
  readonly clockSkewMs?: number;
  /** Rungs the dialect has. `rollback` works on databases and is not the engine's. */
  readonly rungs: readonly ('safe' | 'stop')[];
  /**
   * Where the start of a task stands: in the list, in the first line of its log, or nowhere. Only a start in the list is part of
   * a task's identity; elsewhere a restart under the same id cannot be seen beforehand.
   */
  readonly start: 'list' | 'log' | 'none';
  /** Since when its process runs, milliseconds since 1970 UTC by our clock, as of the latest list; where the list tells it. */
  readonly upSinceMs?: number;
  /** False on PDI 5.4.0 and older: a stopped job's child runs on, and is in no list. */
  readonly stopReachesChildren: boolean;
  /** Facts about this server that a plan must name, one sentence each. */
  readonly remarks: readonly string[];
}
