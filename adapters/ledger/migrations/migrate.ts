import { z } from 'zod';
import { MIGRATIONS } from './index.js';
import type { LedgerPool } from '../pool.js';

/**
 * Brings the ledger to the newest version, in one transaction under an advisory lock, so that several may call at once.
 * @returns the numbers that were applied
 */
export function migrate(pool: LedgerPool, signal: AbortSignal): Promise<readonly number[]> {
  return pool.transaction('BEGIN', signal, async (sql) => {
    await sql.run(`SELECT pg_advisory_xact_lock(hashtextextended('offboil migrations', 0))`, [], signal);
    await sql.run(
      'CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
      [],
      signal,
    );
    const known = await sql.rows(z.object({ number: z.number() }), 'SELECT number FROM migrations', [], signal);
    const missing = MIGRATIONS.filter(({ number }) => !known.some((row) => row.number === number));
    for (const { number, sql: text } of missing) {
      await sql.run(text, [], signal);
      await sql.run('INSERT INTO migrations (number) VALUES ($1)', [number], signal);
    }
    return missing.map(({ number }) => number);
  });
}
