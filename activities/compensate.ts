import pLimit from 'p-limit';
import { keyOf } from '../domain/contracts/plan.js';
import type { CompensationResult } from '../domain/contracts/report.js';
import { OUTCOME_FACTS } from '../domain/outcomes.js';
import type { RunFacts, TargetFacts } from '../domain/ports.js';
import type { TargetKey } from '../domain/tasks.js';
import { reasonOf, refOf } from './look-at-server.js';
import type { ActivityDeps } from './deps.js';
import type { TouchedKey } from './watch-servers.js';
import type { ActivityContext } from './shard-deps.js';

const AT_ONCE = 8;
const QUERY_MS = 30_000;
/** A parameter may be read from a database: `${sql:<database>:<query>}`. */
const SQL_PARAMETER = /^\$\{sql:([\w.-]+):(.+)\}$/s;
/** So many open manual compensations are named to the workflow; all are in the ledger. */
const MOST_NAMED = 50;

export interface CompensateAnswer {
  readonly done: number;
  readonly failed: number;
  /** Manual ones that wait for `resolve`, and how many there are. */
  readonly waiting: readonly TargetKey[];
  readonly waitingTotal: number;
}

/**
 * Starts the compensations that are due on the servers of one group: the target is proven ended, and a check of it that was not red before is red now.
 * Each is written down before it starts, so an interrupted one is never started twice: it is named instead.
 */
export async function compensate(
  deps: ActivityDeps,
  { runId, group }: TouchedKey,
  { signal }: ActivityContext,
): Promise<CompensateAnswer> {
  const facts = await deps.ledger.closing.facts(runId, signal);
  const servers = new Set(facts.run.plan?.linger[group]?.servers);
  const known = new Map(facts.compensations.map((row) => [keyOf(row), row]));
  const atOnce = pLimit(AT_ONCE);
  await Promise.all(
    facts.targets
      .filter((one) => servers.has(one.target.server) && one.target.compensate !== null && turnedRed(facts, one))
      .map((one) => atOnce(() => compensateTarget(deps, facts, one, known.get(keyOf(one.target)), signal))),
  );
  const { compensations } = await deps.ledger.closing.facts(runId, signal);
  const rows = compensations.filter(({ server }) => servers.has(server));
  const waiting = rows.filter(({ kind, state }) => kind === 'manual' && state === 'unanswered');
  return {
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
  deps: ActivityDeps,
  facts: RunFacts,
  { target, outcome }: TargetFacts,
  known: CompensationResult | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { compensate: wanted } = target;
  if (wanted === null || known?.state === 'done' || known?.state === 'failed') return;
  const base = { server: target.server, id: target.id, name: target.name, kind: wanted.kind };
  const record = (state: CompensationResult['state'], detail: string, started?: string): Promise<void> =>
    deps.ledger.closing.recordCompensation(
      facts.run.runId,
      { ...base, state, detail, ...(started === undefined ? {} : { started }) },
      deps.clock.now(),
      signal,
    );
  if (wanted.kind === 'manual') {
    if (known === undefined) await record('unanswered', `waits for a person: ${wanted.runbook}`);
    return;
  }
  const obstacle = whyNotRerun(facts, target, outcome);
  if (obstacle !== undefined) return record('notDone', obstacle);
  if (known !== undefined)
    return record('failed', 'interrupted while it was starting: look at the server before starting it by hand');
  await record('unanswered', 'is being started');
  try {
    const { estate, estateHash } = facts.run;
    const server = estate?.servers.find(({ name }) => name === target.server);
    if (server === undefined || estateHash === undefined) throw new Error(`the estate has no server ${target.server}`);
    const parameters = await parametersOf(deps, facts, wanted.parameters, signal);
    const what = { held: refOf(target), ...(wanted.run === undefined ? {} : { run: wanted.run }) };
    const started = await deps.estates.engine(estateHash, server).start(what, parameters, signal);
    await record('done', `started again as ${started.id}`, started.id);
  } catch (error) {
    signal.throwIfAborted();
    await record('failed', reasonOf(error).why);
  }
}

/** A rerun before the end is proven doubles rows; so does one beside another writer of the same table. */
function whyNotRerun(
  facts: RunFacts,
  target: TargetFacts['target'],
  outcome: TargetFacts['outcome'],
): string | undefined {
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
  deps: ActivityDeps,
  { run }: RunFacts,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const read = await Promise.all(
    Object.entries(parameters).map(async ([name, value]): Promise<[string, string]> => {
      const [, database, query] = SQL_PARAMETER.exec(value) ?? [];
      if (database === undefined || query === undefined) return [name, value];
      const entry = run.estate?.databases.find((one) => one.name === database);
      if (entry === undefined || run.estateHash === undefined)
        throw new Error(`parameter ${name}: the estate has no database ${database}`);
      const { rows } = await deps.estates
        .database(run.estateHash, entry)
        .query(query, { timeoutMs: QUERY_MS, maxRows: 2 }, signal);
      if (rows.length !== 1) throw new Error(`parameter ${name}: the query gave ${rows.length} rows, expected one`);
      return [name, String(rows[0]?.[0])];
    }),
  );
  return Object.fromEntries(read);
}
