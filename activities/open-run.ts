import { parseRequest, type TerminationRequest } from '../domain/contracts/request.js';
import { OffboilError } from '../domain/errors.js';
import type { OpenedRun } from '../domain/ports.js';
import { standingOf, type Standing } from '../domain/standing.js';
import { hashOf, type ActivityDeps } from './deps.js';
import { briefOf, type PlanBrief } from './plan-run.js';
import type { ActivityContext } from './shard-deps.js';

export interface OpenInput {
  /** The request as it came. */
  readonly request: unknown;
  /** Request id that the workflow id carries; undefined: a foreign workflow id. */
  readonly idFromWorkflow?: string;
  /** Set for short workflows: a dry run under this id, whatever the request says. */
  readonly dryRunId?: string;
  /** Claimed by continue-as-new; believed only if the ledger has that run. */
  readonly continues?: string;
}

export interface OpenAnswer extends Omit<OpenedRun, 'plan' | 'acts'> {
  readonly plan?: PlanBrief;
  readonly runId: string;
  readonly request: TerminationRequest;
  readonly standing: Standing;
  readonly searchAttributes: readonly string[];
}

/** Hash by which requests are compared: after defaults, and a dry run asks the same as the real one. */
export function requestHashOf(request: TerminationRequest): string {
  const { dryRun: _dryRun, ...asked } = request;
  return hashOf(asked);
}

/**
 * The first step of every run: reads the request and decides from the ledger whether this is a new run, an unfinished one to
 * go on with, or one that has ended. Temporal's ids alone do not give one run per request.
 * @throws OffboilError `REQUEST_INVALID`, `WORKFLOW_ID_MISMATCH`, `REQUEST_CONFLICT`
 */
export async function openRun(deps: ActivityDeps, input: OpenInput, { signal }: ActivityContext): Promise<OpenAnswer> {
  const request = parseRequest(input.request, input.dryRunId === undefined ? input.idFromWorkflow : 'dry-run');
  const runId = input.dryRunId ?? request.requestId;
  if (input.dryRunId === undefined && input.idFromWorkflow !== request.requestId) {
    throw new OffboilError(
      'WORKFLOW_ID_MISMATCH',
      `The workflow id must be offboil/${request.requestId}: under another id two workflows could drive one run. Nothing was sent.`,
    );
  }
  const requestHash = requestHashOf(request);
  const dryRun = request.dryRun || input.dryRunId !== undefined;
  const opened = await deps.ledger.runs.open({ runId, request, requestHash, dryRun }, deps.clock.now(), signal);
  if (opened.decision === 'conflict') {
    throw new OffboilError(
      'REQUEST_CONFLICT',
      `${runId} already names another request. Nothing was sent and that run is unchanged; give this request an id of its own.`,
    );
  }
  if (input.continues !== undefined && (input.continues !== runId || opened.decision === 'new')) {
    throw new OffboilError('REQUEST_INVALID', `There is no run ${input.continues} to go on with. Nothing was sent.`);
  }
  const { plan, acts, ...rest } = opened;
  return {
    ...rest,
    ...(plan === undefined ? {} : { plan: briefOf(plan, await deps.ledger.plans.tallies(runId, signal)) }),
    runId,
    request,
    standing: standingOf(acts, plan?.planHash),
    searchAttributes: await deps.searchAttributes(),
  };
}
