import pLimit from 'p-limit';
import { keyOf } from '../domain/contracts/plan.js';
import type { CheckEntry, Estate } from '../domain/contracts/estate.js';
import type { CheckPhase, CheckRow, Database, TargetFacts } from '../domain/ports.js';
import { counted } from '../domain/wording.js';
import { reasonOf } from './look-at-server.js';
import type { ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

const QUERY_MS = 30_000;
const MOST_ROWS = 1000;
const AT_ONCE = 4;

/**
 * Runs the SQL assertions that the targets' contracts declare, each once whatever the number of its targets, and records each as
 * it ends. One that is recorded is not asked again: what turned red stays red, whoever repeats the run.
 * Before: a baseline that never holds up a stop. After: what turned red is this run's to explain.
 */
export async function checkData(
  deps: ActivityDeps,
  { runId, phase }: { readonly runId: string; readonly phase: CheckPhase },
  { signal }: ActivityContext,
): Promise<void> {
  const { closing } = deps.ledger;
  const { run, targets } = await closing.facts(runId, signal);
  const { estate, estateHash } = run;
  if (estate === undefined || estateHash === undefined) return;
  const recorded = await closing.recordedChecks(runId, phase, signal);
  const atOnce = pLimit(AT_ONCE);
  await Promise.all(
    checksOf(targets).map(({ check, owners }, position) =>
      atOnce(async () => {
        if (recorded.has(position)) return;
        const verdict = await judgeCheck(check, databaseOf(deps, estate, estateHash, check.database), signal);
        const { name, database, query } = check;
        await closing.recordCheck(
          runId,
          phase,
          position,
          { name, database, query, targets: owners, ...verdict },
          signal,
        );
      }),
    ),
  );
}

function databaseOf(deps: ActivityDeps, estate: Estate, estateHash: string, name: string): () => Database {
  return () => {
    const entry = estate.databases.find((database) => database.name === name);
    if (entry === undefined) throw new Error(`the estate has no database ${name}`);
    return deps.estates.database(estateHash, entry);
  };
}

/** Every check once, with the targets that asked for it. */
function checksOf(targets: readonly TargetFacts[]): { readonly check: CheckEntry; readonly owners: string[] }[] {
  const checks = new Map<string, { readonly check: CheckEntry; readonly owners: string[] }>();
  for (const { target } of targets) {
    for (const check of target.checks) {
      const key = JSON.stringify([check.database, check.name, check.query, check.expect]);
      const known = checks.get(key);
      if (known === undefined) checks.set(key, { check, owners: [keyOf(target)] });
      else known.owners.push(keyOf(target));
    }
  }
  return [...checks.values()];
}

/** One assertion: green, red, or inconclusive when it could not be asked. Missing data is not health. */
async function judgeCheck(
  check: CheckEntry,
  database: () => Database,
  signal: AbortSignal,
): Promise<Pick<CheckRow, 'verdict' | 'detail'>> {
  try {
    const { rows, truncated } = await database().query(
      check.query,
      { timeoutMs: QUERY_MS, maxRows: MOST_ROWS },
      signal,
    );
    if ('rows' in check.expect) {
      const found = truncated ? `more than ${MOST_ROWS} rows` : counted(rows.length, 'row');
      const isGreen = !truncated && rows.length === check.expect.rows;
      return { verdict: isGreen ? 'green' : 'red', detail: `${found}, expected ${check.expect.rows}` };
    }
    const value = rows[0]?.[0];
    if (rows.length !== 1)
      return { verdict: 'inconclusive', detail: `${counted(rows.length, 'row')}, expected exactly one value` };
    // PostgreSQL's bigint and numeric come as text: the written form is what is compared.
    const isGreen = String(value) === String(check.expect.value);
    return {
      verdict: isGreen ? 'green' : 'red',
      detail: `value ${String(value)}, expected ${String(check.expect.value)}`,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { verdict: 'inconclusive', detail: reasonOf(error).why };
  }
}
