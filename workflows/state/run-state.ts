import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { OpenAnswer } from '../../activities/open-run.js';
import type { PlanBrief } from '../../activities/plan-run.js';
import type { Phase, PlanSummary, Progress, Waits } from '../../domain/contracts/messages.js';
import type { TerminationRequest } from '../../domain/contracts/request.js';
import { addTallies, provenOf, type Tally } from '../../domain/outcomes.js';
import { isConfirmed } from '../../domain/planning/confirmation.js';
import type { ControlState } from '../../domain/ports.js';
import type { Hold, Rejection } from '../../domain/standing.js';
import {
  decideGate,
  gateCounts,
  type AcceptedCounts,
  type GateDecision,
  type GateProgress,
} from '../../domain/stopping/gate.js';
import { ControlRow } from './control-row.js';
import { detailsOf } from './details.js';
import { waitsOf, type Halt, type Holds, type ManualWork, type WaitingRun } from './waits.js';

/** Why nothing more is sent in this run. */
export type Brake = { readonly how: 'braked' | 'cancelled'; readonly by: string; readonly reason: string };

/**
 * The few counters and flags of a run. No list of tasks is ever held here: the ledger has them.
 * Everything here is rebuilt from the ledger after continue-as-new, termination or reset.
 */
export class RunState implements WaitingRun {
  phase: Phase = 'discover';
  // Changed by `hold` alone, so that the screens follow.
  readonly approvedBy: readonly string[] = [];
  readonly rejected: Rejection | undefined;
  readonly control: ControlState = 'go';
  readonly pausedBy: Hold | undefined;
  readonly halt: Halt | undefined;
  readonly accepted: AcceptedCounts | undefined;
  readonly manual: ManualWork | undefined;
  readonly settlesUntil: number | undefined;
  readonly missingSites: readonly string[] = [];
  /** `opening` until the ledger was asked whether this is a run at all; `over` once its result is known. */
  stage: 'opening' | 'open' | 'over' = 'opening';
  /** Notices that are under way: telling people holds nothing up. */
  notices = 0;
  brake: Brake | undefined;
  wave = 0;
  /** Nobody answered a halt in time: nothing more is sent by itself. */
  unanswered = false;
  /** Counts `retry` messages and manual resolutions, so that waits notice them. */
  retries = 0;
  resolutions = 0;
  /** Holds of people that are not in the ledger yet: the run is not closed before they are. */
  unwritten = 0;
  readonly controlRow = new ControlRow((error) => (this.failure ??= error));
  /** The first own error of anything that runs beside the main line. */
  failure: unknown;

  #opened: OpenAnswer | undefined;
  #plan: PlanBrief | undefined;
  /** Counts by wave (from 0) and shard. */
  #tallies: Tally[][] = [];
  #requested = 0;
  #proven = 0;
  #firstRequestAt: number | undefined;
  #shown: Phase | undefined;

  get runId(): string {
    return this.#opened?.runId ?? '';
  }

  get opened(): OpenAnswer | undefined {
    return this.#opened;
  }

  get request(): TerminationRequest | undefined {
    return this.#opened?.request;
  }

  get plan(): PlanBrief | undefined {
    return this.#plan;
  }

  open(opened: OpenAnswer): void {
    this.#opened = opened;
    this.stage = 'open';
    if (opened.control === 'braked')
      this.brake ??= { how: 'braked', by: 'an earlier execution', reason: 'braked before this one began' };
    // A message may have come before the ledger was asked: it is newer.
    const { approvedBy, rejected, pausedBy, accepted } = opened.standing;
    this.hold({
      approvedBy,
      rejected,
      accepted,
      ...(this.control === 'go' ? { control: opened.control, pausedBy } : {}),
    });
  }

  planned(plan: PlanBrief): void {
    this.#plan = plan;
    this.retally(plan.waves.map(({ tallies }) => tallies));
  }

  /** Counts of each shard of each wave, as the ledger has them now. */
  retally(waves: readonly (readonly Tally[])[]): void {
    this.#tallies = waves.map((shards) => [...shards]);
    this.#grow();
  }

  /** Counts of one shard. */
  take(wave: number, shard: number, tally: Tally): void {
    const own = this.#tallies[wave - 1];
    if (own !== undefined) own[shard] = tally;
    this.#grow();
  }

