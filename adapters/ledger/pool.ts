import pg from 'pg';
import { z } from 'zod';
import { OffboilError } from '../../domain/errors.js';
import { borrow, wordsOf } from '../databases/borrow.js';

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/** Statements against the ledger; every value that comes back passes a schema. */
export interface Sql {
  rows<S extends z.ZodType>(
    schema: S,
    text: string,
    values: readonly unknown[],
    signal: AbortSignal,
  ): Promise<z.output<S>[]>;
  /** @returns how many rows were touched */
  run(text: string, values: readonly unknown[], signal: AbortSignal): Promise<number>;
}

/** A bounded pool that heals by itself after the database was away. */
export interface LedgerPool extends Sql {
  transaction<T>(
    begin: 'BEGIN' | 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    signal: AbortSignal,
    work: (sql: Sql) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

/** What one connection may cost. `look` must answer within a lease, so it has connections and limits of its own. */
export interface PoolLimits {
  readonly connections: number;
  readonly statementMs: number;
}

/** Connection settings that every connection of ours shares. */
export function connection(url: string, limits: PoolLimits): pg.PoolConfig {
  return {
    connectionString: url,
    application_name: 'offboil',
    max: limits.connections,
    connectionTimeoutMillis: Math.min(5000, limits.statementMs),
    statement_timeout: limits.statementMs,
    // the client's own limit, for a network that swallows the answer; later than the server's, so that the server says why
    query_timeout: limits.statementMs + 2000,
    // a worker that stands still inside a transaction must not hold up who takes over
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    types: {
      // counts, times and sequence numbers of the ledger stay far below 2^53
      getTypeParser: (oid: TypeId, format?: 'text' | 'binary') =>
        // @types/pg says any
        oid === pg.types.builtins.INT8 ? Number : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
    },
  };
}

export function createPool(url: string, limits: PoolLimits): LedgerPool {
  const pool = new pg.Pool(connection(url, limits));
  pool.on('error', () => undefined); // an idle connection was lost: the next one is made anew
  return {
    rows: (schema, text, values, signal) =>
      borrow(pool, signal, ledgerError, (client) => sqlOf(client).rows(schema, text, values, signal)),
    run: (text, values, signal) =>
      borrow(pool, signal, ledgerError, (client) => sqlOf(client).run(text, values, signal)),
    transaction: (begin, signal, work) =>
      borrow(pool, signal, ledgerError, (client) => inTransaction(client, begin, work)),
    close: () => pool.end(),
  };
}

function sqlOf(client: pg.ClientBase): Sql {
  return {
    async rows(schema, text, values, signal) {
      signal.throwIfAborted();
      const { rows } = await client.query<Record<string, unknown>>(text, values.map(storable));
      return z.array(schema).parse(rows);
    },
    async run(text, values, signal) {
      signal.throwIfAborted();
      return (await client.query(text, values.map(storable))).rowCount ?? 0;
    },
  };
}

async function inTransaction<T>(client: pg.ClientBase, begin: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  await client.query(begin);
  try {
    const made = await work(sqlOf(client));
    await client.query('COMMIT');
    return made;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the connection is gone, and the transaction with it
    throw error;
  }
}

/** SQLSTATE of our own functions. */
const CLAIM_LOST = 'OB001';
/** Classes and codes of the server that say "not now": connection, resources, operator, deadlock, login, unknown database. */
const AWAY = /^(08|53|57|58|28|3D|40|25P03|55P03)/;

function ledgerError(error: Error): Error {
  if (error instanceof OffboilError) return error;
  if (error instanceof z.ZodError) {
    return new OffboilError(
      'INTERNAL',
      `A row of the ledger does not read as expected: ${z.prettifyError(error)}`,
      {},
      { cause: error },
    );
  }
  const code = error instanceof pg.DatabaseError ? (error.code ?? '') : undefined;
  if (code === CLAIM_LOST) {
    return new OffboilError(
      'CLAIM_LOST',
      'Another worker has taken this shard. Nothing was written; it goes on there.',
      {},
      { cause: error },
    );
  }
  if (code === '42P01' || code === '42883') {
    return new OffboilError(
      'LEDGER_UNAVAILABLE',
      `The ledger is not set up (${error.message}). Run "offboil setup".`,
      {},
      { cause: error },
    );
  }
  if (code === undefined || AWAY.test(code)) {
    return new OffboilError(
      'LEDGER_UNAVAILABLE',
      `The ledger did not answer: ${wordsOf(error)}. What is not in it has not happened; it is asked again.`,
      {},
      { cause: error },
    );
  }
  return new OffboilError(
    'INTERNAL',
    `The ledger refused a statement: ${error.message}`,
    { sqlState: code },
    { cause: error },
  );
}

/** PostgreSQL stores neither NUL nor half of a surrogate pair, and a server's log may hold both. */
const UNSTORABLE = /[\0\p{Surrogate}]/gu;

function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(UNSTORABLE, '\uFFFD');
  return Array.isArray(value) ? value.map(storable) : value;
}

/** A value as JSON text that PostgreSQL takes. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => (typeof field === 'string' ? storable(field) : field));
}
