/**
 * The durable memory, as the product needs it: one room with five doors. Every method that waits takes an AbortSignal last.
 */
import type {
  Actor,
  BystanderVerdict,
  CheckResult,
  CompensationResult,
  Report,
  RunResult,
} from './contracts/report.js';
import type { ConfirmNeed, LeftTask, PlanDraft, PlanFinding, PlannedTarget, TargetExtras } from './contracts/plan.js';
import type { Estate } from './contracts/estate.js';
import type { Policy } from './contracts/policy.js';
import type { TerminationRequest } from './contracts/request.js';
import type { Outcome, Tally } from './outcomes.js';
import type { AcceptedCounts } from './stopping/gate.js';
import type { Claim, ControlLedger, ControlState, ShardLedger } from './shard-ledger.js';
import type { EngineInfo, ObservedTask, Priority, Rung, TargetKey, TaskRef } from './tasks.js';

/** What openRun decides. `design.md` §5. */
export interface OpenedRun {
  readonly decision: 'new' | 'continued' | 'finished' | 'conflict';
  readonly requestHash: string;
  readonly startedAt: string;
  /** Result of a finished run. */
  readonly result?: RunResult;
  /** Present once the plan is frozen. */
  readonly plan?: FrozenPlan;
  readonly confirmed: boolean;
  readonly control: ControlState;
  /** The last gate that was passed, where the policy settles after it: the pause counts from `at`. */
  readonly passed?: PassedGate;
  /** What people said that still counts, oldest first: approve, reject, pause, resume. */
  readonly acts: readonly PersonalAct[];
}

/** A gate that the run has passed, and when, by Temporal's clock. */
export interface PassedGate {
  readonly wave: number;
  readonly at: number;
}

export interface FrozenWave {
  readonly priority: Priority;
  readonly targets: number;
  readonly servers: number;
  readonly shards: readonly { readonly site?: string; readonly targets: number; readonly servers: readonly string[] }[];
}

/** The plan as the workflow needs it: counts and keys, no targets. */
export interface FrozenPlan {
  readonly planHash: string;
  readonly plannedAt: number;
  readonly confirm: ConfirmNeed;
  readonly policy: Policy;
  readonly waves: readonly FrozenWave[];
  /** Servers with targets, in at most 16 groups of one site each: shard n of wave 0 is group n. */
  readonly linger: readonly { readonly site?: string; readonly servers: readonly string[] }[];
  readonly left: number;
  readonly findings: readonly PlanFinding[];
  readonly hasChecks: boolean;
  readonly hasCompensations: boolean;
  /** Longest `within` of a target, for bounds. */
  readonly longestWithinMs: number;
}

/** Runs, their requests, estates and ends. */
export interface RunLedger {
  /** Opens, continues or refuses a run, in one transaction. Dry runs get a row that is never *the* run. */
  open(
    run: {
      readonly runId: string;
      readonly request: TerminationRequest;
      readonly requestHash: string;
      readonly dryRun: boolean;
    },
    at: number,
    signal: AbortSignal,
  ): Promise<OpenedRun>;
  /** Stores the effective estate by its hash and ties the run to it; the first one stays. @returns the run's estate */
  adoptEstate(
    runId: string,
    hash: string,
    estate: Estate,
    signal: AbortSignal,
  ): Promise<{ readonly hash: string; readonly estate: Estate }>;
  /** Request, estate and policy of a run. @throws OffboilError `RUN_UNKNOWN` */
  read(runId: string, signal: AbortSignal): Promise<RunRecord>;
  /** Writes what people did: approvals, rejections, pauses, skips, retries, resolutions; audited in the same transaction. */
  act(runId: string, act: PersonalAct, at: number, signal: AbortSignal): Promise<void>;
  /** Closes the run with its result and report, once. */
  close(runId: string, result: RunResult, report: Report | undefined, at: number, signal: AbortSignal): Promise<void>;
  /** Runs, newest first, for `offboil runs`. */
  list(
    filter: { readonly open?: boolean; readonly sinceMs?: number },
    limit: number,
    signal: AbortSignal,
  ): Promise<RunRow[]>;
}