  /** Counts of the first `waves` waves. */
  tally(waves = this.#tallies.length): Tally {
    return addTallies(this.#tallies.slice(0, waves).flat());
  }

  waveTally(wave: number): Tally {
    return addTallies(this.#tallies[wave - 1] ?? []);
  }

  /** Targets of the plan. */
  get targets(): number {
    return this.tally().targets;
  }

  get awaitsConsent(): boolean {
    if (this.phase !== 'confirm' || this.#plan === undefined) return false;
    const isAnswered = this.rejected !== undefined || this.brake !== undefined;
    return !isAnswered && !isConfirmed(this.#plan.confirm, this.approvedBy);
  }

  /** Whether no worker takes what is to be done at a site. */
  missSite(site: string, isMissing: boolean): void {
    if (this.missingSites.includes(site) === isMissing) return;
    const others = this.missingSites.filter((other) => other !== site);
    this.hold({ missingSites: isMissing ? [...others, site] : others });
  }

  /** What the run waits for now. */
  get waits(): Waits | undefined {
    return waitsOf(this);
  }

  /** The gate after this wave, as it stands now. */
  decideGate(wave: number, progress: GateProgress): GateDecision {
    const { accepted } = this;
    return decideGate(
      this.#plan?.policy.gate ?? { waitMs: 0 },
      this.tally(wave),
      progress,
      accepted === undefined ? undefined : { counts: accepted, now: this.tally(Math.min(wave, accepted.wave)) },
    );
  }

  /** What a person accepts who resumes the halt after this wave now. */
  acceptable(wave: number, withinOver: boolean): AcceptedCounts {
    return { wave, ...gateCounts(this.tally(wave), withinOver) };
  }

  enter(phase: Phase): void {
    this.phase = phase;
    this.#show();
  }

  /** Begins or ends what holds the run up. */
  hold(change: Partial<Holds>): void {
    Object.assign(this, change);
    this.#show();
  }

  snapshot(): Progress {
    const tally = this.tally();
    const eta = this.#etaSeconds(tally);
    const { waits } = this;
    return {
      runId: this.runId,
      requestHash: this.#opened?.requestHash ?? '',
      ...(this.request?.dryRun === true ? { dryRun: true as const } : {}),
      phase: this.#shownPhase(),
      ...(waits === undefined ? {} : { waits }),
      ...(this.#plan === undefined ? {} : { planHash: this.#plan.planHash }),
      wave: this.wave,
      waves: this.#plan?.waves.length ?? 0,
      planned: tally.targets,
      requested: this.#requested,
      proven: this.#proven,
      unconfirmed: tally.outcomes.unconfirmed ?? 0,
      outcomes: tally.outcomes,
      startedAt: this.#opened?.startedAt ?? workflowInfo().startTime.toISOString(),
      ...(eta === undefined ? {} : { etaSeconds: eta }),
    };
  }

  summary(): PlanSummary | null {
    if (this.#plan === undefined) return null;
    const { planHash, waves, left, findings, confirm } = this.#plan;
    return {
      planHash,
      left,
      findings,
      confirm,
      waves: waves.map(({ priority, targets, servers }) => ({ priority, targets, servers })),
    };
  }

  #shownPhase(): Phase {
    if (this.control === 'paused' && this.phase === 'wave') return 'paused';
    return this.halt === undefined ? this.phase : 'halted';
  }

  /** `requested` only grows, whatever order the answers come in; `proven` falls where a later list contradicts a proof. */
  #grow(): void {
    const { requested, outcomes } = this.tally();
    this.#requested = Math.max(this.#requested, requested);
    this.#proven = provenOf(outcomes);
    if (this.#requested > 0) this.#firstRequestAt ??= Date.now();
    this.#show();
  }

  #etaSeconds(tally: Tally): number | undefined {
    if (this.phase !== 'wave' || this.#firstRequestAt === undefined || this.#proven === 0) return undefined;
    const perTarget = (Date.now() - this.#firstRequestAt) / this.#proven;
    return Math.ceil((perTarget * (tally.targets - this.#proven)) / 1000);
  }

  /** Current details cost no history; search attributes are written once a phase, and only those the namespace has. */
  #show(): void {
    if (this.#opened === undefined) return;
    setCurrentDetails(detailsOf(this.#opened.request, this.snapshot(), this.#plan));
    const phase = this.#shownPhase();
    if (phase === this.#shown) return;
    this.#shown = phase;
    const { request, searchAttributes } = this.#opened;
    const values: Record<string, string | undefined> = {
      OffboilPhase: phase,
      OffboilRequestedBy: request.requestedBy,
      OffboilTicket: request.ticket,
    };
    const known = searchAttributes.flatMap((name) => {
      const value = values[name];
      return value === undefined ? [] : [{ key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value }];
    });
    if (known.length > 0) upsertSearchAttributes(known);
  }
}
