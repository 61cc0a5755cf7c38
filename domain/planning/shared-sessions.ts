import type { Contract, Estate } from '../contracts/estate.js';
import { keyOf } from '../contracts/plan.js';
import type { ServerObservation } from '../ports.js';
import type { ContractMatcher } from '../selection/contracts.js';
import { compilePattern } from '../selection/pattern.js';
import type { ObservedTask } from '../tasks.js';

/** So many are named; one is enough to forbid the rollback. */
const MOST_NAMED = 10;

/** Who else could own a task's database sessions. */
export type SessionSharers = (task: ObservedTask, contract: Contract) => readonly string[];

/**
 * A session that could also belong to another task is never ended (`design.md` §8): other tasks that may be at work and whose
 * contract recognises sessions the same way, and servers that were not read and may hold such a task.
 */
export function createSessionSharers(
  estate: Estate,
  observations: readonly ServerObservation[],
  contractOf: ContractMatcher,
): SessionSharers {
  if (estate.tasks.every(({ sessions }) => sessions.length === 0)) return () => [];
  const owners: { readonly key: string; readonly contract: Contract }[] = [];
  for (const task of observations.flatMap(({ tasks = [] }) => tasks)) {
    if (task.state === 'ended' || task.state === 'waiting') continue;
    const contract = contractOf(task);
    if (contract !== undefined && contract.sessions.length > 0) owners.push({ key: keyOf(task), contract });
  }
  const read = new Set(observations.flatMap(({ server, tasks }) => (tasks === undefined ? [] : [server])));
  const unread = estate.servers.map(({ name }) => name).filter((name) => !read.has(name));

  const sharers = new Map<Contract, { readonly tasks: readonly string[]; readonly servers: readonly string[] }>();
  const ofContract = (
    contract: Contract,
  ): { readonly tasks: readonly string[]; readonly servers: readonly string[] } => {
    const known = sharers.get(contract);
    if (known !== undefined) return known;
    const alike = estate.tasks.filter((other) => looksAlike(contract, other));
    const found = {
      tasks: owners.filter((owner) => alike.includes(owner.contract)).map(({ key }) => key),
      servers: unread
        .filter((server) => alike.some((other) => mayRunOn(other, server)))
        .map((server) => `${server} (not read)`),
    };
    sharers.set(contract, found);
    return found;
  };

  return (task, contract) => {
    if (contract.sessions.length === 0) return [];
    const { tasks, servers } = ofContract(contract);
    const own = keyOf(task);
    const others = tasks.slice(0, MOST_NAMED + 1).filter((key) => key !== own); // it may be one of them: look at one more
    const more = tasks.length - 1 - others.length; // the task itself is always among the owners
    return [...others, ...(more > 0 ? [`${more} more tasks`] : []), ...servers];
  };
}

function looksAlike(one: Contract, other: Contract): boolean {
  return one.sessions.some((mine) =>
    other.sessions.some(
      (its) =>
        mine.database === its.database &&
        mine.applicationName === its.applicationName &&
        (mine.user === undefined || its.user === undefined || mine.user === its.user),
    ),
  );
}

function mayRunOn({ match }: Contract, server: string): boolean {
  return match.servers === undefined || match.servers.some((text) => compilePattern(text)(server));
}
