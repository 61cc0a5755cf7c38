import { LEFT_FACTS, type LeftCode } from '../domain/contracts/plan.js';
import type { Report } from '../domain/contracts/report.js';
import type { TerminationRequest } from '../domain/contracts/request.js';
import { OUTCOME_FACTS } from '../domain/outcomes.js';

/** What no run of a family has proven yet. */
export interface Remainder {
  /** Targets that are still to be stopped, as `select.ids` names them. */
  readonly ids: ReadonlySet<string>;
  /** Servers that could not be read: what the selection means there is still to be planned. */
  readonly unread: ReadonlySet<string>;
}

export function isDone({ ids, unread }: Remainder): boolean {
  return ids.size === 0 && unread.size === 0;
}

/** Left for a reason that may be over by the next run, and that names the very task which was meant. */
const ASKED_AGAIN: ReadonlySet<LeftCode> = new Set(['reserved', 'versionUnknown']);

/** `INC-42` and `INC-42.r3` have the root `INC-42`. */
export function retryRoot(runId: string): string {
  return runId.replace(/\.r\d+$/, '');
}

/** The first generation is the run itself. */
export function retryId(root: string, generation: number): string {
  return generation === 1 ? root : `${root}.r${String(generation)}`;
}

/**
 * What is not proven after this report, given what was not before it. A replaced target is left out: under its id now runs
 * another task, which nobody asked to stop.
 * @param before of the family's earlier runs; absent for its first
 */
export function remainderAfter(before: Remainder | undefined, report: Report): Remainder {
  if (before !== undefined && report.end === 'refused') return before;
  const ids = new Set(before?.ids);
  for (const { server, id, outcome } of report.results) {
    if (OUTCOME_FACTS[outcome].proven || outcome === 'replaced') ids.delete(`${server}/${id}`);
    else ids.add(`${server}/${id}`);
  }
  for (const { server, id, code } of report.left) {
    if (ASKED_AGAIN.has(code)) ids.add(`${server}/${id}`);
    else if (!LEFT_FACTS[code].isOpen) ids.delete(`${server}/${id}`);
  }
  // A run over ids alone plans nothing else, so it says nothing about a selection on servers that it could not read.
  const plansSelection = before === undefined || before.unread.size > 0;
  return { ids, unread: new Set(plansSelection ? report.unread.map(({ server }) => server) : []) };
}

/**
 * The request that asks again, with the same policy and mode: for the targets by id; or, where servers could not be read, for the
 * first request anew on those servers and on those of the targets. Read by `parseRequest` like any other.
 * @param first the request of the family's first run
 */
export function retryRequest(
  first: TerminationRequest,
  requestId: string,
  { ids, unread }: Remainder,
  by: string,
): Record<string, unknown> {
  const { requestId: firstId, reason, everything: _everything, select, ...asked } = first;
  const servers = new Set([...unread, ...[...ids].map((id) => id.slice(0, id.indexOf('/')))]);
  const anew = { ...select, servers: [...servers].filter((name) => select?.servers?.includes(name) ?? true).sort() };
  return {
    ...asked,
    requestId,
    reason: `retry of ${firstId}: ${reason}`.slice(0, 2000),
    requestedBy: by,
    ...(unread.size > 0 ? { select: anew } : { select: { ids: [...ids].sort() }, except: undefined }),
  };
}
