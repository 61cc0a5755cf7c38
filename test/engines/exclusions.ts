import type { TaskKind } from '../../domain/tasks.js';

/** What a product cannot do. The suite proves each: the behaviour is tried there and must fail. */
export interface Exclusion {
  /** As the suite names it. */
  readonly behaviour: string;
  /** Names of subjects; left out: of every one that has these kinds. */
  readonly subjects?: readonly string[];
  /** Left out: all kinds. */
  readonly kinds?: readonly TaskKind[];
  /** What happens in its place. */
  readonly instead: string;
  readonly source: string;
}

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    behaviour: 'shows in the list when a task was started',
    subjects: ['Carte 5.4', 'Carte 6.1'],
    instead: 'its list has no start, so that a restart under the same id cannot be seen',
    source: 'log_date came with 7.0 (PDI-6202); 5.4.0.1 and 6.1.0.19 measured',
  },
  {
    behaviour: 'shows in the list when a task was started',
    subjects: ['Carte 8.3', 'Carte 8.3.0.25', 'Carte 9.1', 'Carte 9.4', 'Carte 10.2'],
    instead: 'log_date is, or after a service pack may be, the time of the last log line',
    source: 'PDI-13610; measured on 8.3.0.25, 9.2, 9.3, 9.4, 10.2 and 10.3',
  },
  {
    behaviour: 'tells in the first line of its log when a task was started',
    kinds: ['pipeline', 'workflow'],
    instead: 'its list does',
    source: 'measured on Hop Server 2.16.0',
  },
  {
    behaviour: 'lets the rows that were read flow on after a safe stop',
    subjects: ['Carte 5.4', 'Carte 6.1', 'Carte 7.0', 'Carte 7.1', 'Carte 8.0'],
    instead: 'inputOnly is ignored there, so none is sent',
    source: 'inputOnly came with 8.1; on all of them a full stop was measured',
  },
  {
    behaviour: 'lets the rows that were read flow on after a safe stop',
    subjects: ['Carte 8.1', 'Carte 8.2', 'Carte 8.3', 'Carte 8.3.0.25', 'Carte 9.1', 'Carte 9.4', 'Carte 10.2'],
    kinds: ['job'],
    instead: 'there is none for jobs, so none is sent',
    source: 'Kettle has a safe stop for transformations only (8.3 and 9.4 read)',
  },
  {
    behaviour: 'lets the rows that were read flow on after a safe stop',
    kinds: ['pipeline', 'workflow'],
    instead: 'inputOnly is ignored there, so none is sent',
    source: 'measured on 2.16.0: all transforms ended at once; read in the source of 2.0 to 2.19',
  },
  {
    behaviour: 'tells how many rows each step has moved',
    kinds: ['job'],
    instead: 'the detail of a job has its result only, once it has ended',
    source: 'GetJobStatusServlet writes no list of steps (5.4.0.1 measured, 8.3 and 9.4 read)',
  },
  {
    behaviour: 'tells how many rows each step has moved',
    kinds: ['workflow'],
    instead: 'an action has its counters only when it has ended',
    source: 'measured on Hop Server 2.16.0 by this suite',
  },
  {
    behaviour: 'does not touch a task of another name when the id is right',
    instead: 'the id alone decides, so the list is looked at before each stop',
    source: 'equality of a server object entry compares ids only; measured on Carte 5.4.0.1 and Hop Server 2.16.0',
  },
  {
    behaviour: 'starts a held task again once it has ended',
    kinds: ['pipeline', 'workflow'],
    instead: 'it is refused and nothing is started; a rerun there needs a file',
    source:
      'measured on Hop Server 2.16.0: no stop reaches a pipeline that was started again under its id; a workflow takes the settings of the first of its name (read)',
  },
];

export function exclusionOf(behaviour: string, subject: string, kind: TaskKind): Exclusion | undefined {
  return EXCLUSIONS.find(
    ({ behaviour: of, subjects = [subject], kinds = [kind] }) =>
      of === behaviour && subjects.includes(subject) && kinds.includes(kind),
  );
}
