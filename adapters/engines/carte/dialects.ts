import type { StatusWord } from './status-words.js';

/** Kinds of object that Carte holds. */
export type CarteKind = 'job' | 'transformation';

/** What is true of Carte servers from one version up to the next row. */
export interface Dialect {
  readonly name: string;
  /** First version of the row. */
  readonly from: readonly number[];
  /** Seen on a real server of this row, or read in the source code of its versions. */
  readonly source: 'measured' | 'read';
  /** Free memory, load, uptime and the like in the list. 5.0 on. */
  readonly listHasSystemValues: boolean;
  /** Every Carte lists the built-in transformation `Row generator test`, in `Waiting`. Gone in 6.0 (commit a5a6469fd7). */
  readonly listsBuiltIn: boolean;
  /** The element `log_date`. 7.0 on (PDI-6202). What it means says `start`. */
  readonly listHasLogDate: boolean;
  /**
   * Where the start of a task stands, and with it what identifies one.
   * `list`: `log_date` is the moment of preparing and stays; id, name and start identify (7.0 to 8.2, measured).
   * `log`: `log_date` is the time of the last log line (PDI-13610; measured on 8.3.0.25, 9.2, 9.3, 9.4, 10.2, 10.3), so it is no
   * identity and says only: start ≤ `log_date`; the start is the first line of the log, in the detail alone. The change came with
   * 8.3.0.23 and 9.1.0.8, and people know "8.3" and not ".23", so every server from 8.3 on is taken to move.
   * `none`: no reply tells it, but for the first line of the log (up to 6.1, measured).
   */
  readonly start: 'list' | 'log' | 'none';
  /** Named entities (4.4), hexadecimal references of nearly everything (5.0 to 7.0, ESAPI), the five of XML (7.1 on, OWASP). */
  readonly escaping: 'named' | 'hex' | 'minimal';
  /** Words after which the list alone proves nothing and one detail must close the doubt. */
  readonly doubts: Readonly<Record<CarteKind, readonly StatusWord[]>>;
  /** Safe stop by `inputOnly=Y`. Ignored before 8.1 (a full stop happens); measured from 8.1.0.2 on. */
  readonly hasSafeStop: boolean;
  /** The stop of a job reaches its local child transformation (PDI-14676: 5.4.1.0 and 6.0.1.2). Before, the child runs to its end. */
  readonly stopReachesChildren: boolean;
  /** `stopJob` on a waiting job makes every later list answer 500 (7.1.0.13 on, not 8.0; measured on 7.1.0.32 and from 8.1 on). */
  readonly waitingJobBreaksList: boolean;
  /**
   * Details of transformations are cached per `from`, and one answered while Halting is served for a day (7.1.0.11, 8.0.0.1 and
   * later; measured on 7.1.0.32, 8.0.0.7, 8.1.0.2). Fixed in 8.2.0.2 (PDI-17568; measured on 8.2.0.7).
   */
  readonly detailCacheTrap: boolean;
  /** `transStatus` and `removeTrans` of an unknown id: a clean ERROR, or 500 with a page (7.0 on, commit 2641430d66; measured). */
  readonly unknownTransIdIs: 'error' | '500';
  /** HTTP status of `jobStatus` of an unknown job (9.2: PDI-16980 ff.; measured). */
  readonly unknownJobIs: 200 | 404;
  /**
   * The `from` with which `jobStatus` gives the whole log. 9.2 to 10.0 count it their own way: 0 loses the log as soon as other
   * tasks log (PDI-17013, undone by PDI-19901 in 10.1; measured on 9.2, 9.3, 9.4 and 10.2). `unknown`: none is sent.
   */
  readonly wholeJobLog: '0' | '9999999' | 'unknown';
  /** `runTrans`, `runJob`. 5.0 on. */
  readonly hasRun: boolean;
}

