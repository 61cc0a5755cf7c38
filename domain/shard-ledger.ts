/** The hot part of the ledger: shards as workers claim, read and write them, and the control rows. */
import type { PlannedTarget, TargetExtras } from './contracts/plan.js';
import type { Outcome, Tally } from './outcomes.js';
import type { Reply } from './ports.js';
import type { ObservedTask, Rung, TargetKey, TaskDetail } from './tasks.js';

/** An answer of the ledger is good for so long, counted from the moment the question was sent (`design.md` §8.9). */
export const LEASE_MS = 250;

/** The part of a wave that one activity handles. `wave` counts from 1; `shard` from 0. */
export interface ShardKey {
  readonly runId: string;
  readonly wave: number;
  readonly shard: number;
}

/** A shard as taken by one attempt; the highest epoch is the only one that may act or write. */
export interface Claim extends ShardKey {
  readonly epoch: number;
  /** When the claim was taken, milliseconds, of the claimer's clock: no earlier claim can have sent later than this plus its lease. */
  readonly at: number;
}

/** One request to one target. */
export interface Attempt {
  /** 1, 2, 3 … per target. */
  readonly n: number;
  readonly rung: Rung;
  readonly epoch: number;
  readonly intendedAt: number;
  /** Absent: in doubt, it may have left. */
  readonly reply?: Reply['kind'];
  readonly repliedAt?: number;
}

/** A target of a shard with all that deciding needs. */
export interface ShardTarget extends PlannedTarget {
  readonly group?: string;
  readonly sessions: TargetExtras['sessions'];
  readonly sharesSessionsWith?: readonly string[];
  readonly attempts: readonly Attempt[];
  /** Latest outcome that evidence gives so far; final ones are never listed as open. */
  readonly outcome?: Outcome;
  /** When that outcome was recorded. */
  readonly outcomeAt?: number;
  /**
   * A person's `retry` that neither a newer outcome nor a newer attempt has answered: act again, on this rung where one is
   * named. By the ledger's order, because the clocks of two hosts differ.
   */
  readonly again?: { readonly at: number; readonly rung?: Rung };
  /** First time it was seen ending without any request of ours; `within` counts from here. */
  readonly endingSince?: number;
  /** Was a snapshot already taken before or during the stop? */
  readonly hasSnapshot: boolean;
  /** Discovery's observation, which serves as a fresh list if asked for less than 1 s ago. */
  readonly seen?: { readonly askedAt: number; readonly state: ObservedTask['state'] };
}

/** A stored observation. `outcome` present: the observation settles (or provisionally settles) how the target ended. */
export interface Evidence {
  readonly target: TargetKey;
  readonly at: number;
  /** One sentence for the auditor: what was seen, where. */
  readonly what: string;
  readonly outcome?: Outcome;
  readonly late?: boolean;
  readonly rung?: Rung;
  /** Set once: the target was first seen `ending` without a request of ours. */
  readonly ending?: boolean;
  /** A bounded, redacted detail worth keeping: log tail and step metrics before they are lost. */
  readonly snapshot?: TaskDetail;
}

/** Attempts and evidence of one shard, guarded by epochs. The hot part of the ledger. */
export interface ShardLedger {
  /** Takes the shard; older claims are void from here on. */
  claim(key: ShardKey, at: number, signal: AbortSignal): Promise<Claim>;
  /** Targets of the shard without a final outcome. @throws OffboilError `CLAIM_LOST` */
  open(claim: Claim, signal: AbortSignal): Promise<ShardTarget[]>;
  /**
   * Writes attempts as `intended` before anything is sent; floors are checked again under a lock on the group.
   * @returns attempts that may be sent, and targets that a floor protects (their evidence is written here)
   * @throws OffboilError `CLAIM_LOST`; nothing was written
   */
  intend(
    claim: Claim,
    intents: readonly { readonly target: TargetKey; readonly n: number; readonly rung: Rung }[],
    at: number,
    signal: AbortSignal,
  ): Promise<{ readonly granted: readonly TargetKey[]; readonly protected: readonly TargetKey[] }>;
  /** Writes replies, in sets. @throws OffboilError `CLAIM_LOST` */
  answer(
    claim: Claim,
    answers: readonly { readonly target: TargetKey; readonly n: number; readonly reply: Reply; readonly at: number }[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Appends evidence, in sets. A second final outcome for a target is ignored. @throws OffboilError `CLAIM_LOST` */
  record(claim: Claim, evidence: readonly Evidence[], signal: AbortSignal): Promise<void>;
  /** Counts of the shard. */
  tally(key: ShardKey, signal: AbortSignal): Promise<Tally>;
}

export type ControlState = 'go' | 'paused' | 'braked';

/** Control rows and epochs: what a worker must know before each request leaves. */
export interface ControlLedger {
  /** One query for all shards a worker holds: state of their runs and newest epochs. */
  look(
    keys: readonly ShardKey[],
    signal: AbortSignal,
  ): Promise<readonly { readonly control: ControlState; readonly epoch: number }[]>;
  /**
   * Commits the control row and notifies the workers. `braked` is never taken back, and an order that comes late (from a worker
   * that stood still) does not undo a newer one.
   * @param orderedAt milliseconds, growing from order to order of a run
   */
  command(runId: string, state: ControlState, orderedAt: number, signal: AbortSignal): Promise<void>;
  /** Calls back when a control row changed; only makes the next `look` earlier. @returns how to stop listening */
  listen(changed: () => void): () => void;
}