export interface RunRecord {
  readonly runId: string;
  readonly request: TerminationRequest;
  readonly requestHash: string;
  readonly startedAt: string;
  readonly estateHash?: string;
  readonly estate?: Estate;
  readonly plan?: FrozenPlan;
  readonly report?: Report;
  readonly result?: RunResult;
}

export interface RunRow {
  readonly runId: string;
  readonly startedAt: string;
  readonly end?: string;
  readonly exitCode?: number;
  readonly requestedBy: string;
  readonly reason: string;
  readonly planned: number;
}

export type PersonalAct =
  | { readonly kind: 'approve' | 'reject'; readonly actor: Actor; readonly planHash: string; readonly note?: string }
  | { readonly kind: 'pause' | 'brake' | 'cancel'; readonly actor: Actor; readonly reason: string }
  /** `accepted`: it ended a halt, and these counts were accepted with it. Absent: it ended a pause. */
  | { readonly kind: 'resume'; readonly actor: Actor; readonly reason: string; readonly accepted?: AcceptedCounts }
  | { readonly kind: 'skip'; readonly actor: Actor; readonly targets: readonly TargetKey[] }
  | { readonly kind: 'retry'; readonly actor: Actor; readonly targets?: readonly TargetKey[]; readonly rung?: Rung }
  | { readonly kind: 'resolve'; readonly actor: Actor; readonly target: TargetKey; readonly note: string }
  /** A start under this run's id that was refused; audited, and changes nothing. */
  | { readonly kind: 'refused'; readonly actor: Actor; readonly what: string }
  /** Not a person's: what the run itself did and an auditor must find, such as a gate's halt or a notice that was sent. */
  | { readonly kind: 'note'; readonly what: string }
  /** Not a person's either: a gate that was passed. The first time counts. */
  | ({ readonly kind: 'gate' } & PassedGate);

/** A target that an observation showed ended. */
export interface ProvenTarget {
  readonly target: PlannedTarget;
  /** When that was recorded. */
  readonly at: number;
}

/** A later list that shows an ended target at work again, under the same identity. */
export interface Contradiction {
  readonly target: TargetKey;
  readonly at: number;
  readonly what: string;
}

/** One server's observation for one run. */
export interface ServerObservation {
  readonly server: string;
  readonly askedAt: number;
  readonly info?: EngineInfo;
  /** Absent when the list could not be read; then `problem` says why. */
  readonly tasks?: readonly ObservedTask[];
  readonly problem?: { readonly code: string; readonly message: string };
}

