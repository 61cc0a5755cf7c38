import type { ActivityOptions } from '@temporalio/workflow';

/** Errors that no repeat can mend; all others are tried again within the profile's total time. */
const retry = { initialInterval: '200 ms', backoffCoefficient: 2, maximumInterval: '5 seconds' } as const;

/**
 * One profile a kind of work, with the reason for each time. Each is bound per attempt and in total, and always waits for a
 * cancelled activity to end: left out, the SDK 1.24 reports it cancelled while its requests still leave (measured).
 */
export const profiles = {
  /** Lists of servers: three tries of one request each, side by side. */
  read: {
    startToCloseTimeout: '2 minutes',
    scheduleToCloseTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry,
  },
  /** A baseline before or beside the first requests, 5 s of looks: what is read much later is none, so it is soon given up. */
  sample: {
    startToCloseTimeout: '10 seconds',
    scheduleToCloseTimeout: '10 seconds',
    heartbeatTimeout: '3 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry,
  },
  /** A shard of stops: long, but silent for at most 3 s. What protects from a stalled worker is the lease, not this. */
  stop: {
    startToCloseTimeout: '30 minutes',
    scheduleToCloseTimeout: '4 hours',
    heartbeatTimeout: '3 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    // Often and for long: a ledger that is back is used at once, and Temporal gives several repeats to a frozen worker (measured).
    retry: { ...retry, maximumInterval: '1 second' },
  },
  /** Waits for `within`, `linger` or `watchAfter`, each bound by the policy. */
  verify: {
    startToCloseTimeout: '4 hours',
    scheduleToCloseTimeout: '24 hours',
    heartbeatTimeout: '3 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry,
  },
  /** SQL of the estate's owners, 30 s a query, a few at a time. */
  check: {
    startToCloseTimeout: '10 minutes',
    scheduleToCloseTimeout: '30 minutes',
    heartbeatTimeout: '10 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry,
  },
  /** Reads and writes of the ledger alone: an outage is waited for, because without the record nothing may go on. */
  audit: {
    startToCloseTimeout: '1 minute',
    scheduleToCloseTimeout: '24 hours',
    heartbeatTimeout: '20 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry,
  },
  /** The control row: an attempt that hangs is given up soon, and an outage of the ledger is waited for. */
  control: {
    startToCloseTimeout: '2 seconds',
    scheduleToCloseTimeout: '24 hours',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { ...retry, maximumInterval: '500 ms' },
  },
} as const satisfies Record<string, ActivityOptions>;
