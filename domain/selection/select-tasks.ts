import type { Contract, Estate } from '../contracts/estate.js';
import { keyOf, type LeftTask } from '../contracts/plan.js';
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
    if (task.state === 'ended') continue;
    const contract = contractOf(task);
    const candidate: Candidate = {
      task,
      ...(contract === undefined ? {} : { contract }),
      priority: contract?.priority ?? estate.unmatched.priority,
    };
    const fit = fitOf(candidate, isSelected);
    if (fit === undefined) continue;
    const why = exceptionOf(candidate, isExcepted) ?? obstacleOf(candidate, select.states, fit.unknown, repeated);
    if (why !== undefined) left.push({ server: task.server, id: task.id, name: task.name, why });
    else chosen.push({ task, ...(contract === undefined ? {} : { contract }), why: fit.why });
  }
  return { chosen, left, missingIds };
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

/** Why `except` leaves the task out. What cannot be told counts as excepted: leaving out is the side that does no harm. */
function exceptionOf(candidate: Candidate, facets: readonly Facet[]): string | undefined {
  if (facets.length === 0) return undefined;
  const reasons: string[] = [];
  for (const { judge } of facets) {
    const verdict = judge(candidate);
    if (verdict === 'no') return undefined;
    reasons.push('fits' in verdict ? verdict.fits : verdict.unknown);
  }
  return `except: ${reasons.join(' · ')}`;
}

/** Why a task that fits is still not touched. */
function obstacleOf(
  { task, contract }: Candidate,
  states: Selection['states'],
  unknown: string | undefined,
  repeated: ReadonlySet<string>,
): string | undefined {
  if (contract?.protected === true) return `protected by the contract for ${contract.match.name}`;
  if (repeated.has(keyOf(task))) return 'its server lists this id twice, so it cannot be told apart';
  // A stop sent to a waiting task breaks some servers' lists for everybody.
  if (task.state === 'waiting') return 'waits: nothing to stop';
  const wanted: readonly StateClass[] = states ?? ['active', 'ending'];
  if (!wanted.includes(task.state)) {
    return task.state === 'unknown'
      ? `its state word "${task.word}" is not known; choose it with states: ["unknown"]`
      : `its state ${task.state} is not selected`;
  }
  return unknown;
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
