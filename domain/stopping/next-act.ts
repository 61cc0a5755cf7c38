import type { ShardTarget } from '../ports.js';
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

export interface ActContext {
  readonly now: number;
  readonly claim: { readonly epoch: number; readonly at: number };
  /** Limit of one request: a lost one may arrive so long after it left. */
  readonly timeoutMs: number;
  /** How long an earlier claim may have believed in its right to send. */
  readonly leaseMs: number;
  readonly climb: 'ask' | 'auto';
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
    return { kind: 'check', at: context.claim.at + context.leaseMs + context.timeoutMs, rung: last.rung, n };
  }
  if (target.again !== undefined) return { kind: 'send', rung: target.again.rung ?? last?.rung ?? target.rungs[0], n };
  if (target.outcome !== undefined) return { kind: 'none' };
  if (last === undefined) return firstAct(target, context);
  if (last.reply === 'unsent') return { kind: 'send', rung: last.rung, n };
  if (last.reply === 'rejected') return { kind: 'none' };
  const deadline = requestedAt(last) + target.within;
  if (context.now >= deadline) return climb(target, last.rung, n, context);
  return repeatOrWait(target, context, deadline);
}

/** Nothing was requested yet: the first rung, unless somebody else's stop is already under way. */
function firstAct(target: ShardTarget, context: ActContext): Act {
  if (target.endingSince === undefined) return { kind: 'send', rung: target.rungs[0], n: 1 };
  const deadline = target.endingSince + target.within;
  if (context.now < deadline) return { kind: 'wait', until: deadline };
  // Another stop on top of somebody's stop forces nothing: what follows is the rung above it.
  const above = target.rungs.includes('rollback') && context.climb === 'auto';
  return above ? { kind: 'send', rung: 'rollback', n: 1 } : { kind: 'none' };
}

/** A lost request, or an OK without effect, is repeated once a fresh list shows the task still active. */
function repeatOrWait(target: ShardTarget, context: ActContext, deadline: number): Act {
  const last = target.attempts.at(-1);
  if (last === undefined) return { kind: 'wait', until: deadline };
  const onRung = target.attempts.filter(({ rung, reply }) => rung === last.rung && reply !== 'unsent');
  const wait: Act = { kind: 'wait', until: deadline };
  if (onRung.length >= ATTEMPTS_PER_RUNG) return wait;
  const n = last.n + 1;
  if (last.reply === 'unanswered') {
    // Counted from the answer that never came: a request may leave long after it was intended (simulated).
    return { kind: 'check', at: requestedAt(last) + context.timeoutMs + context.leaseMs, rung: last.rung, n };
  }
  // A safe stop leaves the word `Running` until all rows are through: nothing to repeat.
  const isRepeated = onRung.some(({ reply, n: other }) => reply === 'acknowledged' && other < last.n);
  if (last.rung === 'safe' || isRepeated) return wait;
  const at = requestedAt(last) + Math.min(target.within * REPEAT_SHARE, REPEAT_AT_MOST_MS);
  return { kind: 'check', at, rung: last.rung, n };
}

/** The next permitted rung, where the policy climbs by itself. `kill` always asks. */
function climb(target: ShardTarget, from: Rung, n: number, context: ActContext): Act {
  const next = target.rungs.find((rung, index) => index > target.rungs.indexOf(from) && rung !== from);
  if (next === undefined || next === 'kill' || context.climb === 'ask') return { kind: 'none' };
  return { kind: 'send', rung: next, n };
}

/** When a target's time is over: from its last request, or from the first look that showed it ending. */
export function deadlineOf(target: ShardTarget): number | undefined {
  const last = target.attempts.filter(({ reply }) => reply !== 'unsent').at(-1);
  if (last !== undefined) return requestedAt(last) + target.within;
  return target.endingSince === undefined ? undefined : target.endingSince + target.within;
}

/** The permitted rung above the last one used, that a person could ask for. */
export function rungAbove(target: ShardTarget): Rung | undefined {
  const last = target.attempts.at(-1);
  return last === undefined ? undefined : target.rungs[target.rungs.indexOf(last.rung) + 1];
}
