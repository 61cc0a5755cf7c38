import type { PersonalityName } from './scenario.js';

/** How one range of PDI versions speaks and behaves. One row each below; nowhere else is a version asked for. */
export interface Personality {
  /** `measured`: replies of this version were recorded; `read`: taken from its source code. */
  readonly source: 'measured' | 'read';
  /** The built-in transformation `Row generator test`: up to 5.4. */
  readonly rowGeneratorTest: boolean;
  /** From 7.0 (PDI-6202). Without an offset; these servers run in UTC. */
  readonly logDate: boolean;
  readonly escaping: 'hexadecimal' | 'minimal';
  /** base64 wrapped at 76 characters with CR LF: from 8.1. */
  readonly wrappedLog: boolean;
  /** Two blanks before the elements of an entry: from 7.1. */
  readonly indented: boolean;
  /** The word of a transformation after a normal end. `Waiting` was a fault up to 7.0 (PDI-12503). */
  readonly normalEnd: 'Waiting' | 'Finished';
  /** The word of a transformation after a stop or a failure; `Finished` gets ` (with errors)` where there are any. */
  readonly stoppedEnd: 'Stopped' | 'Finished';
  /** A failed initialisation also says `is_stopped` Y: measured on 5.4, by the source from 9.1 on. */
  readonly failedInitIsStopped: boolean;
  /** PDI-14676: before it, a job's stop leaves its child running to the child's own end. */
  readonly jobStopReachesChild: boolean;
  /** `inputOnly=Y` is honoured; else it is ignored, and a full stop happens. */
  readonly safeStop: boolean;
  /** An unknown id of a transformation: a clean ERROR, or a NullPointerException. */
  readonly unknownTransId: 'error' | 'nullPointer';
  /** `stopJob` on a job that waits breaks the list of that server for everybody. */
  readonly waitingJobStopBreaksList: boolean;
  readonly jobStatusNotFound: 200 | 404;
  readonly jobStatusDuplicateName: 'any' | 409;
  readonly jobStatusNeedsName: boolean;
  readonly startJobFailure: { readonly notFound: 200 | 404; readonly exception: 200 | 500 };
  /** `result-file` and `result-rows` always stand in the detail: up to 7.0. */
  readonly fullResult: boolean;
  /** `elapsedTimeMillis`, `executionId` in the result: from 8.3. */
  readonly elapsed: boolean;
  /** `text/xml; charset=…` of Jetty 6 (measured), `text/xml;charset=…` after it. */
  readonly charsetGap: ' ' | '';
  /** Jetty's redirect to the path with a slash at its end. */
  readonly redirect: 301 | 302;
}

const p54: Personality = {
  source: 'measured',
  rowGeneratorTest: true,
  logDate: false,
  escaping: 'hexadecimal',
  wrappedLog: false,
  indented: false,
  normalEnd: 'Waiting',
  stoppedEnd: 'Stopped',
  failedInitIsStopped: true,
  jobStopReachesChild: false,
  safeStop: false,
  unknownTransId: 'error',
  waitingJobStopBreaksList: false,
  jobStatusNotFound: 200,
  jobStatusDuplicateName: 'any',
  jobStatusNeedsName: false,
  startJobFailure: { notFound: 200, exception: 200 },
  fullResult: true,
  elapsed: false,
  charsetGap: ' ',
  redirect: 302,
};

// Each row is the one before it, and what changed since.
const p61: Personality = { ...p54, source: 'read', rowGeneratorTest: false, jobStopReachesChild: true, charsetGap: '' };
const p70: Personality = { ...p61, logDate: true, unknownTransId: 'nullPointer' };
const p71: Personality = {
  ...p70,
  escaping: 'minimal',
  indented: true,
  normalEnd: 'Finished',
  stoppedEnd: 'Finished',
  failedInitIsStopped: false,
  fullResult: false,
};
const p82: Personality = {
  ...p71,
  wrappedLog: true,
  safeStop: true,
  waitingJobStopBreaksList: true,
};
const p83: Personality = { ...p82, elapsed: true };
const p94: Personality = {
  ...p83,
  failedInitIsStopped: true,
  jobStatusNotFound: 404,
  jobStatusDuplicateName: 409,
  jobStatusNeedsName: true,
  startJobFailure: { notFound: 404, exception: 500 },
};
const p111: Personality = { ...p94, jobStatusDuplicateName: 'any', jobStatusNeedsName: false, redirect: 301 };

/** By the first version that behaves so. */
export const personalities: Readonly<Record<PersonalityName, Personality>> = {
  '5.4': p54,
  '6.1': p61,
  '7.0': p70,
  '7.1': p71,
  '8.2': p82,
  '8.3': p83,
  '9.4': p94,
  '10.2': p94,
  '11.1': p111,
};
