import type { ConfirmNeed, PlanFinding } from '../domain/contracts/plan.js';
import type { Policy } from '../domain/contracts/policy.js';
import { OffboilError } from '../domain/errors.js';
import { untouchedTally, type Tally } from '../domain/outcomes.js';
import { makePlan } from '../domain/planning/make-plan.js';
import { resolvePolicy } from '../domain/planning/policies.js';
import type { FrozenPlan } from '../domain/ports.js';
import type { Priority } from '../domain/tasks.js';
import { counted } from '../domain/wording.js';
import { hashOf, type ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

export interface ShardBrief {
  readonly site?: string;
  /** What the Web UI shows, such as `carte-sh-01 to -04 · 160 tasks`. */
  readonly label: string;
}

export interface WaveBrief {
  readonly priority: Priority;
  readonly targets: number;
  readonly servers: number;
  readonly shards: readonly ShardBrief[];
  /** Counts of each shard, in the order of `shards`. */
  readonly tallies: readonly Tally[];
}

/** The frozen plan as the workflow carries it: counts and labels, small enough for an event. */
export interface PlanBrief {
  readonly planHash: string;
  readonly plannedAt: number;
  readonly confirm: ConfirmNeed;
  readonly policy: Policy;
  readonly waves: readonly WaveBrief[];
  readonly linger: readonly ShardBrief[];
  readonly left: number;
  readonly findings: readonly PlanFinding[];
  readonly notSeen: readonly string[];
  readonly hasChecks: boolean;
  readonly hasCompensations: boolean;
  /** Whether non-targets may be at work on the touched servers. */
  readonly hasBystanders: boolean;
  /** How long one request may take at most, and one target's rung: bounds of the workflow's waits. */
  readonly longestWithinMs: number;
}

const MOST_FINDINGS = 50;

/**
 * Computes the plan from what was observed, freezes it and its hash, once: a second call answers the first plan.
 * @throws OffboilError what the request or the estate forbid, before anything is sent
 */
export async function planRun(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<PlanBrief> {
  const { ledger, clock } = deps;
  const { request, requestHash, estate, estateHash } = await ledger.runs.read(runId, signal);
  if (estate === undefined || estateHash === undefined) {
    throw new OffboilError('RUN_UNKNOWN', `Run ${runId} has no estate yet; nothing was sent.`);
  }
  const policy = resolvePolicy(request.policy, estate);
  const observations = await ledger.plans.observations(runId, 'discovery', signal);
  const draft = makePlan({
    runId,
    requestHash,
    policyHash: hashOf(policy),
    estateHash,
    request,
    estate,
    policy,
    observations,
    reserved: await ledger.plans.reservedByOthers(
      runId,
      observations.map(({ server }) => server),
      signal,
    ),
    now: clock.now(),
  });
  const sites = new Map(
    estate.servers.flatMap(({ name, site }) => (site === undefined ? [] : [[name, site] as const])),
  );
  const frozen = await ledger.plans.freeze(
    runId,
    draft,
    { planHash: hashOf(draft.plan), policy, at: clock.now(), sites },
    signal,
  );
  const touched = new Set(frozen.linger.flatMap(({ servers }) => servers));
  const atWork = observations
    .filter(({ server }) => touched.has(server))
    .reduce((sum, { tasks = [] }) => sum + tasks.filter(({ state }) => state !== 'ended').length, 0);
  const targets = frozen.waves.reduce((sum, wave) => sum + wave.targets, 0);
  // nothing is requested before the confirm, so nothing needs to be counted
  const tallies = frozen.waves.map(({ shards }) => shards.map((shard) => untouchedTally(shard.targets)));
  return { ...briefOf(frozen, tallies, draft.notSeen), hasBystanders: atWork > targets };
}

/** What the workflow may carry of a frozen plan. */
export function briefOf(
  plan: FrozenPlan,
  tallies: readonly (readonly Tally[])[],
  notSeen: readonly string[] = [],
): PlanBrief {
  const label = (shard: { readonly servers: readonly string[] }, targets?: number): string => {
    const names = shard.servers.toSorted();
    const [first, last] = [names[0] ?? '', names.at(-1) ?? ''];
    const text = first === last ? first : `${first} to ${last}`;
    return targets === undefined ? text : `${text} · ${counted(targets, 'task')}`;
  };
  return {
    planHash: plan.planHash,
    plannedAt: plan.plannedAt,
    confirm: plan.confirm,
    policy: plan.policy,
    waves: plan.waves.map(({ priority, targets, servers, shards }, wave) => ({
      priority,
      targets,
      servers,
      tallies: tallies[wave] ?? [],
      shards: shards.map((shard) => ({ ...siteOf(shard), label: label(shard, shard.targets) })),
    })),
    linger: plan.linger.map((group) => ({ ...siteOf(group), label: label(group) })),
    left: plan.left,
    findings: plan.findings.slice(0, MOST_FINDINGS),
    notSeen: notSeen.slice(0, MOST_FINDINGS),
    hasChecks: plan.hasChecks,
    hasCompensations: plan.hasCompensations,
    hasBystanders: true, // only who made the plan has counted them
    longestWithinMs: plan.longestWithinMs,
  };
}

function siteOf({ site }: { readonly site?: string }): { readonly site?: string } {
  return site === undefined ? {} : { site };
}

/** Records the confirm and reserves the targets. What another run took meanwhile ends `protected`. */
export async function confirmPlan(
  deps: ActivityDeps,
  { runId, planHash }: { readonly runId: string; readonly planHash: string },
  { signal }: ActivityContext,
): Promise<{ readonly protected: number }> {
  return deps.ledger.plans.confirm(runId, planHash, deps.clock.now(), signal);
}

/** Counts of every shard of every wave, in the order of the plan. */
export async function readTallies(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<readonly (readonly Tally[])[]> {
  return deps.ledger.plans.tallies(runId, signal);
}
