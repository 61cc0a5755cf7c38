import { OffboilError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import { closeDoubt, judge, type Finding, type Look } from '../domain/stopping/judge.js';
import type { ObservedTask, TaskRef } from '../domain/tasks.js';
import type { PlannedTarget } from '../domain/contracts/plan.js';
import type { ServerScene } from './shard-deps.js';

const BETWEEN_LISTS_MS = 500;

/** A read list by task id, or why there is none. */
export type ServerLook =
  | { readonly kind: 'complete'; readonly tasks: ReadonlyMap<string, ObservedTask> }
  | { readonly kind: 'unreadable'; readonly code: string; readonly why: string };

/** One list. Never throws for what the server did. */
export async function listOnce(scene: ServerScene, signal: AbortSignal): Promise<ServerLook> {
  try {
    const tasks = await scene.engine.list(signal);
    return { kind: 'complete', tasks: new Map(tasks.map((task) => [task.id, task])) };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'unreadable', ...reasonOf(error) };
  }
}

/** A server that gives no list is asked ever more slowly, at most so slowly. */
export const SLOWEST_LOOK_MS = 5000;

/**
 * Asks until a list is read, ever more slowly, until `untilMs` or until nothing may be sent any more: a short outage costs
 * nothing but its time. A refused password is not asked again.
 * @param untilMs of the clock that never jumps
 */
export async function listUntil(
  scene: ServerScene,
  clock: Clock,
  untilMs: number,
  isHeld: () => boolean,
  signal: AbortSignal,
): Promise<ServerLook> {
  for (let wait = BETWEEN_LISTS_MS; ; wait = Math.min(2 * wait, SLOWEST_LOOK_MS)) {
    const look = await listOnce(scene, signal);
    const left = untilMs - clock.monotonic();
    if (look.kind === 'complete' || look.code === 'AUTH_REFUSED' || left <= 0 || isHeld()) return look;
    await clock.sleep(Math.min(wait, left), signal);
  }
}

/** Code and sentence of anything thrown. */
export function reasonOf(error: unknown): { readonly code: string; readonly why: string } {
  if (error instanceof OffboilError) return { code: error.code, why: error.message };
  return { code: 'INTERNAL', why: error instanceof Error ? error.message : String(error) };
}

/** What one look says about one target, doubts closed by one `inspect`. */
export interface Judged {
  readonly finding: Exclude<Finding, 'doubtful'>;
  readonly task: ObservedTask | undefined;
  /** End time where the server tells it, by our clock. */
  readonly endedAtMs?: number;
  /** What was seen, for the evidence. */
  readonly what: string;
}

/** Judges a target by a complete look; one `inspect` closes a doubt, and one that fails leaves it unknown. */
export async function judgeTarget(
  target: PlannedTarget,
  look: ServerLook,
  scene: ServerScene,
  signal: AbortSignal,
): Promise<Judged> {
  if (look.kind === 'unreadable') return { finding: 'unreadable', task: undefined, what: look.why };
  const task = look.tasks.get(target.id);
  const seen: Look = { kind: 'complete', task };
  const finding = judge(target, seen);
  const word = task === undefined ? 'not in the list' : `list says "${task.word}"`;
  if (finding !== 'doubtful' || task === undefined) {
    const closed = finding === 'doubtful' ? 'unknown' : finding;
    const remark = task?.remark === undefined ? '' : `; ${task.remark}`;
    return withEnd({ finding: closed, task, what: `${word}${remark}` }, task?.endedAtMs);
  }
  const detail = await scene.engine.inspect(refOf(target), signal).catch((error: unknown) => reasonOf(error));
  signal.throwIfAborted();
  if ('why' in detail)
    return { finding: 'unknown', task, what: `${word}; the detail could not be read: ${detail.why}` };
  const errors = detail.errors === undefined ? '' : `, ${detail.errors} errors`;
  return withEnd(
    { finding: closeDoubt(task, detail), task, what: `${word}, detail says "${detail.word}"${errors}` },
    detail.endedAtMs ?? task.endedAtMs,
  );
}

function withEnd(judged: Judged, endedAtMs: number | undefined): Judged {
  return endedAtMs === undefined ? judged : { ...judged, endedAtMs };
}

export function refOf(target: PlannedTarget): TaskRef {
  return { server: target.server, id: target.id, name: target.name, kind: target.kind };
}

/** Targets by the server they run on, in the order given. */
export function byServer<T extends { readonly server: string }>(targets: readonly T[]): Map<string, T[]> {
  const servers = new Map<string, T[]>();
  for (const target of targets) {
    const own = servers.get(target.server);
    if (own === undefined) servers.set(target.server, [target]);
    else own.push(target);
  }
  return servers;
}
