/**
 * The closed set of things that go wrong. Codes are public: they stand in results, reports, tests and documents.
 * The value says how a run that ends with the code closes (exit code of `design.md` §18), and whether asking again can help.
 */
export const ERROR_CODES = {
  REQUEST_INVALID: { end: 'refused', retryable: false },
  REQUEST_CONFLICT: { end: 'refused', retryable: false },
  WORKFLOW_ID_MISMATCH: { end: 'refused', retryable: false },
  SELECTION_AMBIGUOUS: { end: 'refused', retryable: false },
  ESTATE_INVALID: { end: 'refused', retryable: false },
  SECRET_UNRESOLVED: { end: 'refused', retryable: false },
  POLICY_UNKNOWN: { end: 'refused', retryable: false },
  BUDGET_EXCEEDED: { end: 'refused', retryable: false },
  RUNG_UNSUPPORTED: { end: 'refused', retryable: false },
  PLAN_EXPIRED: { end: 'refused', retryable: false },
  PLAN_HASH_MISMATCH: { end: 'refused', retryable: false },
  PLAN_REJECTED: { end: 'refused', retryable: false },
  APPROVAL_REFUSED: { end: 'refused', retryable: false },
  CONFIRMATION_MISSING: { end: 'refused', retryable: false },
  MESSAGE_INVALID: { end: 'error', retryable: false },
  MESSAGE_REFUSED: { end: 'error', retryable: false },
  TARGET_UNKNOWN: { end: 'error', retryable: false },
  RUN_UNKNOWN: { end: 'error', retryable: false },
  VERSION_UNKNOWN: { end: 'refused', retryable: false },
  AUTH_REFUSED: { end: 'error', retryable: false },
  SITE_UNREACHABLE: { end: 'error', retryable: true },
  SERVER_UNREACHABLE: { end: 'error', retryable: true },
  SERVER_TIMEOUT: { end: 'error', retryable: true },
  REPLY_NOT_CARTE: { end: 'error', retryable: true },
  REPLY_INCOMPLETE: { end: 'error', retryable: true },
  REPLY_TOO_LARGE: { end: 'error', retryable: false },
  REPLY_REJECTED: { end: 'error', retryable: false },
  CLAIM_LOST: { end: 'error', retryable: true },
  LEDGER_UNAVAILABLE: { end: 'error', retryable: true },
  DATABASE_UNAVAILABLE: { end: 'error', retryable: true },
  DATABASE_REFUSED: { end: 'error', retryable: false },
  TEMPORAL_UNAVAILABLE: { end: 'error', retryable: true },
  WORKER_UNAVAILABLE: { end: 'error', retryable: true },
  USAGE_WRONG: { end: 'error', retryable: false },
  INTERNAL: { end: 'error', retryable: true },
} as const satisfies Record<string, { end: 'refused' | 'error'; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The error code opens the message of a closing, once. */
export function openedByCode(code: string, message: string): string {
  if (message.startsWith(code)) return message;
  return message === '' ? code : `${code}: ${message}`;
}

/** Everything Offboil throws on purpose. The message says what happened, what is unchanged, and what to do next. */
export class OffboilError extends Error {
  override readonly name = 'OffboilError';

  /**
   * @param code stable code, see `ERROR_CODES`
   * @param message what happened, what is (not) changed, what to do next; may be shown to people as it is
   * @param fields facts for programs; never a secret
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly fields: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
