import pg from 'pg';
import Cursor from 'pg-cursor';
import { z } from 'zod';
import { OffboilError } from '../../domain/errors.js';
import type { Clock, Database, DatabaseSession, QueryResult } from '../../domain/ports.js';
import type { Secret } from '../../domain/secret.js';
import { ServerSlots } from '../engines/kettle/slots.js';
import { borrow, wordsOf } from './borrow.js';

/** A database of the estate with its few connections. */
export interface PostgresDatabase extends Database {
  close(): Promise<void>;
}

const CONNECTIONS = 3;
const CATALOG_WITHIN_MS = 10_000;
/** A check must not queue behind a lock for all of its time: whoever holds it is perhaps what the check is about. */
const LOCK_WITHIN_MS = 5000;
const BATCH_ROWS = 200;
const MAX_CHARACTERS = 4 * 1024 * 1024;
const { INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC, OID, BOOL } = pg.types.builtins;
type TypeId = Parameters<typeof pg.types.getTypeParser>[0];
const PLAIN: readonly TypeId[] = [INT2, INT4, FLOAT4, FLOAT8, OID, BOOL];
const LONG: readonly TypeId[] = [INT8, NUMERIC];

/**
 * PostgreSQL 14 and newer, behind the port. Everything runs in read-only transactions that are rolled back.
 * @param options `name` as in the estate, for messages; the URL never shows
 */
