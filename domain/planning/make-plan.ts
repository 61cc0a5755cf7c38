import type { Estate } from '../contracts/estate.js';
import {
  keyOf,
  SCHEMA_VERSION,
  type LeftCode,
  type LeftTask,
  type PlanDraft,
  type PlannedTarget,
  type TargetExtras,
} from '../contracts/plan.js';
import type { Policy } from '../contracts/policy.js';
import { durationMs, type TerminationRequest } from '../contracts/request.js';
import { OffboilError } from '../errors.js';
import type { ServerObservation } from '../ports.js';
import { createContractMatcher } from '../selection/contracts.js';
import { coversServer } from '../selection/covered-servers.js';
import { selectTasks, type ChosenTask } from '../selection/select-tasks.js';
import type { EngineInfo, Rung } from '../tasks.js';
import { counted, reservedBy, some } from '../wording.js';
import { limitOf } from './amounts.js';
import { confirmNeed } from './confirmation.js';
import type { DraftedTarget } from './drafted-target.js';
import { findingsOf } from './findings.js';
import { keepFloors, type GroupMember } from './floors.js';
import { rungsFor, type Ladder } from './ladder.js';
import { createSessionSharers, type SessionSharers } from './shared-sessions.js';
import { arrangeWaves, byText, orderTargets } from './waves.js';

export interface PlanInput {
  readonly runId: string;
  readonly requestHash: string;
  readonly policyHash: string;
  readonly estateHash: string;
  readonly request: TerminationRequest;
  readonly estate: Estate;
  readonly policy: Policy;
  readonly observations: readonly ServerObservation[];
  /** Tasks that other runs have reserved, by `keyOf`, and which run. */
  readonly reserved: ReadonlyMap<string, string>;
  /** Milliseconds since 1970 UTC; only for `runningFor`, never part of the plan. */
  readonly now: number;
}

/** Ladder of a task without a contract, or whose contract says nothing. */
const DEFAULT_LADDER: readonly Rung[] = ['stop'];

/**
 * Makes the plan from what was observed: who is stopped, in which waves, how, and who is left, with the reasons. Pure: the same
 * input gives the same plan, in whatever order the observations come.
 * @throws OffboilError `SELECTION_AMBIGUOUS`, `RUNG_UNSUPPORTED` (with the tasks named), `BUDGET_EXCEEDED` (with the numbers)
 */
export function makePlan(input: PlanInput): PlanDraft {
  const { request, estate, policy, reserved } = input;
  const observations = inOrder(input.observations);
  const tasks = observations.flatMap((seen) => seen.tasks ?? []);
  const active = tasks.filter(({ state }) => state === 'active');
  const selected = selectTasks({ request, estate, observations, now: input.now });
  const { free, taken } = withoutReserved(selected.chosen, reserved);
  const { known, unknown } = withKnownServer(free, observations);

  const contractOf = createContractMatcher(estate);
  const sharers = createSessionSharers(estate, observations, contractOf);
  const drafted = orderTargets(draftAll(known, input, sharers));
  const members: GroupMember[] =
    policy.floors.length === 0 ? [] : active.flatMap((task) => memberOf(task, contractOf(task)?.group));
  const { targets, left: floored } = keepFloors(drafted, policy.floors, members, reserved);
  checkBudget(targets.length, active.length, policy.budget);

  const waves = arrangeWaves(targets, policy.waves);
  const left = [...selected.left, ...taken, ...unknown, ...floored].sort(
    (a, b) => byText(a.server, b.server) || byText(a.id, b.id) || byText(a.name, b.name),
  );
  const hasUnmatched = targets.some(({ extras }) => !extras.hasContract);
  return {
    plan: {
      schemaVersion: SCHEMA_VERSION,
      runId: input.runId,
      requestHash: input.requestHash,
      policyHash: input.policyHash,
      estateHash: input.estateHash,
      waves: waves.map((wave) => ({ priority: wave.priority, targets: wave.targets.map(({ planned }) => planned) })),
    },
    extras: new Map(
      waves.flatMap((wave) => wave.targets.map(({ planned, extras }) => [keyOf(planned), extras] as const)),
    ),
    left,
    findings: findingsOf({ targets, left, missingIds: selected.missingIds, observations, active: active.length }),
    notSeen: notSeenOf(request, observations, targets),
    confirm: confirmNeed(policy, request, hasUnmatched, estate),
    ...(members.length === 0 ? {} : { groupMembers: countByGroup(members) }),
  };
}

/** Whatever order the servers answered in, the plan is the same. */
function inOrder(observations: readonly ServerObservation[]): ServerObservation[] {
  return [...observations]
    .sort((a, b) => byText(a.server, b.server))
    .map((seen) =>
      seen.tasks === undefined
        ? seen
        : { ...seen, tasks: [...seen.tasks].sort((a, b) => byText(a.id, b.id) || byText(a.name, b.name)) },
    );
}

function withoutReserved(
  chosen: readonly ChosenTask[],
  reserved: ReadonlyMap<string, string>,
): { readonly free: readonly ChosenTask[]; readonly taken: readonly LeftTask[] } {
  const taken = chosen.flatMap(({ task }) => {
    const run = reserved.get(keyOf(task));
    return run === undefined ? [] : [leave(task, 'reserved', reservedBy(run))];
  });
  return { free: chosen.filter(({ task }) => !reserved.has(keyOf(task))), taken };
}

interface KnownTask extends ChosenTask {
  readonly info: EngineInfo;
}

