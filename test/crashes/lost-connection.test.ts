import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { borrow } from '../../adapters/databases/borrow.js';
import { usePostgres } from '../support/postgres.js';

/** Ended by the database between two statements, when no query waits for the error: such an event once ended whole workers. */
describe('a borrowed connection that is lost between two statements', () => {
  const postgres = usePostgres();

  it('fails the next statement, leaves the process alone, and the pool makes a new one', async () => {
    const pool = new pg.Pool({ connectionString: postgres.url, max: 1 });
    const never = new AbortController().signal;
    const count = async (client: pg.ClientBase): Promise<number | null> => (await client.query('SELECT 1')).rowCount;
    try {
      const lost = borrow(
        pool,
        never,
        (error) => error,
        async (client) => {
          const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
          const ended = new Promise((resolve) => client.once('end', resolve)); // `once` of node:events would listen to errors too
          const other = new pg.Client({ connectionString: postgres.url });
          await other.connect();
          await other.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]).finally(() => other.end());
          await ended;
          return count(client);
        },
      );
      await expect(lost).rejects.toThrow();
      expect(await borrow(pool, never, (error) => error, count)).toBe(1);
    } finally {
      await pool.end();
    }
  });
});