export function createPostgresDatabase(options: {
  readonly name: string;
  readonly url: Secret;
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
}): PostgresDatabase {
  const { name, clock } = options;
  const pool = new pg.Pool({
    connectionString: options.url.reveal(),
    application_name: 'offboil',
    options: '-c default_transaction_read_only=on',
    max: CONNECTIONS,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 10_000,
    types: { getTypeParser: parserOf },
  });
  pool.on('error', () => undefined); // an idle connection was lost: the next one is made anew

  // Who waits for one of ours is not told that the database gave none: the times count from the turn.
  const turns = new ServerSlots(CONNECTIONS);
  // One is left to find and end sessions while owners' queries take their time.
  const queryTurns = new ServerSlots(CONNECTIONS - 1);
  const run = <T>(withinMs: number, signal: AbortSignal, work: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
    inTurn(turns, signal, () =>
      borrow(pool, signal, (error) => databaseError(name, error), work, { ms: withinMs, clock }),
    );
  const rows = <S extends z.ZodType>(
    schema: S,
    text: string,
    values: readonly unknown[],
    signal: AbortSignal,
  ): Promise<z.output<S>[]> =>
    run(CATALOG_WITHIN_MS, signal, async (client) =>
      z.array(schema).parse((await client.query<Record<string, unknown>>(text, [...values])).rows),
    );

  return {
    async probe(signal) {
      const asked = clock.now();
      const [row] = await rows(probeRow, PROBE, [], signal);
      if (row === undefined)
        throw new OffboilError('INTERNAL', `${name} answered a question about itself with nothing`);
      const rights = [row.sees ? 'see sessions' : '', row.ends ? 'end sessions' : ''].filter((right) => right !== '');
      return {
        product: `PostgreSQL ${row.version}`,
        rights,
        clockSkewMs: Math.round(row.now - (asked + clock.now()) / 2),
      };
    },

    query: (sql, limits, signal) =>
      inTurn(queryTurns, signal, () => run(limits.timeoutMs + 2000, signal, (client) => readOnly(client, sql, limits))),

    async sessions(match, signal) {
      const found = await rows(sessionRow, SESSIONS, [match.applicationName, match.user ?? null], signal);
      return found.map((row): DatabaseSession => {
        if (row.started_at === null) throw hidden(name, match.applicationName);
        return {
          pid: row.pid,
          startedAt: row.started_at,
          applicationName: row.application_name,
          user: row.usename,
          client: row.client,
          state: row.state,
          hasWritten: row.has_written,
        };
      });
    },

    async endSession(session, mayLeave, signal) {
      const identity = [session.pid, session.startedAt, session.applicationName, session.user];
      try {
        // Asked with the connection in hand: a ready connection writes the statement in the same step.
        const found = await run(CATALOG_WITHIN_MS, signal, async (client) =>
          mayLeave() ? z.array(endRow).parse((await client.query(END, identity)).rows) : 'heldBack',
        );
        if (found === 'heldBack') return found;
        const [row] = found;
        if (row?.hidden === true) return 'refused';
        if (row === undefined || row.ended === null) return 'gone';
        if (row.ended) return 'ended';
      } catch (error) {
        if (error instanceof OffboilError && error.fields['sqlState'] === INSUFFICIENT_PRIVILEGE) return 'refused';
        throw error;
      }
      throw new OffboilError(
        'DATABASE_UNAVAILABLE',
        `${name} was asked to end session ${session.pid}, which is still there after 5 s. Ask again.`,
      );
    },

    close: () => pool.end(),
  };
}

const probeRow = z.object({ version: z.string(), now: z.number(), sees: z.boolean(), ends: z.boolean() });
const PROBE = `
SELECT current_setting('server_version') AS version, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees, pg_has_role('pg_signal_backend', 'USAGE') AS ends`;

const sessionRow = z.object({
  pid: z.number(),
  started_at: z.string().nullable(),
  application_name: z.string(),
  usename: z.string(),
  client: z.string(),
  state: z.string(),
  has_written: z.boolean(),
});
/** Without rights every column behind the application name is null, "backend_type" too: such rows must be seen and refused. */
const SESSIONS = `
SELECT pid, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at, application_name, usename::text,
       coalesce(host(client_addr) || ':' || client_port, 'local') AS client, coalesce(state, 'unknown') AS state,
       backend_xid IS NOT NULL AS has_written
  FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = $1 AND ($2::text IS NULL OR usename = $2)
   AND (backend_type = 'client backend' OR backend_type IS NULL) AND pid <> pg_backend_pid()
 ORDER BY pid`;

const endRow = z.object({ hidden: z.boolean(), ended: z.boolean().nullable() });
/** Looks and ends in one statement. A pooled session may serve somebody else by now: then its application name tells. */
const END = `
SELECT backend_start IS NULL AS hidden,
       CASE WHEN backend_start = $2::timestamptz AND application_name = $3 AND usename = $4 AND pid <> pg_backend_pid()
            THEN pg_terminate_backend(pid, 5000) END AS ended
  FROM pg_stat_activity WHERE pid = $1`;

const INSUFFICIENT_PRIVILEGE = '42501';
/** "Not now": connection, resources, operator or time limit, system, lock not available, cannot connect now. */
const AWAY = /^(08|53|57|58|55P03)/;

async function inTurn<T>(turns: ServerSlots, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const giveBack = await turns.take(signal);
  try {
    return await work();
  } finally {
    giveBack();
  }
}

function hidden(name: string, applicationName: string): OffboilError {
  return new OffboilError(
    'DATABASE_REFUSED',
    `${name} does not let our account see the sessions named "${applicationName}". None was ended. Grant it pg_read_all_stats and pg_signal_backend.`,
  );
}

async function readOnly(
  client: pg.PoolClient,
  sql: string,
  limits: { timeoutMs: number; maxRows: number },
): Promise<QueryResult> {
  await client.query('BEGIN READ ONLY');
  try {
    await client.query(`SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)`, [
      String(limits.timeoutMs),
      String(Math.min(limits.timeoutMs, LOCK_WITHIN_MS)),
    ]);
    return await readCursor(client.query(new Cursor<unknown[]>(sql, [], { rowMode: 'array' })), limits.maxRows);
  } finally {
    await client.query('ROLLBACK').catch(() => undefined); // the connection is gone, and the transaction with it
  }
}

/** Reads until one row more than allowed, or until it is more text than any check needs. */
async function readCursor(cursor: Cursor<unknown[]>, maxRows: number): Promise<QueryResult> {
  const rows: unknown[][] = [];
  let columns: readonly string[] = [];
  let characters = 0;
  try {
    while (rows.length <= maxRows && characters <= MAX_CHARACTERS) {
      const batch = await readBatch(cursor, Math.min(BATCH_ROWS, maxRows + 1 - rows.length));
      columns = batch.columns ?? columns;
      if (batch.rows.length === 0) return { columns, rows, truncated: false };
      rows.push(...batch.rows);
      characters += batch.rows.reduce(
        (sum, row) => sum + row.reduce<number>((length, value) => length + String(value).length, 0),
        0,
      );
    }
    return { columns, rows: rows.slice(0, maxRows), truncated: true };
  } finally {
    await cursor.close();
  }
}

function readBatch(
  cursor: Cursor<unknown[]>,
  count: number,
): Promise<{ columns?: readonly string[]; rows: unknown[][] }> {
  return new Promise((resolve, reject) => {
    // a read behind the end calls back without a result, which @types/pg-cursor does not say
    cursor.read(count, (error: Error | undefined, rows, result: pg.QueryResult | undefined) => {
      if (error) reject(error);
      else resolve({ rows, ...(result === undefined ? {} : { columns: result.fields.map((field) => field.name) }) });
    });
  });
}

/** Numbers where they stay exact, so that a count compares with 0; all else as PostgreSQL writes it. */
function parserOf(oid: TypeId, format?: 'text' | 'binary'): (text: string) => unknown {
  if (PLAIN.includes(oid)) return pg.types.getTypeParser(oid, format) as (text: string) => unknown; // @types/pg says any
  if (LONG.includes(oid)) return (text) => (/^-?[\d.]{1,15}$/.test(text) ? Number(text) : text);
  return (text) => text;
}

function databaseError(name: string, error: Error): Error {
  if (error instanceof pg.DatabaseError) {
    const sqlState = error.code ?? '';
    const code = AWAY.test(sqlState) ? 'DATABASE_UNAVAILABLE' : 'DATABASE_REFUSED';
    return new OffboilError(
      code,
      `${name} answered: ${error.message}. Nothing was changed.`,
      { database: name, sqlState },
      { cause: error },
    );
  }
  if (
    error instanceof OffboilError ||
    error instanceof z.ZodError ||
    !(error instanceof Error) ||
    error.name === 'AbortError'
  )
    return error;
  return new OffboilError(
    'DATABASE_UNAVAILABLE',
    `${name} did not answer: ${wordsOf(error)}. Nothing was changed.`,
    { database: name },
    { cause: error },
  );
}
