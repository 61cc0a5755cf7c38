import type { z } from 'zod';
import type { OutcomeCounts, Tally } from '../../domain/outcomes.js';
import { addTallies, OUTCOME_FACTS, untouchedTally } from '../../domain/outcomes.js';
import type { Sql } from './pool.js';
import { tallyRow } from './rows.js';

const TALLY = `
SELECT o.wave, o.shard, o.outcome, o.late, count(*)::integer AS targets, count(*) FILTER (WHERE o.requests > 0)::integer AS requested
  FROM outcomes o WHERE o.run_id = $1`;
const GROUPED = 'GROUP BY o.wave, o.shard, o.outcome, o.late';

/** Counts of one shard; wave 0 counts all targets of its servers, over all waves. */
export async function tallyShard(
  sql: Sql,
  runId: string,
  wave: number,
  shard: number,
  signal: AbortSignal,
): Promise<Tally> {
  const where = wave === 0 ? 'AND o.linger = $2' : 'AND o.shard = $2 AND o.wave = $3';
  const values = wave === 0 ? [runId, shard] : [runId, shard, wave];
  const rows = await sql.rows(tallyRow, `${TALLY} ${where} ${GROUPED}`, values, signal);
  return addTallies(rows.map(tallyOf));
}

/** Counts of each shard of each wave; each has targets, so none is missing. */
export async function tallyRun(sql: Sql, runId: string, signal: AbortSignal): Promise<Tally[][]> {
  const waves: Tally[][] = [];
  for (const row of await sql.rows(tallyRow, `${TALLY} ${GROUPED}`, [runId], signal)) {
    const shards = (waves[row.wave - 1] ??= []);
    shards[row.shard] = addTallies([shards[row.shard] ?? untouchedTally(0), tallyOf(row)]);
  }
  return waves;
}

function tallyOf({ outcome, late, targets, requested }: z.output<typeof tallyRow>): Tally {
  const outcomes: OutcomeCounts = outcome === undefined ? {} : { [outcome]: targets };
  const isLate = late && outcome !== undefined && OUTCOME_FACTS[outcome].proven;
  return { targets, requested, open: outcome === undefined ? targets : 0, outcomes, late: isLate ? targets : 0 };
}
