import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPostgresDatabase, type PostgresDatabase } from '../../../adapters/databases/postgresql.js';
import { systemClock } from '../../../worker/clock.js';
import { Secret } from '../../../domain/secret.js';
import { usePostgres } from '../../support/postgres.js';

const postgres = usePostgres();
const never = new AbortController().signal;
const always = () => true;
const limits = { timeoutMs: 5000, maxRows: 100 };
const clients: pg.Client[] = [];
let warehouse: PostgresDatabase;
let blind: PostgresDatabase;

const mark = `t${process.pid}_${Date.now().toString(36)}`;
const clerk = `clerk_${mark}`;

async function connect(
  applicationName: string,
  user?: string,
): Promise<{ client: pg.Client; pid: number; lost: Promise<unknown> }> {
  const url = new URL(postgres.url);
  if (user !== undefined) [url.username, url.password] = [user, 'clerk'];
  const client = new pg.Client({ connectionString: url.href, application_name: applicationName });
  const lost = new Promise((resolve) => client.on('error', resolve));
  await client.connect();
  clients.push(client);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return { client, pid: rows[0]?.pid ?? 0, lost };
}

const databaseAt = (url: string) =>
  createPostgresDatabase({ name: 'warehouse', url: new Secret(url), clock: systemClock });

beforeAll(async () => {
  const { client } = await connect('setup');
  await client.query(
    `CREATE TABLE orders (id integer PRIMARY KEY, amount numeric); INSERT INTO orders SELECT n, n FROM generate_series(1, 250) n`,
  );
  await client.query(`CREATE ROLE ${clerk} LOGIN PASSWORD 'clerk'`);
  warehouse = databaseAt(postgres.url);
  const url = new URL(postgres.url);
  [url.username, url.password] = [clerk, 'clerk'];
  blind = databaseAt(url.href);
});

afterEach(async () => {
  for (const client of clients.splice(1)) await client.end().catch(() => undefined); // some were ended by the test
});

afterAll(async () => {
  await warehouse.close();
  await blind.close();
  const [client] = clients;
  await client?.query(`DROP OWNED BY ${clerk}; DROP ROLE ${clerk}`);
  await client?.end();
});

describe('a check on a database', () => {
  it('gets columns and rows, with counts as numbers', async () => {
    expect(
      await warehouse.query('SELECT count(*) AS n, sum(amount) AS total, NULL AS nothing FROM orders', limits, never),
    ).toEqual({
      columns: ['n', 'total', 'nothing'],
      rows: [[250, 31375, null]],
      truncated: false,
    });
  });

  it('gets its columns also when nothing matches', async () => {
    expect(await warehouse.query('SELECT id FROM orders WHERE id < 0', limits, never)).toEqual({
      columns: ['id'],
      rows: [],
      truncated: false,
    });
  });

  it('gets at most the rows it asked for, and is told so', async () => {
    const { rows, truncated } = await warehouse.query(
      'SELECT id FROM orders',
      { timeoutMs: 5000, maxRows: 100 },
      never,
    );
    expect([rows.length, truncated]).toEqual([100, true]);
    const all = await warehouse.query('SELECT id FROM orders', { timeoutMs: 5000, maxRows: 250 }, never);
    expect([all.rows.length, all.truncated]).toEqual([250, false]);
  });

  for (const sql of [
    'DELETE FROM orders',
    'WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone',
    'CREATE TABLE x (n int)',
    'COMMIT; DELETE FROM orders',
  ]) {
    it(`cannot write by ${sql}`, async () => {
      await expect(warehouse.query(sql, limits, never)).rejects.toMatchObject({ code: 'DATABASE_REFUSED' });
      expect((await warehouse.query('SELECT count(*) FROM orders', limits, never)).rows).toEqual([[250]]);
    });
  }

  it('is given up after its time', async () => {
    await expect(warehouse.query('SELECT pg_sleep(30)', { timeoutMs: 100, maxRows: 1 }, never)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
  });

  it('is given up at once when aborted', async () => {
    const abort = new AbortController();
    const waiting = warehouse.query('SELECT pg_sleep(30)', limits, abort.signal);
    abort.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
  });

  it('on a database that is away says so, without the password', async () => {
    const away = databaseAt('postgres://ops:hunter2@127.0.0.1:1/warehouse');
    const failing = away.query('SELECT 1', limits, never);
    await expect(failing).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await expect(failing).rejects.not.toThrow('hunter2');
    await away.close();
  });
});

describe("a task's sessions", () => {
  it('are found by the whole application name and the user, with what they have written', async () => {
    const { client, pid } = await connect('load_orders');
    await connect('load_orders_2');
    await client.query('BEGIN');
    const before = await warehouse.sessions({ applicationName: 'load_orders' }, never);
    await client.query('UPDATE orders SET amount = 0 WHERE id = 1');
    const after = await warehouse.sessions({ applicationName: 'load_orders', user: 'offboil' }, never);
    expect(before).toMatchObject([{ pid, hasWritten: false, state: 'idle in transaction', user: 'offboil' }]);
    expect(after).toMatchObject([{ pid, hasWritten: true, startedAt: before[0]?.startedAt }]);
    expect(await warehouse.sessions({ applicationName: 'load_orders', user: 'somebody' }, never)).toEqual([]);
  });

  it('are never our own', async () => {
    const { pid } = await connect('offboil');
    const found = await warehouse.sessions({ applicationName: 'offboil' }, never);
    expect(found.map((session) => session.pid)).toContain(pid);
    const own = await warehouse.query('SELECT pg_backend_pid()', limits, never);
    expect(found.map((session) => session.pid)).not.toContain(own.rows[0]?.[0]);
  });

  it('that our account may not see are an error, not nothing', async () => {
    await connect('load_hidden');
    await expect(blind.sessions({ applicationName: 'load_hidden' }, never)).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
    });
  });
});

