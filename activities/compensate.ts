import pLimit from 'p-limit';
import { keyOf } from '../domain/contracts/plan.js';
import type { CompensationResult } from '../domain/contracts/report.js';
import { OffboilError } from '../domain/errors.js';
import { OUTCOME_FACTS } from '../domain/outcomes.js';
import type { Claim, RunFacts, TargetFacts } from '../domain/ports.js';
import type { TargetKey, TaskRef } from '../domain/tasks.js';
import { reasonOf, refOf } from './look-at-server.js';
import type { ActivityDeps } from './deps.js';
import type { TouchedKey } from './watch-servers.js';
import type { HeldLease } from './lease.js';
import type { ActivityContext, RunScene, SendingEnd } from './shard-deps.js';

const AT_ONCE = 8;
const QUERY_MS = 30_000;
/** A parameter may be read from a database: `${sql:<database>:<query>}`. */
const SQL_PARAMETER = /^\$\{sql:([\w.-]+):(.+)\}$/s;
/** So many open manual compensations are named to the workflow; all are in the ledger. */
const MOST_NAMED = 50;

export interface CompensateAnswer {
  /** `paused`, `braked`: reruns were held back. */
  readonly end: SendingEnd;
  readonly done: number;
  readonly failed: number;
  /** Manual ones that wait for `resolve`, and how many there are. */
  readonly waiting: readonly TargetKey[];
  readonly waitingTotal: number;
}

