import type { PlannedTarget } from '../contracts/plan.js';
import type { Outcome } from '../outcomes.js';
import type { Attempt } from '../ports.js';
import type { ObservedTask, Rung, TaskDetail } from '../tasks.js';

/** One look at one server: the whole list was read, or it proves nothing. */
export type Look =
  { readonly kind: 'unreadable' } | { readonly kind: 'complete'; readonly task: ObservedTask | undefined };

/**
 * What a look shows about a target. `doubtful`: the list alone cannot decide, one `inspect` closes the doubt.
 * `gone` is not `ended`: a removed task runs on unseen (measured on PDI 5.4.0.1).
 */
export type Finding =
  'unreadable' | 'gone' | 'replaced' | 'waiting' | 'active' | 'ending' | 'ended' | 'doubtful' | 'unknown';

type Identity = Pick<PlannedTarget, 'name' | 'kind' | 'startedAt'>;

/** Is the listed task still the planned one? Start times count only where both sides know them (PDI 7.0 and newer). */
function isSame(target: Identity, task: ObservedTask): boolean {
  if (task.name !== target.name || task.kind !== target.kind) return false;
  return target.startedAt === undefined || task.startedAt === undefined || target.startedAt === task.startedAt;
}

/** What a look proves about a target. */
export function judge(target: Identity, look: Look): Finding {
  if (look.kind === 'unreadable') return 'unreadable';
  if (look.task === undefined) return 'gone';
  if (!isSame(target, look.task)) return 'replaced';
  switch (look.task.state) {
    case 'ended':
      return look.task.closesBy === 'list' ? 'ended' : 'doubtful';
    case 'waiting':
      // up to PDI 7.0 a finished transformation reads `Waiting` (PDI-12503)
      return look.task.closesBy === 'list' ? 'waiting' : 'doubtful';
    case 'active':
      return 'active';
    case 'ending':
      return 'ending';
    case 'unknown':
      return 'unknown';
  }
}

/** Closes a doubt with one detail. What the detail cannot tell stays as the list had it. */
export function closeDoubt(task: ObservedTask, detail: TaskDetail): Exclude<Finding, 'doubtful'> {
  if (detail.proves === 'ended') return 'ended';
  // A list that says it has ended and a detail whose steps still run: the stop has had its effect.
  if (detail.proves === 'running') return task.state !== 'ended' && detail.state === 'active' ? 'active' : 'ending';
  return task.state === 'waiting' ? 'waiting' : 'unknown';
}

/** Attempts that may have reached the server and were not answered with a no. */
export function effectiveAttempts(attempts: readonly Attempt[]): readonly Attempt[] {
  return attempts.filter(({ reply }) => reply !== 'unsent' && reply !== 'rejected');
}

/** A server's end time has a resolution of a second and its clock is known to a second: closer than this is ours. */
const END_TIME_TOLERANCE_MS = 2000;

/**
 * How a target that has ended counts. Ended clearly before our first request (where the server tells the end): not ours.
 * @param endedAtMs the server's end time, by our clock
 */
export function settleEnded(
  target: { readonly within: number; readonly attempts: readonly Attempt[] },
  now: number,
  endedAtMs?: number,
): { readonly outcome: Outcome; readonly late: boolean; readonly rung?: Rung } {
  const ours = effectiveAttempts(target.attempts);
  const first = ours[0];
  const last = ours.at(-1);
  if (first === undefined || last === undefined) return { outcome: 'alreadyEnded', late: false };
  if (endedAtMs !== undefined && endedAtMs < first.intendedAt - END_TIME_TOLERANCE_MS) {
    return { outcome: 'alreadyEnded', late: false };
  }
  const forced = ours.some(({ rung }) => rung === 'rollback' || rung === 'kill');
  return {
    outcome: forced ? 'stoppedByForce' : 'stopped',
    late: now > requestedAt(last) + target.within,
    rung: last.rung,
  };
}

/** The moment from which `within` counts. */
export function requestedAt(attempt: Attempt): number {
  return attempt.repliedAt ?? attempt.intendedAt;
}