describe('more queries than connections', () => {
  it('wait for their turn, and leave one to look for sessions', { timeout: 30_000 }, async () => {
    const asked = ['a', 'b', 'c'].map((what) =>
      warehouse.query(`SELECT '${what}', pg_sleep(5.2)`, { timeoutMs: 8000, maxRows: 1 }, never),
    );
    let isAnswered = false;
    void asked[0]?.then(() => (isAnswered = true));
    expect(await warehouse.sessions({ applicationName: 'none' }, never)).toEqual([]);
    expect(isAnswered).toBe(false);
    expect((await Promise.all(asked)).map(({ rows }) => rows[0]?.[0])).toEqual(['a', 'b', 'c']);
  });

  it('are given up at once when aborted', async () => {
    const over = new AbortController();
    const asked = ['a', 'b', 'c'].map(() => warehouse.query('SELECT pg_sleep(20)', limits, over.signal));
    over.abort(new Error('enough'));
    for (const one of asked) await expect(one).rejects.toThrow('enough');
  });
});

describe('ending a session', () => {
  async function aSession(applicationName: string) {
    const opened = await connect(applicationName);
    const [session] = await warehouse.sessions({ applicationName }, never);
    if (session === undefined) throw new TypeError('just opened');
    return { ...opened, session };
  }

  it('rolls its open transaction back', async () => {
    const { client, session, lost } = await aSession('end_me');
    await client.query('BEGIN; DELETE FROM orders');
    expect(await warehouse.endSession(session, always, never)).toBe('ended');
    await lost;
    expect((await warehouse.query('SELECT count(*) FROM orders', limits, never)).rows).toEqual([[250]]);
  });

  it('leaves alone a later session under the same number, or one that serves somebody else by now', async () => {
    const { client, session } = await aSession('pooled');
    expect(await warehouse.endSession({ ...session, startedAt: '2026-01-01T00:00:00.000000Z' }, always, never)).toBe(
      'gone',
    );
    await client.query(`SET application_name = 'another task'`);
    expect(await warehouse.endSession(session, always, never)).toBe('gone');
    expect((await client.query('SELECT 1')).rowCount).toBe(1);
  });

  it('asks for the right to with its connection in hand, and without it leaves the session alone', async () => {
    const { client, session } = await aSession('held_back');
    let mayLeave = true;
    const ending = warehouse.endSession(session, () => mayLeave, never);
    mayLeave = false;
    expect(await ending).toBe('heldBack');
    expect((await client.query('SELECT 1')).rowCount).toBe(1);
  });

  it('that has ended meanwhile finds it gone', async () => {
    const { client, session } = await aSession('short');
    await client.end();
    await vi.waitFor(async () => {
      expect(await warehouse.sessions({ applicationName: 'short' }, never)).toEqual([]);
    }, 5000);
    expect(await warehouse.endSession(session, always, never)).toBe('gone');
  });

  it('without the right to is refused', async () => {
    const { client, session } = await aSession('not_yours');
    expect(await blind.endSession(session, always, never)).toBe('refused');
    await clients[0]?.query(`GRANT pg_read_all_stats TO ${clerk}`);
    expect(await blind.endSession(session, always, never)).toBe('refused');
    await clients[0]?.query(`REVOKE pg_read_all_stats FROM ${clerk}`);
    expect((await client.query('SELECT 1')).rowCount).toBe(1);
  });
});

describe('a probe', () => {
  it('tells product, version, rights and clock', async () => {
    const seen = await warehouse.probe(never);
    expect(seen.product).toMatch(/^PostgreSQL \d+/);
    expect(seen.rights).toEqual(['see sessions', 'end sessions']);
    expect(Math.abs(seen.clockSkewMs)).toBeLessThan(2000);
    expect((await blind.probe(never)).rights).toEqual([]);
  });
});