/** Observations, plans, reservations. */
export interface PlanLedger {
  /** Stores one look at a server; `phase` keeps before, after and watch apart. */
  observe(
    runId: string,
    phase: 'discovery' | 'after' | 'watch',
    seen: ServerObservation,
    signal: AbortSignal,
  ): Promise<void>;
  observations(
    runId: string,
    phase: 'discovery' | 'after' | 'watch',
    signal: AbortSignal,
  ): Promise<ServerObservation[]>;
  /** Which of the tasks another run has reserved, and which run. */
  reservedByOthers(
    runId: string,
    servers: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>>;
  /** Freezes the plan once: a second call answers the first plan. Shards are given per target (same order as in the plan). */
  freeze(
    runId: string,
    draft: PlanDraft,
    frozen: {
      readonly planHash: string;
      readonly policy: Policy;
      readonly at: number;
      readonly sites: ReadonlyMap<string, string>;
    },
    signal: AbortSignal,
  ): Promise<FrozenPlan>;
  /**
   * Records the confirm and reserves every target in one transaction. What another run took meanwhile ends `protected`.
   * @returns how many were protected
   */
  confirm(runId: string, planHash: string, at: number, signal: AbortSignal): Promise<{ readonly protected: number }>;
  /** Counts of each shard of each wave, in the plan's order; they cost a look at every target. */
  tallies(runId: string, signal: AbortSignal): Promise<readonly (readonly Tally[])[]>;
  /** The whole plan as frozen, with what was left, findings and extras. */
  read(runId: string, signal: AbortSignal): Promise<PlanDraft | undefined>;
}

/** The part of the ledger behind checks, compensations, bystanders and the report. */
export interface ClosingLedger {
  /** Targets without a final outcome become `skipped` (with the reason), or get the given evidence. @returns how many */
  skipOpen(
    runId: string,
    scope: 'unrequested' | readonly TargetKey[],
    why: string,
    at: number,
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Records one check of a phase, once: what is recorded stays. One of before counts only while no request was intended, because
   * after that it would be no baseline.
   * @param position of the check among those of the run
   */
  recordCheck(runId: string, phase: CheckPhase, position: number, row: CheckRow, signal: AbortSignal): Promise<void>;
  /** Positions of the checks of that phase that are recorded. */
  recordedChecks(runId: string, phase: CheckPhase, signal: AbortSignal): Promise<ReadonlySet<number>>;
  /** Writes the compensation before it starts and its end after it; keyed by target, idempotent. @throws OffboilError `CLAIM_LOST` */
  recordCompensation(claim: Claim, row: CompensationResult, at: number, signal: AbortSignal): Promise<void>;
  /** Non-targets of these servers that discovery saw not ended, at most `perServer` of each: who only waits comes last. */
  bystanders(
    runId: string,
    servers: readonly string[],
    perServer: number | undefined,
    signal: AbortSignal,
  ): Promise<TaskRef[]>;
  recordSamples(
    runId: string,
    phase: 'before' | 'after',
    samples: readonly BystanderSample[],
    signal: AbortSignal,
  ): Promise<void>;
  /** One sample a bystander: the first of those before, the last of those after. */
  samples(runId: string, phase: 'before' | 'after', signal: AbortSignal): Promise<BystanderSample[]>;
  recordBystanders(runId: string, verdicts: readonly BystanderVerdict[], signal: AbortSignal): Promise<void>;
  /** Targets of one group of touched servers that count as ended, less those that a rerun of ours has started again. */
  proven(runId: string, group: number, signal: AbortSignal): Promise<ProvenTarget[]>;
  /** Takes proofs back: these targets are unconfirmed from now on. The first time counts. */
  recordContradictions(runId: string, rows: readonly Contradiction[], signal: AbortSignal): Promise<void>;
  recordCameBack(
    runId: string,
    rows: readonly { readonly task: TaskRef; readonly why: string }[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Everything the report is derived from, read in one snapshot. */
  facts(runId: string, signal: AbortSignal): Promise<RunFacts>;
}

/** What a detail showed of a bystander. */
export interface BystanderSample extends TargetKey {
  readonly at: number;
  /** Rows that its busiest step has moved; absent where the detail has no steps, as a job's. */
  readonly rows?: number;
  readonly errors: number;
  /** The engine's own "was stopped" flag. */
  readonly wasStopped: boolean;
}

export type CheckPhase = 'before' | 'after';

export interface CheckRow {
  readonly name: string;
  readonly database: string;
  readonly query: string;
  readonly targets: readonly string[];
  readonly verdict: 'green' | 'red' | 'inconclusive';
  readonly detail: string;
}

/** A target with its outcome, as the view over evidence gives it. */
export interface TargetFacts {
  readonly target: PlannedTarget & TargetExtras;
  readonly wave: number;
  readonly outcome?: Outcome;
  readonly late: boolean;
  readonly at?: number;
  readonly rung?: Rung;
  readonly requests: number;
  readonly evidence: readonly { readonly at: number; readonly what: string }[];
}

export interface RunFacts {
  readonly run: RunRecord;
  readonly targets: readonly TargetFacts[];
  readonly left: readonly LeftTask[];
  readonly notSeen: readonly string[];
  readonly unreadServers: readonly { readonly server: string; readonly code: string; readonly message: string }[];
  readonly actors: readonly Actor[];
  readonly checks: readonly CheckResult[];
  readonly compensations: readonly CompensationResult[];
  readonly bystanders: readonly BystanderVerdict[];
  readonly cameBack: readonly {
    readonly server: string;
    readonly id: string;
    readonly name: string;
    readonly why: string;
    readonly active: boolean;
  }[];
  readonly timeline: readonly { readonly at: number; readonly what: string; readonly by?: string }[];
}

/** The durable memory, as one room with five doors. */
export interface Ledger {
  readonly runs: RunLedger;
  readonly plans: PlanLedger;
  readonly shards: ShardLedger;
  readonly control: ControlLedger;
  readonly closing: ClosingLedger;
}
