import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ERROR_CODES, OffboilError } from '../domain/errors.js';

/** The one place where our errors become Temporal's. Unknown errors stay retryable: they are our bugs, not the user's. */
export function toFailure(error: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  if (!(error instanceof OffboilError)) return ApplicationFailure.fromError(error);
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: !ERROR_CODES[error.code].retryable,
    details: [error.fields],
    cause: error,
  });
}