/** Nothing is sent to an engine whose version cannot be told. */
function withKnownServer(
  chosen: readonly ChosenTask[],
  observations: readonly ServerObservation[],
): { readonly known: readonly KnownTask[]; readonly unknown: readonly LeftTask[] } {
  const infos = new Map(
    observations.flatMap(({ server, info }) => (info === undefined ? [] : [[server, info] as const])),
  );
  const known: KnownTask[] = [];
  const unknown: LeftTask[] = [];
  for (const choice of chosen) {
    const info = infos.get(choice.task.server);
    if (info === undefined)
      unknown.push(leave(choice.task, 'versionUnknown', 'the product and version of its server cannot be told'));
    else known.push({ ...choice, info });
  }
  return { known, unknown };
}

function leave({ server, id, name }: ChosenTask['task'], code: LeftCode, why: string): LeftTask {
  return { server, id, name, code, why };
}

function draftAll(chosen: readonly KnownTask[], input: PlanInput, sharers: SessionSharers): DraftedTarget[] {
  const drafted: DraftedTarget[] = [];
  const refused: string[] = [];
  for (const choice of chosen) {
    const { task, contract, info } = choice;
    const hasSessions = (contract?.sessions.length ?? 0) > 0;
    const ladder = rungsFor(input.request.mode, contract?.stop.ladder ?? DEFAULT_LADDER, info, task.kind, hasSessions);
    const [first, ...more] = ladder.rungs;
    if (first === undefined)
      refused.push(`${task.name} on ${task.server} (${ladder.notes[0] ?? 'its ladder has none'})`);
    else drafted.push(draftOne(choice, [first, ...more], ladder, input, sharers));
  }
  if (refused.length === 0) return drafted;
  throw new OffboilError(
    'RUNG_UNSUPPORTED',
    `In mode ${input.request.mode} there is no permitted way to stop ${some(refused, 10)}. ` +
      'Nothing was sent. Choose another mode, leave these tasks out with except, or widen the ladder of their contract.',
    { tasks: refused.length },
  );
}

function draftOne(
  { task, contract, why }: KnownTask,
  rungs: PlannedTarget['rungs'],
  ladder: Ladder,
  { policy, estate }: PlanInput,
  sharers: SessionSharers,
): DraftedTarget {
  const { server, id, name, kind, startedAt } = task;
  const shared = contract === undefined ? [] : sharers(task, contract);
  const extras: TargetExtras = {
    ...(contract?.group === undefined ? {} : { group: contract.group }),
    ...(contract?.owner === undefined ? {} : { owner: contract.owner }),
    hasContract: contract !== undefined,
    why,
    sessions: (contract?.sessions ?? []).map((session) => ({
      database: session.database,
      applicationName: session.applicationName,
      ...(session.user === undefined ? {} : { user: session.user }),
    })),
    writes: (contract?.writes ?? []).map(({ database, table }) => `${database}.${table}`),
    ...(shared.length === 0 ? {} : { sharesSessionsWith: shared }),
    closesByDetailWhenStopped: task.closesBy === 'detail',
  };
  return {
    server,
    id,
    name,
    priority: contract?.priority ?? estate.unmatched.priority,
    task,
    ...(contract === undefined ? {} : { contract }),
    planned: {
      server,
      id,
      name,
      kind,
      ...(startedAt === undefined ? {} : { startedAt }),
      rungs,
      within: Math.max(
        policy.verify.withinMs,
        contract?.stop.within === undefined ? 0 : durationMs(contract.stop.within),
      ),
      checks: contract?.checks ?? [],
      compensate: contract?.compensate ?? null,
    },
    extras,
    notes: ladder.notes,
    ...(ladder.stopInsteadOfRollback === undefined ? {} : { stopInsteadOfRollback: ladder.stopInsteadOfRollback }),
  };
}

/** Active members of each group, targets or not: what a floor counts from when an intent is written. */
function countByGroup(members: readonly GroupMember[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { group } of members) counts.set(group, (counts.get(group) ?? 0) + 1);
  return counts;
}

function memberOf(task: GroupMember['task'], group: string | undefined): GroupMember[] {
  return group === undefined ? [] : [{ task, group }];
}

function checkBudget(targets: number, active: number, budget: Policy['budget']): void {
  const faults: string[] = [];
  if (budget?.targets !== undefined && targets > budget.targets)
    faults.push(`at most ${counted(budget.targets, 'target')}`);
  if (budget?.share !== undefined && targets > limitOf(budget.share, active)) {
    faults.push(
      `at most ${budget.share} of the ${counted(active, 'active task')} seen, which is ${limitOf(budget.share, active)}`,
    );
  }
  if (faults.length === 0) return;
  throw new OffboilError(
    'BUDGET_EXCEEDED',
    `The plan has ${counted(targets, 'target')}; the policy's budget allows ${faults.join(', and ')}. Nothing was sent. Select less, or name a policy with a larger budget.`,
    { targets, active },
  );
}

function notSeenOf(
  request: TerminationRequest,
  observations: readonly ServerObservation[],
  targets: readonly DraftedTarget[],
): string[] {
  const unread = observations
    .filter(({ server, tasks }) => tasks === undefined && coversServer(request, server))
    .map(({ server, problem }) =>
      problem === undefined ? `${server}: not read` : `${server} (${problem.code}): ${problem.message}`,
    );
  const parents = targets.filter(({ task }) => task.kind === 'job' || task.kind === 'workflow').length;
  return [
    ...unread,
    ...(parents > 0
      ? [
          `children of jobs: what a job starts inside itself is in no list (jobs or workflows among the targets: ${parents})`,
        ]
      : []),
    'processes (kitchen, pan) and schedulers: no engine of the estate covers them',
  ];
}
