import { z } from 'zod';
import { parseRequest, requestIdSchema } from '../domain/contracts/request.js';
import { withDeadline } from '../domain/deadline.js';
import { ERROR_CODES, OffboilError } from '../domain/errors.js';
import { hashOf, type ActivityDeps } from './deps.js';
import { type OpenAnswer, type OpenInput, openRun, requestHashOf } from './open-run.js';
import type { ActivityContext } from './shard-deps.js';

/** A ledger that is away must not hide the refusal: it is told without a record then, and the log has it. */
const RECORD_MS = 5_000;
const MOST_CHARACTERS = 2_000;

/** What can be told of a request that may be none. */
const readable = z
  .object({
    requestId: requestIdSchema.optional().catch(undefined),
    requestedBy: z.string().max(200).optional().catch(undefined),
  })
  .catch({});

/** `openRun`, and what it refuses stands in the audit chain of the id that was asked for: who asked, why not, and the request's hash. */
export async function openRunOrRecord(
  deps: ActivityDeps,
  input: OpenInput,
  context: ActivityContext,
): Promise<OpenAnswer> {
  try {
    return await openRun(deps, input, context);
  } catch (error) {
    if (error instanceof OffboilError && ERROR_CODES[error.code].end === 'refused') {
      await recordRefusal(deps, input, error, context.signal);
    }
    throw error;
  }
}

async function recordRefusal(
  deps: ActivityDeps,
  { request, idFromWorkflow, dryRunId }: OpenInput,
  { code, message }: OffboilError,
  signal: AbortSignal,
): Promise<void> {
  const { requestId, requestedBy } = readable.parse(request);
  const runId = dryRunId ?? requestId ?? idFromWorkflow ?? 'unknown';
  const by = requestedBy ?? 'unknown';
  const requestHash = hashOfAsked(request, idFromWorkflow);
  deps.log('warn', 'request refused', { runId, code, by, requestHash });
  const what = `refused, request ${requestHash}: ${code}: ${message}`.slice(0, MOST_CHARACTERS);
  const now = deps.clock.now();
  const actor = { role: 'requester', by, assurance: 'asserted', at: new Date(now).toISOString() } as const;
  try {
    await withDeadline(deps.clock, RECORD_MS, signal, (limit) =>
      deps.ledger.runs.act(runId, { kind: 'refused', actor, what }, now, limit),
    );
  } catch (error) {
    deps.log('warn', 'refusal not recorded', { runId, code, why: String(error) });
  }
}

/** As runs are compared; what is no request is hashed as it came. */
function hashOfAsked(request: unknown, idFromWorkflow: string | undefined): string {
  try {
    return requestHashOf(parseRequest(request, idFromWorkflow));
  } catch {
    return hashOf(request ?? null);
  }
}
