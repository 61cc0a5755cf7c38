import { keyOf, type PlannedTarget } from '../domain/contracts/plan.js';
import { type CameBack, findCameBack, STARTED_AGAIN } from '../domain/reporting/came-back.js';
import { judgeBystanders } from '../domain/reporting/bystanders.js';
import type { BystanderSample, Contradiction, RunRecord, ServerObservation } from '../domain/ports.js';
import { judge } from '../domain/stopping/judge.js';
import { observe } from './discover.js';
import type { ActivityDeps } from './deps.js';
import { refOf } from './look-at-server.js';
import { sampleAgain } from './sample-bystanders.js';
import type { ActivityContext } from './shard-deps.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const BACK_OFF = 1.5;

/** Servers with targets, all of one site: group n of the frozen plan's `linger`. */
export interface TouchedKey {
  readonly runId: string;
  readonly group: number;
}

/**
 * Until `untilMs` the servers are listed again and again, and in any case once: what came back under a target's name is named,
 * never stopped.
 */
export async function watchServers(
  deps: ActivityDeps,
  { runId, group, untilMs }: TouchedKey & { readonly untilMs: number },
  { signal }: ActivityContext,
): Promise<{ readonly cameBack: number }> {
  const facts = await deps.ledger.closing.facts(runId, signal);
  const before = await deps.ledger.plans.observations(runId, 'discovery', signal);
  const startedByUs = new Set(
    facts.compensations.flatMap(({ server, started }) => (started === undefined ? [] : [`${server}/${started}`])),
  );
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * BACK_OFF, LONGEST_WAIT_MS)) {
    const left = untilMs - deps.clock.now();
    await deps.clock.sleep(Math.max(0, Math.min(wait, left)), signal);
    const after = await observeTouched(deps, facts.run, group, 'watch', signal);
    const restarted = await judgeAgain(deps, facts.run, group, after, signal);
    const rows = [...findCameBack({ facts, before, after, startedByUs }), ...restarted];
    await deps.ledger.closing.recordCameBack(runId, rows, signal);
    if (deps.clock.now() >= untilMs) return { cameBack: rows.length };
  }
}

/** The last look at the touched servers of one group, which the bystander certificate compares with the first. */
export async function lookAfterwards(
  deps: ActivityDeps,
  { runId, group }: TouchedKey,
  { signal }: ActivityContext,
): Promise<void> {
  const run = await deps.ledger.runs.read(runId, signal);
  const after = await observeTouched(deps, run, group, 'after', signal);
  await deps.ledger.closing.recordCameBack(runId, await judgeAgain(deps, run, group, after, signal), signal);
  await sampleAgain(deps, runId, after, signal);
}

/**
 * Judges the proofs of a group again by a later list: the same identity at work again takes a proof back, unless a later start is
 * proven. Where the list has no start, one detail of the task tells it.
 * @returns who was started again under its own id
 */
async function judgeAgain(
  deps: ActivityDeps,
  run: RunRecord,
  group: number,
  after: readonly ServerObservation[],
  signal: AbortSignal,
): Promise<CameBack[]> {
  const atWork = new Map(
    after.flatMap(({ askedAt, tasks = [] }) =>
      tasks.filter(({ state }) => state === 'active').map((task) => [keyOf(task), { askedAt, task }] as const),
    ),
  );
  if (atWork.size === 0) return [];
  const contradictions: Contradiction[] = [];
  const restarted: CameBack[] = [];
  for (const { target, at } of await deps.ledger.closing.proven(run.runId, group, signal)) {
    const seen = atWork.get(keyOf(target));
    if (seen === undefined || judge(target, { kind: 'complete', task: seen.task }) !== 'active') continue;
    const startedAtMs = seen.task.startedAtMs ?? (await startOf(deps, run, target, signal));
    if (startedAtMs !== undefined && startedAtMs > at)
      restarted.push({ task: seen.task, why: `${STARTED_AGAIN} (${seen.task.word})`, active: true });
    else {
      const what = `ended at ${clockTime(at)}, at work again at ${clockTime(seen.askedAt)}: the list says "${seen.task.word}"`;
      contradictions.push({ target: { server: target.server, id: target.id }, at: seen.askedAt, what });
    }
  }
  if (contradictions.length > 0) await deps.ledger.closing.recordContradictions(run.runId, contradictions, signal);
  return restarted;
}

async function startOf(
  deps: ActivityDeps,
  { estate, estateHash }: RunRecord,
  target: PlannedTarget,
  signal: AbortSignal,
): Promise<number | undefined> {
  const server = estate?.servers.find(({ name }) => name === target.server);
  if (server === undefined || estateHash === undefined) return undefined;
  const detail = await deps.estates
    .engine(estateHash, server)
    .inspect(refOf(target), signal)
    .catch(() => undefined);
  signal.throwIfAborted();
  return detail?.startedAtMs;
}

function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

async function observeTouched(
  deps: ActivityDeps,
  run: RunRecord,
  group: number,
  phase: 'after' | 'watch',
  signal: AbortSignal,
): Promise<ServerObservation[]> {
  const { estate, estateHash, plan } = run;
  if (estate === undefined || estateHash === undefined) return [];
  const touched = new Set(plan?.linger[group]?.servers);
  const servers = estate.servers.filter(({ name }) => touched.has(name));
  const seen = await Promise.all(servers.map((server) => observe(deps, estateHash, server, signal)));
  for (const one of seen) await deps.ledger.plans.observe(run.runId, phase, one, signal);
  return seen;
}

/** The bystander certificate: every non-target on the touched servers, before and after. */
export async function certifyBystanders(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<void> {
  const draft = await deps.ledger.plans.read(runId, signal);
  const targets = draft?.plan.waves.flatMap((wave) => wave.targets) ?? [];
  const touched = new Set(targets.map(({ server }) => server));
  const before = await deps.ledger.plans.observations(runId, 'discovery', signal);
  const samples = async (phase: 'before' | 'after'): Promise<ReadonlyMap<string, BystanderSample>> =>
    new Map((await deps.ledger.closing.samples(runId, phase, signal)).map((one) => [keyOf(one), one]));
  const verdicts = judgeBystanders({
    before: before.filter(({ server }) => touched.has(server)),
    after: await deps.ledger.plans.observations(runId, 'after', signal),
    targets: new Set(targets.map(keyOf)),
    sampledBefore: await samples('before'),
    sampledAfter: await samples('after'),
  });
  await deps.ledger.closing.recordBystanders(runId, verdicts, signal);
}