/** 4.4.0, read. */
const PDI_4_4: Dialect = {
  name: '4.4',
  from: [4, 4],
  source: 'read',
  listHasSystemValues: false,
  listsBuiltIn: true,
  listHasLogDate: false,
  start: 'none',
  escaping: 'named',
  doubts: {
    // Waiting: never started, or ended normally (PDI-12503; measured on 5.4.0.1 and 6.1.0.19). Stopped: stopped, or a step failed
    // to initialise (measured on both). Finished shows for an instant only, before result and log are there.
    transformation: ['Waiting', 'Stopped', 'Finished', 'Finished (with errors)'],
    // A job whose thread has started and is not active yet reads Finished (up to 7.1.0.12, and 8.0).
    job: ['Finished'],
  },
  hasSafeStop: false,
  stopReachesChildren: false,
  waitingJobBreaksList: false,
  detailCacheTrap: false,
  unknownTransIdIs: 'error',
  unknownJobIs: 200,
  wholeJobLog: '0',
  hasRun: false,
};

/** 5.4.0.1, measured; 5.0.9.4, read. A stopped job stayed in Halting for minutes while its child loaded on (measured). */
const PDI_5_0: Dialect = {
  ...PDI_4_4,
  name: '5.0',
  from: [5, 0],
  source: 'measured',
  listHasSystemValues: true,
  escaping: 'hex',
  hasRun: true,
};

/** 5.4.1.0, read. */
const PDI_5_4_1: Dialect = { ...PDI_5_0, name: '5.4.1', from: [5, 4, 1], source: 'read', stopReachesChildren: true };

/** 6.0 before 6.0.1.2: PDI-14676 is not in yet. */
const PDI_6_0: Dialect = { ...PDI_5_4_1, name: '6.0', from: [6, 0], listsBuiltIn: false, stopReachesChildren: false };

/** 6.1.0.19, measured. */
const PDI_6_0_1_2: Dialect = {
  ...PDI_6_0,
  name: '6.1',
  from: [6, 0, 1, 2],
  source: 'measured',
  stopReachesChildren: true,
};

/** 7.0.0.0, read. */
const PDI_7_0: Dialect = {
  ...PDI_6_0_1_2,
  name: '7.0.0.0',
  from: [7, 0],
  source: 'read',
  listHasLogDate: true,
  start: 'list',
  unknownTransIdIs: '500',
};

/** 7.0.0.6, measured. A transformation ends as Finished, stopped or not (PDI-12503, commit afb6f458b3: 7.0.0.1). */
const PDI_7_0_0_1: Dialect = {
  ...PDI_7_0,
  name: '7.0',
  from: [7, 0, 0, 1],
  source: 'measured',
  doubts: { transformation: [], job: ['Finished'] },
};

/** 7.1 before 7.1.0.13, read; the cache of details came with 7.1.0.11. */
const PDI_7_1: Dialect = {
  ...PDI_7_0_0_1,
  name: '7.1.0.0',
  from: [7, 1],
  source: 'read',
  escaping: 'minimal',
  detailCacheTrap: true,
};

/** 7.1.0.32, measured. A stopped job ends as Finished (PDI-10636), and one that is just starting reads Waiting. */
const PDI_7_1_0_13: Dialect = {
  ...PDI_7_1,
  name: '7.1',
  from: [7, 1, 0, 13],
  source: 'measured',
  doubts: { transformation: [], job: [] },
  waitingJobBreaksList: true,
};

/** 8.0.0.7, measured: without what 7.1.0.13 brought for jobs. */
const PDI_8_0: Dialect = {
  ...PDI_7_1_0_13,
  name: '8.0',
  from: [8, 0],
  doubts: { transformation: [], job: ['Finished'] },
  waitingJobBreaksList: false,
};

/** 8.1.0.2, measured, safe stop too. */
const PDI_8_1: Dialect = {
  ...PDI_8_0,
  name: '8.1',
  from: [8, 1],
  doubts: { transformation: [], job: [] },
  waitingJobBreaksList: true,
  hasSafeStop: true,
};

/** 8.2.0.0 and 8.2.0.1, read. */
const PDI_8_2: Dialect = { ...PDI_8_1, name: '8.2.0.0', from: [8, 2], source: 'read' };

