import { WorkflowFailedError } from '@temporalio/client';
import {
  ApplicationFailure,
  CancelledFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { resultOfFailure, resultOfReport } from '../../../client/run-result.js';
import { aReport } from './samples.js';

const closedBy = (cause: Error): WorkflowFailedError =>
  new WorkflowFailedError('failed', cause, RetryState.NON_RETRYABLE_FAILURE);
const incomplete = {
  schemaVersion: 1,
  runId: 'INC-42',
  end: 'incomplete',
  exitCode: 2,
  message: '1 unconfirmed',
  planned: 2,
  outcomes: { stopped: 1, unconfirmed: 1 },
};

describe('the one typed result of a run', () => {
  it('is read from the details of a run that closed as Failed', () => {
    const failure = ApplicationFailure.create({ type: 'INCOMPLETE', message: '1 unconfirmed', details: [incomplete] });
    expect(resultOfFailure(closedBy(failure), 'INC-42')).toEqual(incomplete);
  });

  it.each([
    ['REFUSED', 'refused', 3],
    ['BRAKED', 'braked', 4],
    ['CANCELED', 'cancelled', 4],
    ['ERROR', 'error', 1],
    ['SomethingElse', 'error', 1],
  ])('keeps the end of a failure of type %s that has no details', (type, end, exitCode) => {
    const failure = ApplicationFailure.create({ type, message: 'why', details: [] });
    expect(resultOfFailure(closedBy(failure), 'INC-42')).toMatchObject({ end, exitCode, message: 'why' });
  });

  it('stands in the report alone when the run was cancelled', () => {
    expect(resultOfFailure(closedBy(new CancelledFailure('cancelled')), 'INC-42')).toBe('cancelled');
  });

  it('tells how to finish a run whose workflow was terminated', () => {
    const result = resultOfFailure(closedBy(new TerminatedFailure('by hand')), 'INC-42');
    expect(result).toMatchObject({
      end: 'error',
      exitCode: 1,
      message: expect.stringContaining('same request started again') as string,
    });
  });

  it('tells how to finish a run whose workflow ran into a time limit', () => {
    const timeout = new TimeoutFailure('timeout', undefined, TimeoutType.START_TO_CLOSE);
    expect(resultOfFailure(closedBy(timeout), 'INC-42')).toMatchObject({ end: 'error', exitCode: 1 });
  });

  it('counts from the report what Temporal no longer keeps', () => {
    expect(resultOfReport(aReport({ end: 'cancelled', exitCode: 4 }), 'sha256:d')).toMatchObject({
      end: 'cancelled',
      exitCode: 4,
      planned: 2,
      outcomes: { stopped: 1, unconfirmed: 1 },
      reportDigest: 'sha256:d',
    });
  });
});
