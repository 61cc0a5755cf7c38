import type { PlanBrief } from '../../activities/plan-run.js';
import type { Phase, Waits } from '../../domain/contracts/messages.js';
import type { ControlState } from '../../domain/ports.js';
import type { Hold, Rejection } from '../../domain/standing.js';
import type { AcceptedCounts } from '../../domain/stopping/gate.js';
import type { Rung, TargetKey } from '../../domain/tasks.js';
import { counted } from '../../domain/wording.js';

/** A gate's halt: nothing more is sent until a person answers, or `until`. */
export interface Halt {
  /** The gate after this wave. */
  readonly wave: number;
  readonly why: string;
  readonly until: number;
  /** Rungs that a `retry` may climb to. */
  readonly climbTo: readonly Rung[];
}

/** Compensations that wait for a person. */
export interface ManualWork {
  readonly waiting: readonly TargetKey[];
  readonly total: number;
  readonly until: number;
}

/** What people and gates have said about going on. Several things may hold a run up at once, and each ends on its own. */
export interface Holds {
  readonly approvedBy: readonly string[];
  readonly rejected: Rejection | undefined;
  readonly control: ControlState;
  /** Whose words stand for a pause; absent when they were lost with an earlier execution. */
  readonly pausedBy: Hold | undefined;
  readonly halt: Halt | undefined;
  /** What the last resume of a halt accepted. */
  readonly accepted: AcceptedCounts | undefined;
  readonly manual: ManualWork | undefined;
  readonly settlesUntil: number | undefined;
  /** Sites whose work no worker takes. */
  readonly missingSites: readonly string[];
}

/** The state of a run as far as its waits depend on it. */
export interface WaitingRun extends Holds {
  readonly runId: string;
  readonly phase: Phase;
  readonly wave: number;
  readonly plan: PlanBrief | undefined;
  readonly targets: number;
  /** The plan lacks a consent that can still be given. */
  readonly awaitsConsent: boolean;
}

/** A pause holds what is still to be sent; after these phases nothing is. */
const PAUSABLE: ReadonlySet<Phase> = new Set(['discover', 'plan', 'confirm', 'wave', 'linger', 'compensate']);
/** So many commands are shown for what waits. */
const MOST_ANSWERS = 10;

/** The one thing that a run waits for now. Computed whenever somebody looks, so it cannot be out of date. */
export function waitsOf(run: WaitingRun): Waits | undefined {
  if (run.control === 'braked') return undefined;
  if (run.awaitsConsent && run.plan !== undefined) return consentWaits(run, run.plan);
  if (run.control === 'paused' && PAUSABLE.has(run.phase)) return pauseWaits(run);
  if (run.halt !== undefined) return haltWaits(run.runId, run.halt);
  if (run.manual !== undefined) return manualWaits(run.runId, run.manual);
  if (run.missingSites.length > 0) return siteWaits(run);
  if (run.settlesUntil === undefined) return undefined;
  return {
    reason: `the policy's pause after wave ${run.wave}; the next wave follows by itself`,
    until: iso(run.settlesUntil),
    answers: commands(run.runId, 'pause', 'brake'),
  };
}

/** Until when a plan may wait for its consent. */
export function consentUntil({ plannedAt, policy }: PlanBrief): number {
  return plannedAt + policy.validForMs;
}

const PEOPLE = {
  none: 'nobody',
  count: 'a confirmation',
  approver: 'an approval by someone else',
  twoApprovers: 'approvals by two other people',
} as const satisfies Record<PlanBrief['confirm'], string>;

/** Consent comes before everything: a pause changes nothing about the answer that is asked for. */
function consentWaits(run: WaitingRun, plan: PlanBrief): Waits {
  const { runId } = run;
  const planned = `planned: ${counted(run.targets, 'task')} in ${counted(plan.waves.length, 'wave')}`;
  const given = run.approvedBy.length === 0 ? '' : `, of which ${run.approvedBy.join(', ')} gave one`;
  const asked = `${planned}; it waits for ${PEOPLE[plan.confirm]}${given}`;
  const isPaused = run.control === 'paused';
  return {
    reason: isPaused ? `${asked}; and it is ${pauseWords(run)}` : asked,
    until: iso(consentUntil(plan)),
    answers: commands(runId, 'approve', 'reject', 'plan', ...(isPaused ? ['resume'] : [])),
  };
}

function pauseWaits(run: WaitingRun): Waits {
  const answers = commands(run.runId, 'resume', 'brake');
  if (run.halt === undefined) return { reason: pauseWords(run), answers };
  const { why, until } = run.halt;
  return { reason: `${pauseWords(run)}; before, it halted at the ${why}`, until: iso(until), answers };
}

function pauseWords({ pausedBy }: WaitingRun): string {
  return pausedBy === undefined ? 'paused' : `paused by ${pausedBy.by}: ${pausedBy.reason}`;
}

function haltWaits(runId: string, { why, until, climbTo }: Halt): Waits {
  // a kill is approved for targets by name
  const climbs = climbTo.map((rung) => `offboil retry ${runId}${rung === 'kill' ? ' SERVER/ID' : ''} --rung ${rung}`);
  return {
    reason: `halted at the ${why}`,
    until: iso(until),
    answers: [...commands(runId, 'resume', 'retry'), ...climbs, ...commands(runId, 'brake')],
  };
}

function siteWaits({ runId, missingSites }: WaitingRun): Waits {
  return {
    reason: `no worker takes the work at ${missingSites.length === 1 ? 'site' : 'the sites'} ${missingSites.join(', ')}; start one there`,
    answers: [...missingSites.map((site) => `offboil worker --site ${site}`), ...commands(runId, 'brake')],
  };
}

function manualWaits(runId: string, { waiting, total, until }: ManualWork): Waits {
  return {
    reason: `a person must answer ${counted(total, 'compensation')}`,
    until: iso(until),
    answers: waiting
      .slice(0, MOST_ANSWERS)
      .map(({ server, id }) => `offboil resolve ${runId} ${server}/${id} --note TEXT`),
  };
}

function commands(runId: string, ...names: readonly string[]): string[] {
  return names.map((name) => `offboil ${name} ${runId}`);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
