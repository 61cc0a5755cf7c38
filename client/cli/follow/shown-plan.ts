import type { OffboilClient, PlanDocument, PlannedAnswer, RunHandle } from '../../index.js';
import type { PlanSummary } from '../../../domain/contracts/messages.js';
import type { ShownPlan } from '../render/plan.js';

/** Longer plans are shown by their counts: reading them whole costs pages, and nobody reads ten thousand lines. */
const READ_WHOLE = 2_000;

/** What people see of the plan that a run waits with. The run's own query says what it is; the whole adds the names. */
export async function shownPlanOf(handle: RunHandle, summary: PlanSummary, requestedBy?: string): Promise<ShownPlan> {
  const targets = targetsOf(summary);
  // A summary that does not say which consent it needs is read whole, however long.
  const whole = targets > READ_WHOLE && summary.confirm !== undefined ? undefined : await handle.plan();
  return {
    runId: handle.requestId,
    summary,
    targets,
    // A consent that nobody names is not ours to give.
    confirm: summary.confirm ?? whole?.confirm ?? 'approver',
    ...(requestedBy === undefined ? {} : { requestedBy }),
    notSeen: whole?.notSeen ?? [],
    ...(whole === undefined ? {} : { whole }),
  };
}

/** What people see of a dry run's plan. */
export async function shownDryRun(
  client: OffboilClient,
  planned: PlannedAnswer,
  request: { readonly requestId: string; readonly requestedBy: string },
): Promise<ShownPlan & { readonly whole?: PlanDocument }> {
  const whole = planned.targets > READ_WHOLE ? undefined : await client.readPlan(planned);
  return {
    runId: request.requestId,
    summary: planned.summary,
    targets: planned.targets,
    confirm: planned.confirm,
    requestedBy: request.requestedBy,
    notSeen: planned.notSeen,
    ...(whole === undefined ? {} : { whole }),
  };
}

export function targetsOf(summary: PlanSummary): number {
  return summary.waves.reduce((sum, wave) => sum + wave.targets, 0);
}
