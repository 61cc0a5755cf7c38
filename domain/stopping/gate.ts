import type { Policy } from '../contracts/policy.js';
import { failedOf, type Tally } from '../outcomes.js';
import { limitOf } from '../planning/amounts.js';
import { counted } from '../wording.js';

export type GateDecision =
  | { readonly kind: 'go' }
  /** Look again once no more than so many are open. */
  | { readonly kind: 'wait'; readonly openAtMost: number }
  | { readonly kind: 'halt'; readonly why: string };

/** How far the wave has come. */
export interface GateProgress {
  /** Every target of the wave has had its request, or has an outcome. */
  readonly allRequested: boolean;
  /** The last `within` of the wave is over. */
  readonly withinOver: boolean;
}

/**
 * Decides between two waves, over all waves so far. More than the limit halts: with `failed: 0` the first failure, with 20 % of
 * 10 targets the third (shares round down, see `limitOf`). What is requested and still open can only become unconfirmed, so
 * the gate waits no longer than the limit on unconfirmed asks for; what is open when the time is over counts as unconfirmed.
 */
export function decideGate(gate: Policy['gate'], tally: Tally, progress: GateProgress): GateDecision {
  const failed = failedOf(tally.outcomes);
  const openAfterTime = progress.withinOver ? tally.open : 0;
  const unconfirmed = (tally.outcomes.unconfirmed ?? 0) + openAfterTime;
  const halt =
    exceeds('failed', 'failed, refused or unreachable', failed, gate.failed, tally.targets) ??
    exceeds('unconfirmed', 'unconfirmed', unconfirmed, gate.unconfirmed, tally.targets);
  if (halt !== undefined) return { kind: 'halt', why: halt };
  if (progress.withinOver) return { kind: 'go' };
  const room =
    gate.unconfirmed === undefined ? Number.POSITIVE_INFINITY : limitOf(gate.unconfirmed, tally.targets) - unconfirmed;
  if (progress.allRequested && tally.open <= room) return { kind: 'go' };
  return { kind: 'wait', openAtMost: Number.isFinite(room) ? room : 0 };
}

function exceeds(
  field: string,
  words: string,
  count: number,
  amount: Policy['gate']['failed'],
  targets: number,
): string | undefined {
  if (amount === undefined) return undefined;
  const limit = limitOf(amount, targets);
  if (count <= limit) return undefined;
  const share = typeof amount === 'string' ? ` (${amount} of ${counted(targets, 'target')} so far)` : '';
  return `${count} ${words}, the policy's gate.${field} allows ${limit}${share}`;
}
