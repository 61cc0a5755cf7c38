import pg from 'pg';
import type { Load, TaskSpec } from '../../sandbox/index.js';
import type { TestPostgres } from '../support/postgres.js';
import { aTask, eventually } from '../support/system.js';

/** A task that really loads rows, over a session named after it. */
export function aLoad(
  name: string,
  load: Partial<Load> & Pick<Load, 'table'>,
  change: Partial<TaskSpec> = {},
): TaskSpec {
  return aTask(name, { mode: 'loading', load: { rowsPerSecond: 700, applicationName: name, ...load }, ...change });
}

/** The estate's word for the database that the tasks load into. */
export function warehouse({ url }: TestPostgres): {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
} {
  return { name: 'warehouse', kind: 'postgresql', url };
}

/** One statement on the warehouse; the rows. */
export async function sql(postgres: TestPostgres, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Committed rows of a table. */
export async function rowsIn(postgres: TestPostgres, table: string): Promise<number> {
  const [row] = await sql(postgres, `SELECT count(*)::int AS n FROM ${table}`);
  return Number(row?.['n']);
}

/** Process ids of the sessions of that application name. */
export async function sessionsOf(postgres: TestPostgres, applicationName: string): Promise<number[]> {
  const rows = await sql(
    postgres,
    `SELECT pid FROM pg_stat_activity WHERE application_name = '${applicationName}' ORDER BY pid`,
  );
  return rows.map(({ pid }) => Number(pid));
}

/** Waits until each of these has a session with an open transaction in it. */
export async function untilLoading(
  postgres: TestPostgres,
  applicationNames: readonly string[],
  sessions = 1,
): Promise<void> {
  for (const name of applicationNames) {
    await eventually(async () => {
      const rows = await sql(
        postgres,
        `SELECT pid FROM pg_stat_activity WHERE application_name = '${name}' AND backend_xid IS NOT NULL`,
      );
      if (rows.length < sessions) throw new Error(`${name} has ${rows.length} loading sessions`);
    });
  }
}
