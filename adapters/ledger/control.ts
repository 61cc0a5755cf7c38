import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import type { ControlLedger } from '../../domain/ports.js';
import { connection, type LedgerPool } from './pool.js';

const CHANNEL = 'offboil_control';
const lookRow = z.object({ control: z.enum(['go', 'paused', 'braked']), epoch: z.number() });

const LOOK = `
SELECT coalesce(c.state, 'go') AS control, coalesce(k.epoch, 0) AS epoch
  FROM unnest($1::text[], $2::integer[], $3::integer[]) WITH ORDINALITY AS i (run_id, wave, shard, place)
  LEFT JOIN control c ON c.run_id = i.run_id
  LEFT JOIN claims k ON k.run_id = i.run_id AND k.wave = i.wave AND k.shard = i.shard
 ORDER BY i.place`;

/** The row and its notice become visible together, at the commit. A brake wins whatever its time: it cannot be taken back. */
const COMMAND = `
WITH row AS (
  INSERT INTO control (run_id, state, ordered_at) VALUES ($1, $2, $3)
  ON CONFLICT (run_id) DO UPDATE SET state = excluded.state, ordered_at = excluded.ordered_at
   WHERE control.state <> 'braked' AND (excluded.state = 'braked' OR control.ordered_at <= excluded.ordered_at)
)
SELECT pg_notify('${CHANNEL}', $1)`;

/** @param pool one of its own: a look that waits behind other statements is a lease that runs out */
export function createControlLedger(pool: LedgerPool, url: string): ControlLedger & { close(): void } {
  const listening = new Set<() => void>();
  return {
    look(keys, signal) {
      const columns = [keys.map((key) => key.runId), keys.map((key) => key.wave), keys.map((key) => key.shard)];
      return pool.rows(lookRow, LOOK, columns, signal);
    },
    async command(runId, state, orderedAt, signal) {
      await pool.run(COMMAND, [runId, state, orderedAt], signal);
    },
    listen(changed) {
      const stopping = new AbortController();
      const stop = (): void => {
        listening.delete(stop);
        stopping.abort();
      };
      listening.add(stop);
      void keepListening(url, changed, stopping.signal);
      return stop;
    },
    close() {
      for (const stop of listening) stop();
    },
  };
}

const AGAIN_AFTER_MS = 500;

/** One connection that listens, made anew whenever it is lost. Missing a notice costs nothing: it only makes a look earlier. */
async function keepListening(url: string, changed: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = new pg.Client(connection(url, { connections: 1, statementMs: 5000 }));
    const lost = new Promise<void>((resolve) => {
      client.once('error', () => {
        resolve();
      });
      client.once('end', resolve);
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
    });
    client.on('notification', changed);
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      changed(); // what was said while nobody listened
      await lost;
    } catch {
      // not there yet: tried again below, and the looks go on without it
    }
    client.on('error', () => undefined); // a connection that breaks while it is being closed
    await client.end().catch(() => undefined);
    await sleep(AGAIN_AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined); // aborted: the loop ends
  }
}
