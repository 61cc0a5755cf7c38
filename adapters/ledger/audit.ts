import type { Actor } from '../../domain/contracts/report.js';
import type { Sql } from './pool.js';

/** One record of a run's own chain: who did what, in one sentence. Shards have chains of their own (`<run>/<wave>/<shard>`). */
export async function audit(
  sql: Sql,
  entry: {
    readonly runId: string;
    readonly at: number;
    readonly action: string;
    readonly what: string;
    readonly actor?: Pick<Actor, 'by' | 'assurance'>;
  },
  signal: AbortSignal,
): Promise<void> {
  const { runId, at, action, what, actor } = entry;
  await sql.run(
    'SELECT offboil_audit($1, $1, $2, $3, $4, $5, $6, NULL)',
    [runId, at, action, actor?.by ?? 'offboil', actor?.assurance ?? 'system', what],
    signal,
  );
}
