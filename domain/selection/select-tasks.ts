import type { Contract, Estate } from '../contracts/estate.js';
import { keyOf, type LeftCode, type LeftTask } from '../contracts/plan.js';
import type { Selection, TerminationRequest } from '../contracts/request.js';
import { OffboilError } from '../errors.js';
import type { ServerObservation } from '../ports.js';
import type { ObservedTask, StateClass } from '../tasks.js';
import { createContractMatcher } from './contracts.js';
import { compileFacets, readId, type Candidate, type Facet } from './facets.js';

export interface ChosenTask {
  readonly task: ObservedTask;
  /** Absent: no contract matches. */
  readonly contract?: Contract;
  /** Which rules chose it, in words: `name load_* · source erp-oracle`. */
  readonly why: string;
}

export interface Selected {
  readonly chosen: readonly ChosenTask[];
  /** Tasks that fit the selection and stay, with the reason. */
  readonly left: readonly LeftTask[];
  /** Ids of the selection that no list has. */
  readonly missingIds: readonly string[];
}

export interface SelectionInput {
  readonly request: Pick<TerminationRequest, 'select' | 'except' | 'everything'>;
  readonly estate: Estate;
  readonly observations: readonly ServerObservation[];
  /** Milliseconds since 1970 UTC, for `runningFor`. */
  readonly now: number;
}

/**
 * Chooses tasks from complete lists: AND across fields, OR within a list, `except` wins over everything.
 * @throws OffboilError `SELECTION_AMBIGUOUS` for a bare id that two servers list
 */
export function selectTasks({ request, estate, observations, now }: SelectionInput): Selected {
  const select = request.select ?? {};
  const tasks = observations.flatMap((seen) => seen.tasks ?? []);
  const missingIds = resolveIds([select, request.except ?? {}], estate, tasks);
  const isSelected = compileFacets(select, estate, now);
  const isExcepted = request.except === undefined ? [] : compileFacets(request.except, estate, now);
  const repeated = repeatedKeys(tasks);
  const contractOf = createContractMatcher(estate);

  const chosen: ChosenTask[] = [];
  const left: LeftTask[] = [];
  for (const task of tasks) {
    // what has ended is nobody's to stop; who asked for it by its id gets an answer
    if (task.state === 'ended' && select.ids === undefined) continue;
    const contract = contractOf(task);
    const candidate: Candidate = {
      task,
      ...(contract === undefined ? {} : { contract }),
      priority: contract?.priority ?? estate.unmatched.priority,
    };
    const fit = fitOf(candidate, isSelected);
    if (fit === undefined) continue;
    const obstacle = exceptionOf(candidate, isExcepted) ?? obstacleOf(candidate, select.states, fit.unknown, repeated);
    if (obstacle !== undefined) left.push({ server: task.server, id: task.id, name: task.name, ...obstacle });
    else chosen.push({ task, ...(contract === undefined ? {} : { contract }), why: fit.why });
  }
  return { chosen, left: [...left, ...goneIds(missingIds, estate, observations)], missingIds };
}

/** Whether the request asks since when tasks run. */
export function asksForStarts({ select, except }: Pick<TerminationRequest, 'select' | 'except'>): boolean {
  return select?.runningFor !== undefined || except?.runningFor !== undefined;
}

/** Ids of the tasks of one server that only an unknown start keeps from being judged. */
export function startsUnknown(
  request: Pick<TerminationRequest, 'select' | 'except' | 'everything'>,
  estate: Estate,
  seen: ServerObservation,
  now: number,
): ReadonlySet<string> {
  const { left } = selectTasks({ request, estate, observations: [seen], now });
  return new Set(left.filter(({ code }) => code === 'startUnknown').map(({ id }) => id));
}

