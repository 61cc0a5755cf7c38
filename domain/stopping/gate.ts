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

/** What the two limits of a gate count. */
export interface GateCounts {
  readonly failed: number;
  readonly unconfirmed: number;
}

/** What a person accepted by resuming a halt: the counts of all waves up to `wave` in that moment. */
export interface AcceptedCounts extends GateCounts {
  readonly wave: number;
}

/** What is open when the time is over counts as unconfirmed. */
export function gateCounts({ outcomes, open }: Tally, withinOver: boolean): GateCounts {
  return {
    failed: failedOf(outcomes),
    unconfirmed: (outcomes.unconfirmed ?? 0) + (withinOver ? open : 0),
  };
}

/**
 * Decides between two waves, over all waves so far. More than the limit halts: with `failed: 0` the first failure, with 20 % of
 * 10 targets the third (shares round down, see `limitOf`). What is requested and still open can only become unconfirmed, so
 * the gate waits no longer than the limit on unconfirmed asks for; what is open when the time is over counts as unconfirmed.
 *
 * A broken limit halts again only when more came than a person has accepted. What was accepted and has ended since makes no
 * room for others: of each count at most what the same waves hold `now` is accepted.
 */
export function decideGate(
  gate: Policy['gate'],
  tally: Tally,
  progress: GateProgress,
  accepted?: { readonly counts: GateCounts; readonly now: Tally },
): GateDecision {
  const counts = gateCounts(tally, progress.withinOver);
  const agreed = stillAccepted(accepted, progress.withinOver);
  const allowed = (field: keyof GateCounts): number => {
    const limit = gate[field];
    return limit === undefined ? Number.POSITIVE_INFINITY : Math.max(limitOf(limit, tally.targets), agreed[field]);
  };
  const broken = FIELDS.filter((field) => counts[field] > allowed(field));
  if (broken.length > 0) {
    return { kind: 'halt', why: broken.map((field) => why(field, counts, agreed, gate, tally.targets)).join('; ') };
  }
  if (progress.withinOver) return { kind: 'go' };
  const room = allowed('unconfirmed') - counts.unconfirmed;
  if (progress.allRequested && tally.open <= room) return { kind: 'go' };
  return { kind: 'wait', openAtMost: Number.isFinite(room) ? room : 0 };
}

const FIELDS = ['failed', 'unconfirmed'] as const;
const WORDS = { failed: 'failed, refused or unreachable', unconfirmed: 'unconfirmed' } as const;

function stillAccepted(accepted: Parameters<typeof decideGate>[3], withinOver: boolean): GateCounts {
  if (accepted === undefined) return { failed: 0, unconfirmed: 0 };
  const now = gateCounts(accepted.now, withinOver);
  return {
    failed: Math.min(accepted.counts.failed, now.failed),
    unconfirmed: Math.min(accepted.counts.unconfirmed, now.unconfirmed),
  };
}

function why(
  field: keyof GateCounts,
  counts: GateCounts,
  agreed: GateCounts,
  gate: Policy['gate'],
  targets: number,
): string {
  const limit = gate[field] ?? 0;
  const share = typeof limit === 'string' ? ` (${limit} of ${counted(targets, 'target')} so far)` : '';
  const known = agreed[field] === 0 ? '' : `, and ${agreed[field]} were accepted`;
  return `${counts[field]} ${WORDS[field]}, the policy's gate.${field} allows ${limitOf(limit, targets)}${share}${known}`;
}
