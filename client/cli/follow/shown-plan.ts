import type { ConfirmNeed } from '../../../domain/contracts/plan.js';
import type { PlanSummary } from '../../../domain/contracts/messages.js';
import type { PlanDocument } from '../../index.js';
import type { ShownPlan } from '../render/plan.js';

/** Longer plans are shown by their counts: reading them whole costs pages, and nobody reads ten thousand lines. */
const READ_WHOLE = 2_000;

/** What is known of a plan before it is read whole. */
export interface KnownPlan {
  readonly runId: string;
  readonly summary: PlanSummary;
  readonly confirm: ConfirmNeed | undefined;
  readonly requestedBy?: string | undefined;
  readonly validUntil?: string | undefined;
  readonly notSeen?: readonly string[];
}

/** What people see of a plan: the summary says what it is; the whole adds the names. */
export async function shownPlan(known: KnownPlan, readWhole: () => Promise<PlanDocument>): Promise<ShownPlan> {
  const targets = known.summary.waves.reduce((sum, wave) => sum + wave.targets, 0);
  // A plan that does not say which consent it needs is read whole, however long.
  const whole = targets > READ_WHOLE && known.confirm !== undefined ? undefined : await readWhole();
  return {
    ...known,
    targets,
    confirm: known.confirm ?? whole?.confirm ?? 'approver', // a consent that nobody names is not ours to give
    notSeen: known.notSeen ?? whole?.notSeen ?? [],
    whole,
  };
}