/** What the compensations of one group share. */
interface Work {
  readonly deps: ActivityDeps;
  readonly scene: RunScene;
  readonly facts: RunFacts;
  readonly claim: Claim;
  readonly lease: HeldLease;
  /** Why no rerun may start any more. */
  readonly over: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Starts the compensations that are due on the servers of one group: the target is proven ended, and a check of it that was not red before is red now.
 * Each is written down before it starts, so an interrupted one is never started twice: it is named instead. What a pause or brake
 * held back provably did not leave, and the next call goes on with it; one with `over` only records that it was not done.
 * @throws OffboilError `CLAIM_LOST` when another worker has taken the group
 */
export async function compensate(
  deps: ActivityDeps,
  { runId, group, over }: TouchedKey & { readonly over?: string },
  { signal }: ActivityContext,
): Promise<CompensateAnswer> {
  const scene = await deps.shard.scene(runId, signal);
  const claim = await deps.shard.shards.claim({ runId, wave: 0, shard: group }, deps.clock.now(), signal);
  const facts = await deps.ledger.closing.facts(runId, signal);
  const servers = new Set(facts.run.plan?.linger[group]?.servers);
  const known = new Map(facts.compensations.map((row) => [keyOf(row), row]));
  const due = facts.targets.filter((one) => servers.has(one.target.server) && turnedRed(facts, one));
  const lease = deps.shard.lease.hold(claim);
  const work: Work = { deps, scene, facts, claim, lease, over, signal };
  const atOnce = pLimit(AT_ONCE);
  // Every one to its end: what has left must be noted, whatever becomes of the others.
  const ends = await Promise.allSettled(
    due.map((one) => atOnce(() => compensateTarget(work, one, known.get(keyOf(one.target))))),
  );
  lease.release();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const held = ends.find((end) => end.status === 'fulfilled' && end.value !== 'all');
  const { compensations } = await deps.ledger.closing.facts(runId, signal);
  const rows = compensations.filter(({ server }) => servers.has(server));
  const waiting = rows.filter(({ kind, state }) => kind === 'manual' && state === 'unanswered');
  return {
    end: held?.status === 'fulfilled' ? held.value : 'all',
    done: rows.filter(({ state }) => state === 'done').length,
    failed: rows.filter(({ state }) => state === 'failed').length,
    waiting: waiting.slice(0, MOST_NAMED).map(({ server, id }) => ({ server, id })),
    waitingTotal: waiting.length,
  };
}

/** A check that was red before is no damage of this stop (`requirements.md` S33). */
function turnedRed(facts: RunFacts, { target }: TargetFacts): boolean {
  const key = keyOf(target);
  return facts.checks.some(
    ({ targets, before, after }) => targets.includes(key) && after === 'red' && before !== 'red',
  );
}

async function compensateTarget(
  work: Work,
  { target, outcome }: TargetFacts,
  known: CompensationResult | undefined,
): Promise<SendingEnd> {
  const { deps, facts, claim, over } = work;
  const { compensate: wanted } = target;
  if (wanted === null || known?.state === 'done' || known?.state === 'failed') return 'all';
  const base = { server: target.server, id: target.id, name: target.name, kind: wanted.kind };
  const record: Recorder = async (state, detail, started) => {
    const row = { ...base, state, detail, ...(started === undefined ? {} : { started }) };
    // A told end does not keep what has been done from being noted.
    await deps.ledger.closing.recordCompensation(claim, row, deps.clock.now(), new AbortController().signal);
    return 'all';
  };
  if (wanted.kind === 'manual')
    return known === undefined ? record('unanswered', `waits for a person: ${wanted.runbook}`) : 'all';
  const obstacle = whyNotRerun(facts, target, outcome);
  if (obstacle !== undefined) return record('notDone', obstacle);
  if (known?.state === 'unanswered')
    return record('failed', 'interrupted while it was starting: look at the server before starting it by hand');
  return over === undefined ? rerun(work, target, wanted, record) : record('notDone', over);
}

type Recorder = (state: CompensationResult['state'], detail: string, started?: string) => Promise<'all'>;

/** Nothing leaves without a fresh lease; what was held back is recorded as not done. */
async function rerun(
  { scene, lease, signal }: Work,
  target: TargetFacts['target'],
  { run, parameters }: { readonly run?: string | undefined; readonly parameters: Readonly<Record<string, string>> },
  record: Recorder,
): Promise<SendingEnd> {
  const mayLeave = (): boolean => lease.verdict() === 'send' && !signal.aborted;
  const what = { held: refOf(target), ...(run === undefined ? {} : { run }) };
  for (;;) {
    const verdict = await lease.fresh(signal);
    if (verdict === 'lost')
      throw new OffboilError('CLAIM_LOST', 'Another worker has taken this group; nothing more was started from here.');
    if (verdict !== 'send') return verdict;
    let values: Record<string, string>;
    try {
      values = await parametersOf(scene, parameters, signal);
    } catch (error) {
      signal.throwIfAborted();
      return record('failed', reasonOf(error).why);
    }
    await record('unanswered', 'was being started when it was last heard of');
    let started: TaskRef | 'heldBack';
    try {
      // Bounded by the server's own limit: what has left is waited for, its answer is evidence.
      const { engine } = scene.server(target.server);
      started = await engine.start(what, values, mayLeave, new AbortController().signal);
    } catch (error) {
      return record('failed', reasonOf(error).why);
    }
    if (started !== 'heldBack') return record('done', `started again as ${started.id}`, started.id);
    await record('notDone', 'held back before it left');
  }
}

/** A rerun before the end is proven doubles rows; so does one beside another writer of the same table. */
function whyNotRerun(
  facts: RunFacts,
  target: TargetFacts['target'],
  outcome: TargetFacts['outcome'],
): string | undefined {
  if (outcome === 'alreadyEnded') return 'it ended by itself, not by this stop';
  if (outcome === undefined || !OUTCOME_FACTS[outcome].proven) return 'not proven ended: a rerun could double rows';
  const unproven = facts.targets.filter(
    (one) => one.outcome === undefined || OUTCOME_FACTS[one.outcome].gate !== undefined,
  );
  const writer = unproven.find(
    (one) =>
      one.target.name === target.name || (one.target.writes ?? []).some((table) => target.writes?.includes(table)),
  );
  return writer === undefined ? undefined : `${keyOf(writer.target)} writes the same table and is not proven ended`;
}

async function parametersOf(
  scene: RunScene,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const read = await Promise.all(
    Object.entries(parameters).map(async ([name, value]): Promise<[string, string]> => {
      const [, database, query] = SQL_PARAMETER.exec(value) ?? [];
      if (database === undefined || query === undefined) return [name, value];
      const { rows } = await scene.database(database).query(query, { timeoutMs: QUERY_MS, maxRows: 2 }, signal);
      if (rows.length !== 1) throw new Error(`parameter ${name}: the query gave ${rows.length} rows, expected one`);
      return [name, String(rows[0]?.[0])];
    }),
  );
  return Object.fromEntries(read);
}
