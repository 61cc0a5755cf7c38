import { keyOf } from '../contracts/plan.js';
import type { Selection } from '../contracts/request.js';
import type { RunFacts, ServerObservation, TargetFacts } from '../ports.js';
import { selectTasks } from '../selection/select-tasks.js';
import type { ObservedTask, TaskRef } from '../tasks.js';

export const STARTED_AGAIN = 'started again under its own id';

export interface CameBack {
  readonly task: TaskRef;
  readonly why: string;
  /** False: it has ended already. */
  readonly active: boolean;
}

export interface CameBackInput {
  readonly facts: Pick<RunFacts, 'run' | 'targets'>;
  /** Discovery's lists. */
  readonly before: readonly ServerObservation[];
  readonly after: readonly ServerObservation[];
  /** Tasks that a rerun of ours started, by `keyOf`. */
  readonly startedByUs: ReadonlySet<string>;
}

/**
 * What came back after the stop: a task under a target's name or id with another identity, or a task that started meanwhile and fits the selection. Named, never stopped without a new plan.
 */
export function findCameBack({ facts, before, after, startedByUs }: CameBackInput): CameBack[] {
  const known = new Set(before.flatMap(({ tasks = [] }) => tasks.map(identityOf)));
  const targets = new Map(facts.targets.map((one) => [keyOf(one.target), one]));
  const names = new Set(facts.targets.map(({ target }) => `${target.kind}/${target.name}`));
  const fits = fittingNow(facts.run, after);
  const whyNew = (task: ObservedTask): string | undefined => {
    if (known.has(identityOf(task))) return undefined;
    if (names.has(`${task.kind}/${task.name}`)) return 'started after the plan, under the name of a target';
    return fits.has(keyOf(task)) ? 'started after the plan, and fits the selection' : undefined;
  };

  return after
    .flatMap(({ tasks = [] }) => tasks)
    .filter((task) => !startedByUs.has(keyOf(task)))
    .flatMap((task) => {
      const target = targets.get(keyOf(task));
      const why = target === undefined ? whyNew(task) : whyNoLongerTheTarget(task, target.target);
      if (why === undefined) return [];
      const { server, id, name, kind } = task;
      return [{ task: { server, id, name, kind }, why: `${why} (${task.word})`, active: task.state !== 'ended' }];
    });
}

/** Tasks that the selection would choose now. Ids name what was there: what is new cannot bear them. */
function fittingNow({ request, estate }: RunFacts['run'], after: readonly ServerObservation[]): ReadonlySet<string> {
  if (estate === undefined || request.select?.ids !== undefined) return new Set();
  const except = withoutIds(request.except);
  const now = after.reduce((latest, { askedAt }) => Math.max(latest, askedAt), 0);
  const { chosen } = selectTasks({ request: { ...request, except }, estate, observations: after, now });
  return new Set(chosen.map(({ task }) => keyOf(task)));
}

/** Whether the entry under a target's own key is another run of it, or another task. The same one at work again is neither. */
function whyNoLongerTheTarget(task: ObservedTask, target: TargetFacts['target']): string | undefined {
  if (task.name !== target.name || task.kind !== target.kind)
    return `the id of ${target.name} now belongs to ${task.name}`;
  const isAnother =
    target.startedAt !== undefined && task.startedAt !== undefined && target.startedAt !== task.startedAt;
  return isAnother ? STARTED_AGAIN : undefined;
}

/** A task as one execution: a restart under the same id is another one, where the list shows start times. */
function identityOf(task: ObservedTask): string {
  return `${keyOf(task)}\n${task.name}\n${task.startedAt ?? ''}`;
}

/** A bare id that two servers list now must not refuse the look. */
function withoutIds(selection: Selection | undefined): Selection | undefined {
  if (selection?.ids === undefined) return selection;
  const rest = Object.fromEntries(Object.entries(selection).filter(([field]) => field !== 'ids')) as Selection; // a field less
  return Object.keys(rest).length === 0 ? undefined : rest;
}
