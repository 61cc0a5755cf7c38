import type { Report } from '../domain/contracts/report.js';
import { OUTCOME_FACTS } from '../domain/outcomes.js';

/** A target of an earlier generation that is still to be stopped, as `select.ids` names it. */
type OpenIds = ReadonlySet<string>;

/** `INC-42` and `INC-42.r3` have the root `INC-42`. */
export function retryRoot(runId: string): string {
  return runId.replace(/\.r\d+$/, '');
}

/** The first generation is the run itself. */
export function retryId(root: string, generation: number): string {
  return generation === 1 ? root : `${root}.r${String(generation)}`;
}

/**
 * What is not proven after this report, given what was open before it. A replaced target is left out:
 * under its id now runs another task, which nobody asked to stop.
 */
export function stillOpen(before: OpenIds, report: Report): OpenIds {
  const open = new Set(before);
  for (const result of report.results) {
    const id = `${result.server}/${result.id}`;
    if (OUTCOME_FACTS[result.outcome].proven || result.outcome === 'replaced') open.delete(id);
    else open.add(id);
  }
  return open;
}

/** The request that asks again, with the same policy and mode. Read by `parseRequest` like any other. */
export function retryRequest(of: Report, requestId: string, open: OpenIds, by: string): Record<string, unknown> {
  return {
    requestId,
    reason: `retry of ${of.runId}: ${of.reason}`.slice(0, 2000),
    requestedBy: by,
    ...(of.ticket === undefined ? {} : { ticket: of.ticket }),
    select: { ids: [...open].sort() },
    mode: of.mode,
    policy: of.policy,
    emergency: of.emergency,
  };
}
