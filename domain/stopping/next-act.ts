import type { Attempt, Claim, ShardTarget } from '../ports.js';
import { LEASE_MS } from '../shard-ledger.js';
import type { Rung } from '../tasks.js';
import { requestedAt } from './judge.js';

/** What a target needs next. */
export type Act =
  /** A request is due now, as attempt `n` on `rung`. */
  | { readonly kind: 'send'; readonly rung: Rung; readonly n: number }
  /**
   * From `at` on a fresh list decides: still active → attempt `n` on `rung`; ending or ended → no second request.
   * The earlier request may have been lost, or may still arrive before `at`.
   */
  | { readonly kind: 'check'; readonly at: number; readonly rung: Rung; readonly n: number }
  /** Its time runs until `until`. */
  | { readonly kind: 'wait'; readonly until: number }
  /** Its time is over, or it has an outcome: nothing more is sent by itself. */
  | { readonly kind: 'none' };

/** Who holds the shard now, and since when. */
export type Holder = Pick<Claim, 'epoch' | 'at'>;

export interface ActContext {
  readonly now: number;
  readonly claim: Holder;
  /** Limit of one request: a lost one may arrive so long after it left. */
  readonly timeoutMs: number;
  readonly climb: 'ask' | 'auto';
  /** Watching, not sending: see `watchedUntil`. */
  readonly isWatching?: boolean;
}

/** The same rung is asked at most so often by itself: once, once more after a lost request, once more after a lost effect. */
const ATTEMPTS_PER_RUNG = 3;
/** An OK that has no effect is repeated once, after this share of `within` (a stop during the start of a task can be lost). */
const REPEAT_SHARE = 0.25;
const REPEAT_AT_MOST_MS = 10_000;

/** Decides what a target needs next, from what the ledger knows. The rules of `design.md` §8. */
export function nextAct(target: ShardTarget, context: ActContext): Act {
  const last = target.attempts.at(-1);
  const n = (last?.n ?? 0) + 1;
  if (last !== undefined && last.reply === undefined) {
    // In doubt. An attempt of this very claim is simply under way.
    if (last.epoch >= context.claim.epoch) return { kind: 'wait', until: context.now + context.timeoutMs };
    return { kind: 'check', at: context.claim.at + LEASE_MS + context.timeoutMs, rung: last.rung, n };
  }
  if (target.again !== undefined) return { kind: 'send', rung: target.again.rung ?? last?.rung ?? target.rungs[0], n };
  if (target.outcome !== undefined) return { kind: 'none' };
  if (last === undefined) return firstAct(target, context);
  if (last.reply === 'unsent') return { kind: 'send', rung: last.rung, n };
  if (last.reply === 'rejected') return { kind: 'none' };
  const deadline = timeOf(target, context) ?? context.now;
  const act = repeatOrWait(target, last, context, deadline);
  if (context.now < deadline) return act;
  // What was lost while nobody watched is asked again, however long that was, before anything harder is.
  const wasUnwatched = (deadlineOf(target, context.claim) ?? 0) < context.claim.at;
  if (act.kind === 'check' && last.reply === 'unanswered' && wasUnwatched) return act;
  const harder = climb(target, last.rung, n, context);
  return harder.kind === 'none' && act.kind === 'check' ? act : harder;
}

/** Nothing was requested yet: the first rung, unless somebody else's stop is already under way. */
function firstAct(target: ShardTarget, context: ActContext): Act {
  const deadline = timeOf(target, context);
  if (deadline !== undefined && context.now < deadline) return { kind: 'wait', until: deadline };
  // Another stop on top of somebody's stop forces nothing, so one that is stuck in it climbs where it may; else it is asked like any other.
  const isStuck = target.endingSince !== undefined && target.rungs.includes('rollback') && context.climb === 'auto';
  return { kind: 'send', rung: isStuck ? 'rollback' : target.rungs[0], n: 1 };
}

/** A lost request, or an OK without effect, is repeated once a fresh list shows the task still active. */
function repeatOrWait(target: ShardTarget, last: Attempt, context: ActContext, deadline: number): Act {
  const onRung = target.attempts.filter(({ rung, reply }) => rung === last.rung && reply !== 'unsent');
  const wait: Act = { kind: 'wait', until: deadline };
  if (onRung.length >= ATTEMPTS_PER_RUNG) return wait;
  const n = last.n + 1;
  if (last.reply === 'unanswered') {
    // Counted from the answer that never came: a request may leave long after it was intended (simulated).
    return { kind: 'check', at: askedAt(last, context.claim) + context.timeoutMs + LEASE_MS, rung: last.rung, n };
  }
  // A safe stop leaves the word `Running` until all rows are through: nothing to repeat.
  const isRepeated = onRung.some(({ reply, n: other }) => reply === 'acknowledged' && other < last.n);
  if (last.rung === 'safe' || isRepeated) return wait;
  const at = askedAt(last, context.claim) + Math.min(target.within * REPEAT_SHARE, REPEAT_AT_MOST_MS);
  return { kind: 'check', at, rung: last.rung, n };
}

/** The next permitted rung, where the policy climbs by itself. `kill` always asks. */
function climb(target: ShardTarget, from: Rung, n: number, context: ActContext): Act {
  const next = target.rungs.find((rung, index) => index > target.rungs.indexOf(from) && rung !== from);
  if (next === undefined || next === 'kill' || context.climb === 'ask') return { kind: 'none' };
  return { kind: 'send', rung: next, n };
}

function timeOf(target: ShardTarget, { claim, isWatching }: ActContext): number | undefined {
  return isWatching === true ? watchedUntil(target, claim) : deadlineOf(target, claim);
}

/** When a target's time is over: from its last request, or from the first look that showed it ending. */
export function deadlineOf(target: ShardTarget, claim: Holder): number | undefined {
  const last = target.attempts.filter(({ reply }) => reply !== 'unsent').at(-1);
  const since = last === undefined ? target.endingSince : askedAt(last, claim);
  return since === undefined ? undefined : since + target.within;
}

/**
 * Until when a target is watched. Only time in which somebody watched counts: what was over before this claim was taken begins
 * anew. (Sending goes by `deadlineOf`, or a climb that is due would be put off by each new claim.)
 */
export function watchedUntil(target: ShardTarget, claim: Holder): number | undefined {
  const deadline = deadlineOf(target, claim);
  return deadline !== undefined && deadline < claim.at ? claim.at + target.within : deadline;
}

/** When it was asked, on the clock of who holds the shard: that of an earlier holder may be ahead. */
function askedAt(attempt: Attempt, claim: Holder): number {
  const at = requestedAt(attempt);
  return attempt.epoch < claim.epoch ? Math.min(at, claim.at) : at;
}

/** The permitted rung above the last one used, that a person could ask for. */
export function rungAbove(target: ShardTarget): Rung | undefined {
  const last = target.attempts.at(-1);
  return last === undefined ? undefined : target.rungs[target.rungs.indexOf(last.rung) + 1];
}
