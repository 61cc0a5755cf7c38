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
  /** Free memory, load and the like in the list. 5.0 on. */
  readonly listHasSystemValues: boolean;
  /** Every Carte lists the built-in transformation `Row generator test`, in `Waiting`. Gone in 6.0 (commit a5a6469fd7). */
  readonly listsBuiltIn: boolean;
  /** `log_date`, in practice the start. 7.0 on (PDI-6202). */
  readonly listHasStart: boolean;
  /** Named entities (4.4), hexadecimal references of nearly everything (5.0 to 7.0, ESAPI), the five of XML (7.1 on, OWASP). */
  readonly escaping: 'named' | 'hex' | 'minimal';
  /** Words after which the list alone proves nothing and one detail must close the doubt. */
  readonly doubts: Readonly<Record<CarteKind, readonly StatusWord[]>>;
  /** Safe stop by `inputOnly=Y`. Ignored before 8.1: a full stop happens. 8.1 has it, corrected in 8.2 (BACKLOG-24266). */
  readonly hasSafeStop: boolean;
  /** The stop of a job reaches its local child transformation (PDI-14676: 5.4.1.0 and 6.0.1.2). Before, the child runs to its end. */
  readonly stopReachesChildren: boolean;
  /** `stopJob` on a waiting job makes every later list answer 500 (8.1 on, read; seen on the descendant Hop Server 2.16.0). */
  readonly waitingJobBreaksList: boolean;
  /** Detail calls are cached per `from`; one answered while Halting is served for a day (8.1 and 8.2; fixed by PDI-17568). */
  readonly detailCacheTrap: boolean;
  /** `transStatus` and `removeTrans` of an unknown id: a clean ERROR, or 500 with a page (7.0 on, commit 2641430d66). */
  readonly unknownTransIdIs: 'error' | '500';
  /** HTTP status of `jobStatus` of an unknown job (9.2: PDI-16980 ff.). */
  readonly unknownJobIs: 200 | 404;
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
  listHasStart: false,
  escaping: 'named',
  doubts: {
    // Waiting: never started, or ended normally (PDI-12503; measured on 5.4.0.1). Stopped: stopped, or a step failed to
    // initialise (measured on 5.4.0.1). Finished shows for an instant only, before result and log are there.
    transformation: ['Waiting', 'Stopped', 'Finished', 'Finished (with errors)'],
    // A job whose thread has started and is not active yet reads Finished (up to 8.0, PDI-10636).
    job: ['Finished'],
  },
  hasSafeStop: false,
  stopReachesChildren: false,
  waitingJobBreaksList: false,
  detailCacheTrap: false,
  unknownTransIdIs: 'error',
  unknownJobIs: 200,
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

/** 6.0.1.2 and 6.1.0.4, read. */
const PDI_6_0_1_2: Dialect = { ...PDI_6_0, name: '6.1', from: [6, 0, 1, 2], stopReachesChildren: true };

/** 7.0, read. */
const PDI_7_0: Dialect = { ...PDI_6_0_1_2, name: '7.0', from: [7, 0], listHasStart: true, unknownTransIdIs: '500' };

/** 7.1 and 8.0, read. A transformation ends as Finished, stopped or not (PDI-12503, commit afb6f458b3). */
const PDI_7_1: Dialect = {
  ...PDI_7_0,
  name: '7.1',
  from: [7, 1],
  escaping: 'minimal',
  doubts: { transformation: [], job: ['Finished'] },
};

/** 8.1.0.0-RC, read. Safe stop exists and has faults until 8.2: what is not certain is not offered. */
const PDI_8_1: Dialect = {
  ...PDI_7_1,
  name: '8.1',
  from: [8, 1],
  doubts: { transformation: [], job: [] },
  waitingJobBreaksList: true,
  detailCacheTrap: true,
};

/** 8.2, read. */
const PDI_8_2: Dialect = { ...PDI_8_1, name: '8.2', from: [8, 2], hasSafeStop: true };

/** 8.3 to 9.1, read. */
const PDI_8_3: Dialect = { ...PDI_8_2, name: '8.3', from: [8, 3], detailCacheTrap: false };

/** ~9.3, ~9.4, read. `jobStatus` wants the name even with an id (PDI-19550): both are always sent. */
const PDI_9_2: Dialect = { ...PDI_8_3, name: '9.2', from: [9, 2], unknownJobIs: 404 };

/** ~10.2 and ~10.3, read. What differs from 9.2 (`from` and `tail` of job logs) is not relied on. */
const PDI_10: Dialect = { ...PDI_9_2, name: '10', from: [10] };

/** 11.1-SNAPSHOT, read: Jetty 12 redirects with 301. */
const PDI_11: Dialect = { ...PDI_10, name: '11', from: [11] };

/** Oldest first. A row holds up to the next one. */
export const DIALECTS: readonly [Dialect, ...Dialect[]] = [
  PDI_4_4,
  PDI_5_0,
  PDI_5_4_1,
  PDI_6_0,
  PDI_6_0_1_2,
  PDI_7_0,
  PDI_7_1,
  PDI_8_1,
  PDI_8_2,
  PDI_8_3,
  PDI_9_2,
  PDI_10,
  PDI_11,
];

/** First version beyond the table. */
const BEYOND: readonly number[] = [12];

/** The row of a declared version; undefined for one that nobody has read or measured. */
export function dialectOf(version: string): Dialect | undefined {
  const declared = version.split('.').map(Number);
  if (compare(declared, BEYOND) >= 0) return undefined;
  return DIALECTS.findLast(({ from }) => compare(declared, from) >= 0);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
