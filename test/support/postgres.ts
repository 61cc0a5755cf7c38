import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { startPostgres } from '../../adapters/ledger/embedded/postgres-server.js';

/** A database of one test file; `url` is set once the file's hooks have run. */
export interface TestPostgres {
  readonly url: string;
}

/**
 * Gives a test file an empty database of its own, with a superuser's URL: in the suite's server where there is one
 * (`OFFBOIL_TEST_POSTGRES_URL`), else in a server of its own. Dropped at the end.
 */
export function usePostgres(): TestPostgres {
  const made = { url: '' };
  let drop = (): Promise<void> => Promise.resolve();
  beforeAll(async () => {
    const shared = process.env['OFFBOIL_TEST_POSTGRES_URL'];
    if (shared === undefined) {
      const server = await startPostgres({ folder: join(tmpdir(), `offboil-test-${randomBytes(6).toString('hex')}`) });
      made.url = server.url;
      drop = () => server.stop();
      return;
    }
    const name = `test_${randomBytes(6).toString('hex')}`;
    await execute(shared, `CREATE DATABASE ${name}`);
    const url = new URL(shared);
    url.pathname = `/${name}`;
    made.url = url.href;
    drop = () => execute(shared, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
  afterAll(() => drop());
  return made;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
