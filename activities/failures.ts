import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ERROR_CODES, OffboilError } from '../domain/errors.js';

/** So often something that cannot pass is tried: a bug or a refused statement is no outage, and a day of silent repeats hides it. */
const MOST_TRIES = 3;

/**
 * The one place where our errors become Temporal's.
 * @param attempt of this activity, from 1
 */
export function toFailure(error: unknown, attempt: number): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  const isFinal = attempt >= MOST_TRIES && cannotPass(error);
  if (!(error instanceof OffboilError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return isFinal
      ? ApplicationFailure.create({ message, type: 'INTERNAL', nonRetryable: true })
      : ApplicationFailure.fromError(error);
  }
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: isFinal || !ERROR_CODES[error.code].retryable,
    details: [error.fields],
    cause: error,
  });
}

/** Our own bug, or a statement that the ledger refuses for what it is (its classes of "not now" are `LEDGER_UNAVAILABLE`). */
function cannotPass(error: unknown): boolean {
  if (error instanceof OffboilError) return error.code === 'INTERNAL';
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}
