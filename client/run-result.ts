import type { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { type Report, type RunEnd, type RunResult, runResultSchema } from '../domain/contracts/report.js';
import { CLOSE_TYPES } from '../workflows/messages.js';

/** How a run that is not done and proven closed, by the type of its failure; exit codes of `design.md` §18. */
const ENDS_BY_TYPE: Readonly<Record<string, { end: RunEnd; exitCode: number }>> = {
  [CLOSE_TYPES.incomplete]: { end: 'incomplete', exitCode: 2 },
  [CLOSE_TYPES.refused]: { end: 'refused', exitCode: 3 },
  [CLOSE_TYPES.braked]: { end: 'braked', exitCode: 4 },
  [CLOSE_TYPES.cancelled]: { end: 'cancelled', exitCode: 4 },
  [CLOSE_TYPES.error]: { end: 'error', exitCode: 1 },
};

/**
 * Turns the way a run's workflow closed into its one typed result.
 * @returns `'cancelled'` where Temporal keeps no details: the result then stands in the report alone
 */
export function resultOfFailure(error: WorkflowFailedError, runId: string): RunResult | 'cancelled' {
  const cause = error.cause;
  if (cause instanceof CancelledFailure) return 'cancelled';
  if (cause instanceof ApplicationFailure) {
    const result = runResultSchema.safeParse(cause.details?.[0]);
    if (result.success) return result.data;
    const known = ENDS_BY_TYPE[cause.type ?? ''] ?? { end: 'error' as const, exitCode: 1 };
    return bareResult(runId, known, cause.message);
  }
  if (cause instanceof TerminatedFailure)
    return bareResult(runId, ERROR_END, unfinished(runId, 'was terminated', cause.message));
  if (cause instanceof TimeoutFailure)
    return bareResult(runId, ERROR_END, unfinished(runId, 'ran into its time limit', cause.message));
  return bareResult(runId, ERROR_END, cause?.message ?? error.message);
}

const ERROR_END = { end: 'error' as const, exitCode: 1 };

function unfinished(runId: string, how: string, why: string): string {
  return (
    `The workflow of ${runId} ${how}${why === '' ? '' : ` (${why})`}. What was requested stays requested, and its targets stay reserved. ` +
    `"offboil retry ${runId}", or the same request started again, finishes it.`
  );
}

/** A result of which only the end is known. */
export function bareResult(
  runId: string,
  how: { readonly end: RunEnd; readonly exitCode: number },
  message: string,
): RunResult {
  return { schemaVersion: 1, runId, end: how.end, exitCode: how.exitCode, message, planned: 0, outcomes: {} };
}

/** The result as the report holds it: for cancelled runs, and for runs that Temporal no longer keeps. */
export function resultOfReport(report: Report, reportDigest: string): RunResult {
  return {
    schemaVersion: 1,
    runId: report.runId,
    end: report.end,
    exitCode: report.exitCode,
    ...(report.code === undefined ? {} : { code: report.code }),
    message: report.message,
    planned: report.targets,
    outcomes: report.outcomes,
    ...(report.planHash === undefined ? {} : { planHash: report.planHash }),
    reportDigest,
  };
}