/** 8.2.0.7, measured. */
const PDI_8_2_0_2: Dialect = {
  ...PDI_8_2,
  name: '8.2',
  from: [8, 2, 0, 2],
  source: 'measured',
  detailCacheTrap: false,
};

/** 8.3.0.0, 8.3.0.25 and 9.1.0.7, measured. */
const PDI_8_3: Dialect = { ...PDI_8_2_0_2, name: '8.3', from: [8, 3], start: 'log' };

/** 9.2.0.0, 9.3.0.4 and 9.4.0.0, measured. `jobStatus` wants the name even with an id (PDI-19550): both are always sent. */
const PDI_9_2: Dialect = { ...PDI_8_3, name: '9.2', from: [9, 2], unknownJobIs: 404, wholeJobLog: '9999999' };

/** 10.2.0.0 and 10.3, measured. */
const PDI_10_1: Dialect = { ...PDI_9_2, name: '10.1', from: [10, 1], wholeJobLog: '0' };

/** 11.1-SNAPSHOT, read: Jetty 12 redirects with 301. */
const PDI_11: Dialect = { ...PDI_10_1, name: '11', from: [11], source: 'read' };

/** Oldest first. A row holds up to the next one. */
export const DIALECTS: readonly [Dialect, ...Dialect[]] = [
  PDI_4_4,
  PDI_5_0,
  PDI_5_4_1,
  PDI_6_0,
  PDI_6_0_1_2,
  PDI_7_0,
  PDI_7_0_0_1,
  PDI_7_1,
  PDI_7_1_0_13,
  PDI_8_0,
  PDI_8_1,
  PDI_8_2,
  PDI_8_2_0_2,
  PDI_8_3,
  PDI_9_2,
  PDI_10_1,
  PDI_11,
];

/** First version beyond the table. */
const BEYOND: readonly number[] = [12];

/**
 * The row of a declared version; undefined for one that nobody has read or measured. People declare "8.2" and not "8.2.0.1", so
 * where service packs of what was declared differ, the most careful reading of their rows.
 */
export function dialectOf(version: string): Dialect | undefined {
  const declared = version.split('.').map(Number);
  if (compare(declared, BEYOND) >= 0) return undefined;
  const first = DIALECTS.findLastIndex(({ from }) => compare(declared, from) >= 0);
  const row = DIALECTS[first];
  if (row === undefined) return undefined;
  const packs = DIALECTS.slice(first + 1).filter(({ from }) => declared.every((part, index) => part === from[index]));
  if (packs.length === 0) return row;
  const isMeasured = [row, ...packs].some(({ source }) => source === 'measured');
  return { ...cautious([row, ...packs]), name: version, source: isMeasured ? 'measured' : 'read' };
}

/** The most careful reading of several rows: what is not certain on all of them is not relied on. */
export function cautious(rows: readonly [Dialect, ...Dialect[]]): Dialect {
  const [lowest] = rows;
  const doubted = (kind: CarteKind): StatusWord[] => [...new Set(rows.flatMap(({ doubts }) => doubts[kind]))];
  const every = (holds: (row: Dialect) => boolean): boolean => rows.every(holds);
  return {
    ...lowest,
    start: every(({ start }) => start === lowest.start)
      ? lowest.start
      : rows.some(({ start }) => start === 'log')
        ? 'log'
        : 'none',
    doubts: { transformation: doubted('transformation'), job: doubted('job') },
    hasSafeStop: every(({ hasSafeStop }) => hasSafeStop),
    stopReachesChildren: every(({ stopReachesChildren }) => stopReachesChildren),
    waitingJobBreaksList: !every(({ waitingJobBreaksList }) => !waitingJobBreaksList),
    detailCacheTrap: !every(({ detailCacheTrap }) => !detailCacheTrap),
    unknownTransIdIs: every(({ unknownTransIdIs }) => unknownTransIdIs === 'error') ? 'error' : '500',
    wholeJobLog: every(({ wholeJobLog }) => wholeJobLog === lowest.wholeJobLog) ? lowest.wholeJobLog : 'unknown',
    hasRun: every(({ hasRun }) => hasRun),
  };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