/** How a task fits all fields but its state, or undefined when one field rules it out. */
function fitOf(
  candidate: Candidate,
  facets: readonly Facet[],
): { readonly why: string; readonly unknown?: string } | undefined {
  const reasons: string[] = [];
  let unknown: string | undefined;
  for (const { field, judge } of facets) {
    if (field === 'states') continue; // its own reasons, see obstacleOf
    const verdict = judge(candidate);
    if (verdict === 'no') return undefined;
    if ('fits' in verdict) reasons.push(verdict.fits);
    else unknown = verdict.unknown;
  }
  return {
    why: reasons.length === 0 ? 'everything' : reasons.join(' · '),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

type Obstacle = Pick<LeftTask, 'code' | 'why'>;

function obstacle(code: LeftCode, why: string): Obstacle {
  return { code, why };
}

/** What was asked for by an id that no list has: gone is not ended. On a server that was not read nobody knows, and that is said. */
function goneIds(ids: readonly string[], estate: Estate, observations: readonly ServerObservation[]): LeftTask[] {
  const servers = new Set(estate.servers.map(({ name }) => name));
  const unread = new Set(observations.filter(({ tasks }) => tasks === undefined).map(({ server }) => server));
  return ids.flatMap((text) => {
    const { server, id } = readId(text, servers);
    if (server !== undefined && unread.has(server)) return [];
    const why = `in no list: it ended and left the list, runs on unseen, or never was`;
    return [{ server: server ?? '*', id, name: id, ...obstacle('gone', why) }];
  });
}

/** Why `except` leaves the task out. What cannot be told counts as excepted: leaving out is the side that does no harm. */
function exceptionOf(candidate: Candidate, facets: readonly Facet[]): Obstacle | undefined {
  if (facets.length === 0) return undefined;
  const verdicts = facets.map(({ judge }) => judge(candidate));
  const reasons: string[] = [];
  for (const verdict of verdicts) {
    if (verdict === 'no') return undefined;
    reasons.push('fits' in verdict ? verdict.fits : verdict.unknown);
  }
  const isKnown = verdicts.every((verdict) => verdict === 'no' || 'fits' in verdict);
  return obstacle(isKnown ? 'excepted' : 'startUnknown', `except: ${reasons.join(' · ')}`);
}

/** Why a task that fits is still not touched. */
function obstacleOf(
  { task, contract }: Candidate,
  states: Selection['states'],
  unknown: string | undefined,
  repeated: ReadonlySet<string>,
): Obstacle | undefined {
  if (task.state === 'ended') return obstacle('ended', `has ended: the list says "${task.word}"`);
  if (contract?.protected === true)
    return obstacle('protected', `protected by the contract for ${contract.match.name}`);
  if (repeated.has(keyOf(task)))
    return obstacle('idRepeated', 'its server lists this id twice, so it cannot be told apart');
  // A stop sent to a waiting task breaks some servers' lists for everybody.
  if (task.state === 'waiting') {
    // up to PDI 7.0.0.0 one that has ended normally reads as one that was never started (PDI-12503)
    const why = task.closesBy === 'detail' ? 'has ended, or was never started' : 'waits';
    return obstacle('waiting', `${why}: nothing to stop`);
  }
  const wanted: readonly StateClass[] = states ?? ['active', 'ending'];
  if (!wanted.includes(task.state)) {
    return task.state === 'unknown'
      ? obstacle('stateUnknown', `its state word "${task.word}" is not known; choose it with states: ["unknown"]`)
      : obstacle('stateNotSelected', `its state ${task.state} is not selected`);
  }
  return unknown === undefined ? undefined : obstacle('startUnknown', unknown);
}

function repeatedKeys(tasks: readonly ObservedTask[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const task of tasks) {
    const key = keyOf(task);
    if (seen.has(key)) repeated.add(key);
    seen.add(key);
  }
  return repeated;
}

/** @returns ids of the first selection that no list has */
function resolveIds(selections: readonly Selection[], estate: Estate, tasks: readonly ObservedTask[]): string[] {
  if (selections.every(({ ids }) => ids === undefined)) return [];
  const servers = new Set(estate.servers.map(({ name }) => name));
  const serversById = new Map<string, Set<string>>();
  for (const { id, server } of tasks) serversById.set(id, (serversById.get(id) ?? new Set()).add(server));
  const [missing = []] = selections.map(({ ids = [] }) =>
    ids.filter((text) => {
      const { server, id } = readId(text, servers);
      const listedBy = serversById.get(id) ?? new Set();
      if (server !== undefined) return !listedBy.has(server);
      if (listedBy.size <= 1) return listedBy.size === 0;
      const choices = [...listedBy].sort().map((name) => `${name}/${id}`);
      throw new OffboilError(
        'SELECTION_AMBIGUOUS',
        `The id ${id} is listed by ${choices.length} servers. Nothing was sent. Say which: ${choices.join(' or ')}.`,
        { id },
      );
    }),
  );
  return missing;
}
