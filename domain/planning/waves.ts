import type { Amount } from '../contracts/policy.js';
import { PRIORITIES, type Priority, type TargetKey } from '../tasks.js';
import { sizeOf } from './amounts.js';

/**
 * Splits the targets of one priority into waves. Shares are of `total` and round up, no wave is empty; the ramp's last step
 * repeats until none is left, so that no wave is larger than the ramp says.
 */
export function waveSizes(total: number, ramp: readonly [Amount, ...Amount[]]): number[] {
  const sizes: number[] = [];
  for (let left = total; left > 0; left -= sizes.at(-1) ?? left) {
    const step = ramp[sizes.length] ?? ramp.at(-1) ?? ramp[0];
    sizes.push(Math.min(left, Math.max(1, sizeOf(step, total))));
  }
  return sizes;
}

/** What ordering needs to know of a target. */
export interface Placeable extends TargetKey {
  readonly name: string;
  readonly priority: Priority;
}

/** Text order by code units: the same on every computer, whatever its locale. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Orders targets: low to core; within a priority one of each server in turn, so that a wave spreads over the servers and none
 * gets it all at once; on a server by name, then id.
 */
export function orderTargets<T extends Placeable>(targets: readonly T[]): T[] {
  const sorted = [...targets].sort(
    (a, b) => byText(a.server, b.server) || byText(a.name, b.name) || byText(a.id, b.id),
  );
  const turns = new Map<string, number>();
  const placed = sorted.map((target) => {
    const lane = `${target.priority}/${target.server}`;
    const turn = turns.get(lane) ?? 0;
    turns.set(lane, turn + 1);
    return { target, turn, rank: PRIORITIES.indexOf(target.priority) };
  });
  // The sort is stable: within a turn the servers keep their order.
  return placed.sort((a, b) => a.rank - b.rank || a.turn - b.turn).map(({ target }) => target);
}

/** Cuts ordered targets into waves of one priority each. */
export function arrangeWaves<T extends Placeable>(
  targets: readonly T[],
  ramp: readonly [Amount, ...Amount[]],
): { readonly priority: Priority; readonly targets: readonly T[] }[] {
  const ordered = orderTargets(targets);
  return PRIORITIES.flatMap((priority) => {
    const ofPriority = ordered.filter((target) => target.priority === priority);
    let from = 0;
    return waveSizes(ofPriority.length, ramp).map((size) => {
      from += size;
      return { priority, targets: ofPriority.slice(from - size, from) };
    });
  });
}
