import { OffboilError } from '../../../domain/errors.js';
import type { EngineInfo, StateClass } from '../../../domain/tasks.js';

/** What differs between versions of Apache Hop Server, and where each fact comes from. */
export interface HopDialect {
  readonly id: string;
  /** `major.minor` that the row is for. */
  readonly version: string;
  /** Element of the status list that holds the workflows. */
  readonly workflowList: 'job_status_list' | 'workflow_status_list';
  /** What a path without its slash is answered with; nothing is done then, and the redirect is never followed. */
  readonly redirect: 301 | 302;
  /** The list has start and end of pipelines and workflows. */
  readonly listHasDates: boolean;
  /** `inputOnly` is read and ignored: a full stop (measured on 2.16.0; read in the source of 2.0 to 2.19). */
  readonly safeStop: false;
  readonly source: EngineInfo['source'];
}

const DIALECTS: readonly HopDialect[] = [
  // 2.13.0 was started and called; 2.14 and 2.15 were read in the source, their Jetty is that of 2.13.
  {
    id: 'hop-2.13',
    version: '2.13',
    workflowList: 'job_status_list',
    redirect: 302,
    listHasDates: true,
    safeStop: false,
    source: 'measured',
  },
  {
    id: 'hop-2.14',
    version: '2.14',
    workflowList: 'job_status_list',
    redirect: 302,
    listHasDates: true,
    safeStop: false,
    source: 'read',
  },
  {
    id: 'hop-2.15',
    version: '2.15',
    workflowList: 'workflow_status_list',
    redirect: 302,
    listHasDates: true,
    safeStop: false,
    source: 'read',
  },
  {
    id: 'hop-2.16',
    version: '2.16',
    workflowList: 'workflow_status_list',
    redirect: 301,
    listHasDates: true,
    safeStop: false,
    source: 'measured',
  },
];

/** Names of the element that holds workflows, in any version of the table. */
export const WORKFLOW_LISTS: readonly string[] = [...new Set(DIALECTS.map(({ workflowList }) => workflowList))];

/**
 * The row of a declared version.
 * @throws OffboilError `VERSION_UNKNOWN` for a version that is not in the table
 */
export function dialectOf(server: string, version: string): HopDialect {
  const minor = version.split('.').slice(0, 2).join('.');
  const row = DIALECTS.find((dialect) => dialect.version === minor);
  if (row !== undefined) return row;
  throw new OffboilError(
    'VERSION_UNKNOWN',
    `${server} is declared as Hop Server ${version}, and Offboil knows ${DIALECTS.map((dialect) => dialect.version).join(', ')}. Nothing was sent. ` +
      'Correct its version in the estate, or leave it out to have it told from the list.',
    { server, version },
  );
}

/**
 * The row for a server without a declared version. A list tells only which of two generations it is, so the row that claims less
 * is taken: the one that was read, not measured.
 */
export function dialectOfList(workflowList: string): HopDialect | undefined {
  const rows = DIALECTS.filter((dialect) => dialect.workflowList === workflowList);
  return rows.find(({ source }) => source === 'read') ?? rows[0];
}

/** Words of the status list in lower case; the same for pipelines and workflows (measured on 2.16.0). */
const STATUS_WORDS: ReadonlyMap<string, StateClass> = new Map<string, StateClass>([
  ['waiting', 'waiting'], // registered or prepared, never started: a stop of such a workflow breaks the list for everybody
  ['preparing executing', 'active'], // stays so for ever when the preparation threw; a stop makes it Stopped
  ['initializing', 'active'], // source
  ['running', 'active'],
  ['paused', 'active'], // keeps its transaction and its locks
  ['halting', 'ending'], // stop requested, a thread still works
  ['finished', 'ended'], // a pipeline that was stopped reads so too
  ['finished (with errors)', 'ended'],
  ['stopped', 'ended'],
  ['stopped (with errors)', 'ended'], // ended by an Abort action: a failure, nobody stopped it
]);

/** Classifies a status word; one that nobody has seen is `unknown`, never ended. */
export function classifyHopStatus(word: string): StateClass {
  return STATUS_WORDS.get(word.trim().toLowerCase()) ?? 'unknown';
}

/** What an operator must know about every Hop Server before a stop (measured on 2.16.0). */
export const REMARKS: readonly string[] = [
  'A stop commits the open batch of a load that is not transactional; a transactional load is rolled back.',
  'A child that was started without waiting is in no list, and no stop reaches it.',
  'A pipeline that was stopped once and started again under the same id cannot be stopped again, although every stop is acknowledged.',
  'An ended object can vanish from the list right after its end (object timeout, counted from its start), and its proof with it.',
];

/** Why a task may be out of reach, and the ways out. */
export const RESTARTED_REMARK =
  'it was started again under the same id: if it was stopped before, every further stop is acknowledged and does nothing; ' +
  'pause it, end its database session (rung rollback), or restart that server';
