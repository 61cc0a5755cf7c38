import type { LeftTask } from '../contracts/plan.js';
import type { Policy } from '../contracts/policy.js';
import { keyOf } from '../contracts/plan.js';
import type { ObservedTask } from '../tasks.js';
import type { DraftedTarget } from './drafted-target.js';

/** A task of a group that was seen active, on a server that was read. */
export interface GroupMember {
  readonly task: ObservedTask;
  readonly group: string;
}

/**
 * Plans for the floors: of each group at least `keep` active members stay, and those stay that would have come last. Members
 * on unread servers count as gone, and so do those that another run has reserved. A member that is already ending is no help
 * to its group, so stopping it is free.
 * @param ordered targets in the order of the waves
 */
export function keepFloors(
  ordered: readonly DraftedTarget[],
  floors: Policy['floors'],
  members: readonly GroupMember[],
  reserved: ReadonlyMap<string, string>,
): { readonly targets: readonly DraftedTarget[]; readonly left: readonly LeftTask[] } {
  const staying = new Map<string, string>();
  for (const { group, keep } of floors) {
    const available = members.filter((member) => member.group === group && !reserved.has(keyOf(member.task))).length;
    const wanted = ordered.filter(({ task, extras }) => extras.group === group && task.state === 'active');
    const mayStop = Math.max(0, available - keep);
    for (const target of wanted.slice(mayStop)) {
      const why = `floor of group ${group}: at least ${keep} of its ${available} active tasks stay`;
      staying.set(keyOf(target.planned), why);
    }
  }
  return {
    targets: ordered.filter(({ planned }) => !staying.has(keyOf(planned))),
    left: ordered.flatMap(({ planned: { server, id, name } }) => {
      const why = staying.get(keyOf({ server, id }));
      return why === undefined ? [] : [{ server, id, name, code: 'floor', why }];
    }),
  };
}
