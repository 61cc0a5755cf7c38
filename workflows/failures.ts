import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { RunResult } from '../domain/contracts/report.js';
import { ERROR_CODES, OffboilError, openedByCode, type ErrorCode } from '../domain/errors.js';
import { CLOSE_TYPES } from './messages.js';

/** What went wrong, as the result tells it. An activity's code stands only in the failure's cause. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Reads code and sentence out of anything thrown in the workflow's body. */
export function faultOf(error: unknown): Fault {
  if (error instanceof OffboilError) return { code: error.code, message: error.message };
  if ((error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) && error.cause !== undefined) {
    return faultOf(error.cause);
  }
  if (error instanceof ApplicationFailure) return { code: codeOf(error.type), message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

function codeOf(type: string | null | undefined): ErrorCode {
  return type != null && type in ERROR_CODES ? (type as ErrorCode) : 'INTERNAL'; // `in` proves that it is a key
}

/** A refusal from an update's validator or handler: only an ApplicationFailure rejects without failing the workflow. */
export function refusal(code: ErrorCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ message, type: code, nonRetryable: true });
}

/** Anything thrown while a message was handled, as a refusal that says its code and sentence. */
export function refusalOf(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const { code, message } = faultOf(error);
  return refusal(code, message);
}

/** Whether a step ended because no worker took it in time. */
export function isNeverStarted(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

/** Whether it concerns the run as a whole: a refusal, a cancel. All else is an observation of the group that it befell. */
export function isRunsOwn(error: unknown): boolean {
  return isCancel(error) || ERROR_CODES[faultOf(error).code].end === 'refused';
}

/** The result of a run that never came as far as the ledger. */
export function localResult(runId: string, { code, message }: Fault): RunResult {
  const refused = ERROR_CODES[code].end === 'refused';
  return {
    schemaVersion: 1,
    runId,
    end: refused ? 'refused' : 'error',
    exitCode: refused ? 3 : 1,
    code,
    message: openedByCode(code, message),
    planned: 0,
    outcomes: {},
  };
}

/**
 * The close status tells the truth: only a run that is done and proven completes.
 * @returns the result, for the one end that may complete
 * @throws ApplicationFailure with the result as `details[0]`; its message is the verdict in one sentence
 */
export function closeAs(result: RunResult): RunResult {
  if (result.end === 'completed' && result.exitCode === 0) return result;
  const type = result.end === 'completed' ? CLOSE_TYPES.incomplete : CLOSE_TYPES[result.end];
  throw ApplicationFailure.create({
    type,
    nonRetryable: true,
    message: openedByCode(result.code ?? '', result.message),
    details: [result],
  });
}

export function isCancel(error: unknown): boolean {
  return (
    error instanceof CancelledFailure || (error instanceof ActivityFailure && error.cause instanceof CancelledFailure)
  );
}
