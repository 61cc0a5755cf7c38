import type { Ledger } from '../../domain/ports.js';
import { createClosingLedger } from './closing.js';
import { createControlLedger } from './control.js';
import { migrate } from './migrations/migrate.js';
import { createPlanLedger } from './plans.js';
import { createPool } from './pool.js';
import { createRunLedger } from './runs.js';
import { createShardLedger } from './shards.js';

/** The durable memory with its connections. */
export interface OpenLedger extends Ledger {
  /** Brings it to the newest version. @returns the numbers of the migrations that were applied */
  migrate(signal: AbortSignal): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** A look must answer well within the 250 ms of a lease; one that takes so long is given up. */
const LOOK_LIMITS = { connections: 2, statementMs: 2000 };
const LIMITS = { connections: 10, statementMs: 30_000 };

/**
 * Opens the ledger. Nothing is written until `migrate`.
 * @param url of a PostgreSQL database that is ours
 * @throws OffboilError `LEDGER_UNAVAILABLE` when it does not answer
 */
export async function openLedger(url: string): Promise<OpenLedger> {
  const pool = createPool(url, LIMITS);
  const looks = createPool(url, LOOK_LIMITS);
  const control = createControlLedger(looks, url);
  try {
    await pool.run('SELECT', [], new AbortController().signal); // the pool's own limits bound it
  } catch (error) {
    await Promise.all([pool.close(), looks.close()]);
    throw error;
  }
  return {
    runs: createRunLedger(pool),
    plans: createPlanLedger(pool),
    shards: createShardLedger(pool),
    control,
    closing: createClosingLedger(pool),
    migrate: (signal) => migrate(pool, signal),
    async close() {
      control.close();
      await Promise.all([pool.close(), looks.close()]);
    },
  };
}
