import {
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure, NamespaceNotFoundError } from '@temporalio/common';
import { ERROR_CODES, type ErrorCode, OffboilError } from '../domain/errors.js';

/** gRPC status codes that the SDK hands through as numbers. */
const GRPC_UNAVAILABLE = 14;
const GRPC_FAILED_PRECONDITION = 9;
/** What Temporal says of a caller without rights or of a call it cannot read: asking again changes nothing. */
const GRPC_LASTING: ReadonlySet<number> = new Set([3, 5, 7, 12, 16]);
// Types of the server's own failures of an update (temporalio/temporal, service/history/workflow/update/errors.go).
/** A workflow task was completed without a word on the update: the worker has dropped it. */
const UNPROCESSED = 'UnprocessedUpdate';
/** The worker had taken it, and the run ended before it was answered. */
const ENDED_MEANWHILE = 'AcceptedUpdateCompletedWorkflow';

/** What was asked, for messages. */
export interface Asked {
  /** What people know it by: a run's id, or what the short workflow does. */
  readonly what: string;
  readonly taskQueue: string;
  /** Who is silent when no answer comes: a worker, or Temporal itself. */
  readonly answeredBy: 'worker' | 'temporal';
}

/** Turns what Temporal's client throws into our errors; what is not Temporal's passes through unchanged. */
export function toOffboilError(error: unknown, asked: Asked): unknown {
  if (error instanceof OffboilError) return error;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)
    return fromFailure(error.cause, asked);
  if (error instanceof WorkflowNotFoundError) return notFound(error, asked);
  if (error instanceof QueryNotRegisteredError || error instanceof QueryRejectedError) {
    return new OffboilError(
      'MESSAGE_INVALID',
      `${asked.what} does not know this question: it is no run of Offboil, or its worker is older. Nothing was changed.`,
      {},
      { cause: error },
    );
  }
  if (isSilence(error)) return asked.answeredBy === 'worker' ? noWorker(asked, error) : noTemporal(asked, error);
  if (error instanceof NamespaceNotFoundError) {
    return new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `Temporal has no namespace "${error.namespace}". Nothing was sent. See --namespace and --profile.`,
    );
  }
  if (error instanceof ServiceError || isGrpcServiceError(error)) {
    return new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `Temporal could not answer for ${asked.what}: ${grpcMessage(error)}. Runs go on where they stood; ask again, or look at address, namespace and rights.`,
      {},
      { cause: error },
    );
  }
  return error;
}

/** True where the same message, asked again, may still be answered. */
export function canPass(error: unknown): error is OffboilError {
  if (!isOutage(error)) return false;
  const inner = error.cause instanceof ServiceError ? error.cause.cause : error.cause;
  return !(isGrpcServiceError(inner) && GRPC_LASTING.has(codeOf(inner)));
}

/** No answer in time, although Temporal itself is there: nobody polls the task queue. */
export function noWorker(asked: Asked, cause?: unknown): OffboilError {
  return new OffboilError(
    'WORKER_UNAVAILABLE',
    `No worker answers on task queue ${asked.taskQueue} for ${asked.what}. Start one with \`offboil worker\`; what is under way then goes on.`,
    { taskQueue: asked.taskQueue },
    { cause },
  );
}

function noTemporal(asked: Asked, cause: unknown): OffboilError {
  return new OffboilError(
    'TEMPORAL_UNAVAILABLE',
    `Temporal does not answer for ${asked.what}. Whether this call arrived is not known; runs go on by themselves once it is back. Ask again.`,
    {},
    { cause },
  );
}

/** True where asking again can help: Temporal or its workers are away for a while. */
export function isOutage(error: unknown): error is OffboilError {
  return (
    error instanceof OffboilError && (error.code === 'WORKER_UNAVAILABLE' || error.code === 'TEMPORAL_UNAVAILABLE')
  );
}

export function isDeadline(error: unknown): boolean {
  const inner = error instanceof ServiceError ? error.cause : error;
  return isGrpcDeadlineError(inner) || isGrpcCancelledError(inner);
}

export function isSilence(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(error)) return true;
  const inner = error instanceof ServiceError ? error.cause : error;
  // The server knows by itself that nobody polled lately and refuses a query at once.
  return (
    isGrpcServiceError(inner) && codeOf(inner) === GRPC_FAILED_PRECONDITION && /poller|worker/i.test(inner.details)
  );
}

function fromFailure(cause: unknown, asked: Asked): OffboilError {
  for (let failure = cause; failure instanceof Error; failure = failure.cause) {
    if (!(failure instanceof ApplicationFailure)) continue;
    const code = failure.type;
    if (code === UNPROCESSED) return dropped(asked, cause);
    if (code === ENDED_MEANWHILE) return ended(asked, cause);
    if (isErrorCode(code)) return new OffboilError(code, failure.message, {}, { cause });
  }
  const message = cause instanceof Error ? cause.message : 'it gave no reason';
  return new OffboilError('INTERNAL', `${asked.what} failed: ${message}`, {}, { cause });
}

function dropped({ what, taskQueue }: Asked, cause: unknown): OffboilError {
  return new OffboilError(
    'WORKER_UNAVAILABLE',
    `The worker on task queue ${taskQueue} let the message to ${what} go without reading it, as it does when its machine is overloaded. Nothing was changed by it. Send it again.`,
    { taskQueue },
    { cause },
  );
}

function ended({ what }: Asked, cause: unknown): OffboilError {
  return new OffboilError(
    'MESSAGE_REFUSED',
    `${what} has ended and takes no more messages. Nothing was changed. \`offboil report\` shows how it ended, \`offboil retry\` starts a new run over what is not proven.`,
    { ended: 1 },
    { cause },
  );
}

function notFound(error: WorkflowNotFoundError, asked: Asked): OffboilError {
  if (/already completed/i.test(error.message)) return ended(asked, error);
  return new OffboilError(
    'RUN_UNKNOWN',
    `Temporal knows no ${asked.what} in this namespace. Nothing was changed. \`offboil runs\` lists the runs.`,
    {},
    { cause: error },
  );
}

function isErrorCode(code: string | null | undefined): code is ErrorCode {
  return code !== null && code !== undefined && Object.hasOwn(ERROR_CODES, code);
}

function grpcMessage(error: unknown): string {
  const inner = error instanceof ServiceError ? (error.cause ?? error) : error;
  if (isGrpcServiceError(inner)) {
    return codeOf(inner) === GRPC_UNAVAILABLE ? `it cannot be reached (${inner.details})` : inner.details;
  }
  return inner instanceof Error ? inner.message : String(inner);
}

/** The status as a number; its enum belongs to a package of Temporal's client. */
function codeOf(error: { readonly code: number }): number {
  return error.code;
}
