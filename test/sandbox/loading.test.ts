import pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { Load, PersonalityName } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aJob, aServer, aTask, until } from './caller.js';

const postgres = usePostgres();

async function sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

const sessions = (name: string) => sql('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [name]);
const endSessions = (name: string) =>
  sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [name]);
const rowsIn = async (table: string) =>
  (await sql<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n ?? 0;

/** A server with one loading task that is past its first commit and has rows in an open batch. */
async function aLoad(personality: PersonalityName, table: string, { load = {}, ...rest }: Rest = {}) {
  const spec = { mode: 'loading' as const, load: { table, rowsPerSecond: 4000, commitSize: 1000, ...load }, ...rest };
  const task = rest.kind === 'job' ? aJob(spec) : aTask(spec);
  const server = await aServer(personality, [task], { databaseUrl: postgres.url });
  const truth = async () => {
    const found = (await server.fleet.tasks()).find(({ id }) => id === task.id);
    if (found === undefined) throw new Error('the task is gone');
    return found;
  };
  await until(truth, ({ rows, rowsCommitted }) => rows >= 1000 && rows > rowsCommitted);
  return { ...server, truth, id: task.id ?? '' };
}
interface Rest {
  readonly kind?: 'job';
  readonly load?: Partial<Load>;
  readonly traits?: { readonly haltsForever: true };
}

describe('a load', () => {
  it('commits every commitSize rows and marks them with its batch', async () => {
    const { fleet } = await aLoad('8.3', 'marked', { load: { rowsPerSecond: 2000 } });
    await until(() => rowsIn('marked'), (n) => n >= 1000); // prettier-ignore
    expect((await rowsIn('marked')) % 1000).toBe(0);
    expect(await sql('SELECT DISTINCT batch_id FROM marked')).toEqual([{ batch_id: 'carte/t1' }]);
    expect(await fleet.tasks()).toMatchObject([{ batchId: 'carte/t1', applicationName: 'kettle:load_orders' }]);
    expect(await sessions('kettle:load_orders')).toHaveLength(1);
  });

  it('that is stopped commits its open batch too', async () => {
    const { get, word, truth } = await aLoad('5.4', 'flushed', { load: { commitSize: 100_000 } });
    expect(await rowsIn('flushed')).toBe(0);
    await get('stopTrans', { id: 't1', name: 'load_orders' });
    await until(() => word('t1'), (now) => now === 'Stopped'); // prettier-ignore
    const { rows, rowsCommitted } = await truth();
    expect(rows).toBeLessThan(100_000);
    expect([await rowsIn('flushed'), rowsCommitted]).toEqual([rows, rows]);
    expect(await sessions('kettle:load_orders')).toEqual([]);
  });

  it('that is transactional commits half a load when it is stopped', async () => {
    const { get, word, truth } = await aLoad('5.4', 'half', { load: { transactional: true } });
    await until(truth, ({ rows }) => rows > 1500);
    expect(await rowsIn('half')).toBe(0);
    await get('stopTrans', { id: 't1', name: 'load_orders' });
    await until(() => word('t1'), (now) => now === 'Stopped'); // prettier-ignore
    expect(await rowsIn('half')).toBe((await truth()).rows);
  });

  it.each([
    ['5.4', 'Stopped'],
    ['7.1', 'Finished (with errors)'],
    ['9.4', 'Finished (with errors)'],
  ] as const)('whose session is ended keeps only whole commits and ends on %s as %s', async (personality, end) => {
    const table = `whole_${personality.replace('.', '_')}`;
    const { get, word, truth } = await aLoad(personality, table, { load: { applicationName: table } });
    await endSessions(table);
    await until(() => word('t1'), (now) => now === end); // prettier-ignore
    const { rows, rowsCommitted } = await truth();
    expect(await rowsIn(table)).toBe(rowsCommitted);
    expect(rowsCommitted).toBe(Math.floor(rows / 1000) * 1000);
    expect((await get('transStatus', { id: 't1' })).text).toContain('<nr_errors>1</nr_errors>');
  });

  it('that is transactional keeps nothing when its session is ended', async () => {
    const { word } = await aLoad('5.4', 'nothing', { load: { transactional: true, applicationName: 'nothing' } });
    await endSessions('nothing');
    await until(() => word('t1'), (now) => now === 'Stopped'); // prettier-ignore
    expect(await rowsIn('nothing')).toBe(0);
  });

  it('that is stuck in Halting is freed by the end of its session', async () => {
    const load = { applicationName: 'stuck', commitSize: 100_000 };
    const { get, word } = await aLoad('9.4', 'stuck', { load, traits: { haltsForever: true } });
    await get('stopTrans', { id: 't1', name: 'load_orders' });
    expect(await word('t1')).toBe('Halting');
    await endSessions('stuck');
    await until(() => word('t1'), (now) => now === 'Finished (with errors)'); // prettier-ignore
    expect(await rowsIn('stuck')).toBe(0);
  });

  it('of a job on 5.4 goes on in Halting, and ends with its session', async () => {
    const { get, word, truth } = await aLoad('5.4', 'child', { kind: 'job', load: { applicationName: 'child' } });
    await get('stopJob', { id: 'j1', name: 'nightly' });
    const { rows } = await truth();
    await until(truth, (now) => now.rows > rows + 500 && now.state === 'halting');
    await endSessions('child');
    await until(() => word('j1'), (now) => now === 'Stopped &#x28;with errors&#x29;'); // prettier-ignore
  });

  it('of a job on 8.3 stops with it', async () => {
    const { get, word, truth } = await aLoad('8.3', 'child_stops', { kind: 'job' });
    await get('stopJob', { id: 'j1', name: 'nightly' });
    await until(() => word('j1'), (now) => now === 'Stopped'); // prettier-ignore
    expect(await rowsIn('child_stops')).toBe((await truth()).rows);
  });

  it('goes on, out of sight, after its task was removed', async () => {
    const { get, truth } = await aLoad('8.3', 'hidden');
    await get('removeTrans', { id: 't1', name: 'load_orders' });
    const before = await rowsIn('hidden');
    await until(() => rowsIn('hidden'), (n) => n > before); // prettier-ignore
    expect(await truth()).toMatchObject({ hidden: true, threads: 1 });
  });

  it('is rolled back when the server starts anew', async () => {
    const { fleet } = await aLoad('8.3', 'rolled_back', { load: { transactional: true, applicationName: 'rolled' } });
    await fleet.restart('carte');
    await until(() => sessions('rolled'), (left) => left.length === 0); // prettier-ignore
    expect(await rowsIn('rolled_back')).toBe(0);
  });
});
