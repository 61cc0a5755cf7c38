import { keyOf } from '../contracts/plan.js';
import type { BystanderVerdict } from '../contracts/report.js';
import type { BystanderSample, ServerObservation } from '../ports.js';
import type { ObservedTask, TargetKey, TaskDetail } from '../tasks.js';

type Sample = Omit<BystanderSample, 'at' | keyof TargetKey>;

export interface BystanderInput {
  /** Lists before the first request. */
  readonly before: readonly ServerObservation[];
  readonly after: readonly ServerObservation[];
  /** Targets by `keyOf`; a server without one is not touched and not looked at. */
  readonly targets: ReadonlySet<string>;
  /** By `keyOf`. */
  readonly sampledBefore?: ReadonlyMap<string, Sample>;
  readonly sampledAfter?: ReadonlyMap<string, Sample>;
}

type Judged = Pick<BystanderVerdict, 'verdict' | 'why'>;

/** Words that say more than "ended": somebody stopped it, or it failed. Carte: `Stopped`, `Finished (with errors)`. */
const ENDED_BADLY = /stop|error|fail/i;

/** What the certificate compares of a detail. */
export function sampleOf({ steps, errors, stoppedFlag }: TaskDetail): Sample {
  const rows = steps.flatMap(({ read, written, input, output }) => [read, written, input, output]);
  return {
    ...(rows.length === 0 ? {} : { rows: rows.reduce((most, count) => Math.max(most, count)) }),
    errors: errors ?? steps.reduce((sum, step) => sum + step.errors, 0),
    wasStopped: stoppedFlag === true,
  };
}

/**
 * The bystander certificate: of every task on the touched servers that was no target and had not ended before, whether it went
 * on, ended normally, or changed in a way that needs a look.
 */
export function judgeBystanders(input: BystanderInput): BystanderVerdict[] {
  const touched = new Set([...input.targets].map((key) => key.slice(0, key.indexOf('/'))));
  const after = new Map(input.after.map((seen) => [seen.server, seen]));
  return input.before
    .filter(({ server }) => touched.has(server))
    .flatMap(({ server, tasks = [] }) => {
      const seen = after.get(server);
      const list = seen?.tasks === undefined ? undefined : new Map(seen.tasks.map((task) => [task.id, task]));
      const problem = seen?.problem?.message ?? 'its server was not read again';
      return tasks
        .filter((task) => task.state !== 'ended' && !input.targets.has(keyOf(task)))
        .map((task) => {
          const [earlier, later] = [input.sampledBefore?.get(keyOf(task)), input.sampledAfter?.get(keyOf(task))];
          const judged: Judged =
            list === undefined
              ? { verdict: 'unknown', why: problem }
              : judgeOne(task, list.get(task.id), earlier, later);
          const { id, name, kind } = task;
          return { server, id, name, kind, sampled: earlier !== undefined && later !== undefined, ...judged };
        });
    });
}

function judgeOne(
  task: ObservedTask,
  now: ObservedTask | undefined,
  earlier: Sample | undefined,
  later: Sample | undefined,
): Judged {
  if (now === undefined) return disturbed('no longer in a completely read list: gone is not ended');
  if (now.name !== task.name || now.kind !== task.kind) return disturbed(`its id now belongs to ${now.name}`);
  if (now.startedAt !== undefined && task.startedAt !== undefined && now.startedAt !== task.startedAt) {
    return disturbed(`it was started again: ${task.startedAt} before, ${now.startedAt} after`);
  }
  const grown = earlier === undefined || later === undefined ? 0 : later.errors - earlier.errors;
  return grown > 0 ? disturbed(`its errors grew by ${grown}`) : judgeState(task, now, earlier, later);
}

function judgeState(
  task: ObservedTask,
  now: ObservedTask,
  earlier: Sample | undefined,
  later: Sample | undefined,
): Judged {
  const words = `"${task.word}" before, "${now.word}" after`;
  switch (now.state) {
    case 'unknown':
      return { verdict: 'unknown', why: `"${now.word}" is a word we do not know` };
    case 'ended':
      if (task.state === 'ending') return { verdict: 'ended', why: `it was ending before the run: ${words}` };
      if (ENDED_BADLY.test(now.word)) return disturbed(`${words}, and no request of ours`);
      if (later?.wasStopped === true) return disturbed(`${words}, but its detail says it was stopped`);
      return { verdict: 'ended', why: `it ended by itself: ${words}` };
    case 'ending':
    case 'waiting':
      return now.state === task.state || task.state === 'unknown'
        ? { verdict: 'undisturbed', why: `still "${now.word}"` }
        : disturbed(`${words}, and no request of ours`);
    case 'active':
      // Somebody's pause keeps it in the same class, and its locks held.
      return now.word !== task.word && /paus/i.test(now.word)
        ? disturbed(`${words}, and no request of ours`)
        : {
            verdict: 'undisturbed',
            why: `${now.word === task.word ? `still "${now.word}"` : words}${rowsOf(earlier, later)}`,
          };
  }
}

/** Said, not judged: a task that waits for its source moves no rows either. */
function rowsOf(earlier: Sample | undefined, later: Sample | undefined): string {
  if (earlier?.rows === undefined || later?.rows === undefined) return '';
  return later.rows > earlier.rows
    ? `, its rows went on from ${earlier.rows} to ${later.rows}`
    : `, its rows stood at ${later.rows} both times`;
}

function disturbed(why: string): Judged {
  return { verdict: 'disturbed', why };
}
