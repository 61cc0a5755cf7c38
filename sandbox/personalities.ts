import type { PersonalityName } from './scenario.js';

/** How one range of PDI versions speaks and behaves. One row each below; nowhere else is a version asked for. */
export interface Personality {
  /** `measured`: replies of this version were recorded; `read`: taken from its source code. */
  readonly source: 'measured' | 'read';
  /** The built-in transformation `Row generator test`: up to 5.4. */
  readonly rowGeneratorTest: boolean;
  /**
   * From 7.0 (PDI-6202): the start; from 8.3.0.23, 9.1.0.8 and 9.2 on the time of the last log line (PDI-13610). Without an offset;
   * these servers run in UTC.
   */
  readonly logDate: 'none' | 'start' | 'lastLine';
  readonly escaping: 'hexadecimal' | 'minimal';
  /** base64 wrapped at 76 characters with CR LF: from 8.0.0.1. */
  readonly wrappedLog: boolean;
  /** Two blanks before the elements of an entry: from 7.0. */
  readonly indented: boolean;
  /** The word of a transformation after a normal end. `Waiting` was a fault up to 7.0 (PDI-12503). */
  readonly normalEnd: 'Waiting' | 'Finished';
  /** The word of a transformation after a stop or a failure; `Finished` gets ` (with errors)` where there are any. */
  readonly stoppedEnd: 'Stopped' | 'Finished';
  /** The word of a job after a stop (PDI-10636, undone by PDI-17761). */
  readonly jobStoppedEnd: 'Stopped' | 'Finished';
  /** What each step says at its end stands twice in the log after a stop. */
  readonly saysEndTwice: boolean;
  /** The first detail of a transformation that is taken while it halts is served for ever, for the same `from` (PDI-17568). */
  readonly cachesHalting: boolean;
  /** `from` of `jobStatus`: number of a line of the server, or (9.2 to 10.0) counted back from its last one (PDI-17013). */
  readonly jobLogFrom: 'serverWide' | 'fromTheEnd';
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
  /** `result-file` and `result-rows` always stand in the detail: up to 6.1.0.9 and 7.0.0.1. */
  readonly fullResult: boolean;
  /** `elapsedTimeMillis`, `executionId` in the result: from 8.2. */
  readonly elapsed: boolean;
  /** `text/xml; charset=…` of Jetty 6 (measured), `text/xml;charset=…` after it. */
  readonly charsetGap: ' ' | '';
  /** Jetty's redirect to the path with a slash at its end. */
  readonly redirect: 301 | 302;
}

const p54: Personality = {
  source: 'measured',
  rowGeneratorTest: true,
  logDate: 'none',
  escaping: 'hexadecimal',
  wrappedLog: false,
  indented: false,
  normalEnd: 'Waiting',
  stoppedEnd: 'Stopped',
  jobStoppedEnd: 'Stopped',
  saysEndTwice: true,
  cachesHalting: false,
  jobLogFrom: 'serverWide',
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

// Each row is the one before it, and what changed since. 6.1.0.19
const p61: Personality = {
  ...p54,
  rowGeneratorTest: false,
  saysEndTwice: false,
  jobStopReachesChild: true,
  fullResult: false,
  charsetGap: '',
};
// 7.0.0.6
const p70: Personality = {
  ...p61,
  logDate: 'start',
  indented: true,
  normalEnd: 'Finished',
  stoppedEnd: 'Finished',
  failedInitIsStopped: false,
  unknownTransId: 'nullPointer',
};
// 7.1.0.32
const p71: Personality = {
  ...p70,
  escaping: 'minimal',
  jobStoppedEnd: 'Finished',
  cachesHalting: true,
  waitingJobStopBreaksList: true,
};
// 8.0.0.7
const p80: Personality = { ...p71, wrappedLog: true, jobStoppedEnd: 'Stopped', waitingJobStopBreaksList: false };
// 8.1.0.2
const p81: Personality = { ...p80, safeStop: true, jobStoppedEnd: 'Finished', waitingJobStopBreaksList: true };
// 8.2.0.7
const p82: Personality = { ...p81, jobStoppedEnd: 'Stopped', cachesHalting: false, elapsed: true };
// 8.3.0.0
const p83: Personality = { ...p82 };
// 8.3.0.25
const p8325: Personality = { ...p83, logDate: 'lastLine' };
// 9.1.0.7
const p91: Personality = { ...p83, failedInitIsStopped: true };
// 9.4.0.0
const p94: Personality = {
  ...p91,
  logDate: 'lastLine',
  jobLogFrom: 'fromTheEnd',
  jobStatusNotFound: 404,
  jobStatusDuplicateName: 409,
  jobStatusNeedsName: true,
  startJobFailure: { notFound: 404, exception: 500 },
};
// 10.2.0.0
const p102: Personality = { ...p94, jobLogFrom: 'serverWide' };
const p111: Personality = {
  ...p102,
  source: 'read',
  jobStatusDuplicateName: 'any',
  jobStatusNeedsName: false,
  redirect: 301,
};

/** By the first version that behaves so. */
export const personalities: Readonly<Record<PersonalityName, Personality>> = {
  '5.4': p54,
  '6.1': p61,
  '7.0': p70,
  '7.1': p71,
  '8.0': p80,
  '8.1': p81,
  '8.2': p82,
  '8.3': p83,
  '8.3.0.25': p8325,
  '9.1': p91,
  '9.4': p94,
  '10.2': p102,
  '11.1': p111,
};
