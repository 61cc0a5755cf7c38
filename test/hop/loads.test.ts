import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { endlessPipeline, jdbcTarget, loadPipeline, parentWorkflow } from '../../sandbox/hop/harness.js';
import { usePostgres } from '../support/postgres.js';
import { describeOnHop, HopScene, signal, waitFor } from './scene.js';

/** A batch that never gets full, so that whatever is in the table after a stop came from the open batch. */
const NEVER_FULL = 1_000_000;

describeOnHop('a load into PostgreSQL on a real Hop Server', () => {
  const postgres = usePostgres();
  const hop = HopScene.use('loads');
  let client: pg.Client;

  beforeAll(async () => {
    client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query('create table orders (run_id text, batch_id bigint, row_nr bigint)');
  });
  beforeEach(() => client.query('truncate orders'));
  afterAll(() => client.end());

  const load = (name: string, options: { commitSize: number; transactional?: boolean }): string =>
    loadPipeline(name, { database: jdbcTarget(postgres.url), table: 'orders', runId: name, pauseMs: 1, ...options });

  const rows = async (): Promise<number> => {
    const { rows: counted } = await client.query<{ n: number }>('select count(*)::int as n from orders');
    return counted[0]?.n ?? 0;
  };

  const sessions = async (name: string): Promise<number> => {
    const { rowCount } = await client.query('select 1 from pg_stat_activity where application_name = $1', [name]);
    return rowCount ?? 0;
  };

  const endSessions = (name: string): Promise<unknown> =>
    client.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [name]);

  /** Rows that the loading transform has taken, committed or not. */
  const taken = async (ref: Parameters<typeof hop.stop>[0]): Promise<number> => {
    const { steps } = await hop.engine.inspect(ref, signal);
    return steps.find(({ name }) => name === 'load')?.output ?? 0;
  };

  const untilTaken = (ref: Parameters<typeof hop.stop>[0], atLeast: number): Promise<number> =>
    waitFor(`${atLeast} rows taken`, async () => {
      const count = await taken(ref);
      return count >= atLeast ? count : undefined;
    });

  it('commits its open batch when it is stopped', async () => {
    const orders = await hop.runningPipeline(load('load_orders', { commitSize: NEVER_FULL }));
    await untilTaken(orders, 50);
    expect(await rows()).toBe(0);
    await hop.stop(orders);
    await hop.untilEnded(orders);
    expect(await rows()).toBe(await taken(orders));
    expect(await rows()).toBeGreaterThan(0);
    expect(await sessions('load_orders')).toBe(0);
  });

  it('leaves nothing when it is transactional and stopped', async () => {
    const orders = await hop.runningPipeline(load('load_once', { commitSize: 10, transactional: true }));
    await untilTaken(orders, 50);
    await hop.stop(orders);
    await hop.untilEnded(orders);
    expect(await rows()).toBe(0);
  });

  it('run by a workflow commits its open batch too when the workflow is stopped', async () => {
    const file = hop.server.writeFile('load_kid.hpl', load('load_kid', { commitSize: NEVER_FULL }));
    const parent = await hop.runningWorkflow(parentWorkflow('nightly', { file, wait: true }));
    await waitFor('the child to load', async () => ((await sessions('load_kid')) === 1 ? true : undefined));
    await waitFor('rows on their way', async () => ((await hop.threadsOf('load_kid')).length === 2 ? true : undefined));
    await hop.stop(parent);
    await hop.untilEnded(parent);
    expect(await rows()).toBeGreaterThan(0);
    expect(await sessions('load_kid')).toBe(0);
  });

  it('whose database session is ended keeps whole commits only, and ends with errors without any stop', async () => {
    const orders = await hop.runningPipeline(load('load_cut', { commitSize: 50 }));
    await waitFor('two commits', async () => ((await rows()) >= 100 ? true : undefined));
    await endSessions('load_cut');
    expect(await hop.untilEnded(orders)).toMatchObject({ word: 'Finished (with errors)' });
    expect((await rows()) % 50).toBe(0);
    const detail = await hop.engine.inspect(orders, signal);
    expect(detail.proves).toBe('ended');
    expect(detail.errors).toBeGreaterThan(0);
    expect(detail.stoppedFlag).toBe(true); // a failure sets it too: only the error count tells
  });

  it('that hangs in the database stays Halting after a stop until its session is ended, and then nothing is left', async () => {
    const locker = new pg.Client({ connectionString: postgres.url });
    await locker.connect();
    try {
      await locker.query('begin; lock table orders in access exclusive mode');
      const orders = await hop.runningPipeline(load('load_stuck', { commitSize: 10 }));
      await waitFor('the insert to wait for the lock', async () => {
        const { rowCount } = await client.query(
          `select 1 from pg_stat_activity where application_name = 'load_stuck' and wait_event_type = 'Lock'`,
        );
        return rowCount === 1 ? true : undefined;
      });
      await hop.stop(orders);
      expect(await hop.until(orders, ({ word }) => word === 'Halting')).toMatchObject({ state: 'ending' });
      await endSessions('load_stuck');
      expect(await hop.untilEnded(orders)).toMatchObject({ word: 'Finished (with errors)' });
    } finally {
      await locker.end();
    }
    expect(await rows()).toBe(0);
  });

  it('that was started again under its id is ended by ending its session, where a stop does nothing', async () => {
    const orders = await hop.runningPipeline(load('load_again', { commitSize: 20 }));
    await hop.until(orders, ({ state }) => state === 'active');
    await hop.stop(orders);
    await hop.untilEnded(orders);
    await hop.server.start({ ...orders, kind: 'pipeline' });
    await hop.until(orders, ({ remark }) => remark !== undefined);
    await hop.stop(orders);
    await untilTaken(orders, 60);
    expect(await hop.seen(orders)).toMatchObject({ word: 'Running' });
    await waitFor('its session to be seen', async () => ((await sessions('load_again')) === 1 ? true : undefined));
    await endSessions('load_again');
    expect(await hop.untilEnded(orders)).toMatchObject({ word: 'Finished (with errors)' });
  });

  it('is started again by a rerun: registered anew, with its parameters, under an id that a stop reaches', async () => {
    const document = loadPipeline('load_late', {
      database: jdbcTarget(postgres.url),
      table: 'orders',
      runId: '${BATCH}', // resolved by Hop
      commitSize: 10,
      parameters: { BATCH: 'none given' },
    });
    const held = await hop.runningPipeline(document);
    await hop.stop(held);
    await hop.untilEnded(held);
    const run = hop.server.writeFile('load_late.hpl', `<?xml version="1.0" encoding="UTF-8"?>\n${document}`);

    const rerun = await hop.engine.start({ held, run }, { BATCH: 'of <today> & "night"' }, () => true, signal);
    if (rerun === 'heldBack') throw new Error('nobody held it back');
    expect(rerun).toMatchObject({ server: 'loads', name: 'load_late', kind: 'pipeline' });
    expect(rerun.id).not.toBe(held.id);
    await waitFor('rows of the rerun', async () => {
      const { rowCount } = await client.query(`select 1 from orders where run_id = 'of <today> & "night"' limit 1`);
      return rowCount === 1 ? true : undefined;
    });
    await hop.stop(rerun);
    expect(await hop.untilEnded(rerun)).toMatchObject({ word: 'Finished' });
  });

  it('that the server cannot start is a refused rerun, and nothing of it stays in the list', async () => {
    const held = await hop.runningPipeline(endlessPipeline('held'));
    const run = hop.server.writeFile(
      'no_such.hpl',
      load('no_such', { commitSize: 10 }).replace('OffboilLoadRows', 'NoSuchTransform'),
    );
    await expect(hop.engine.start({ held, run }, {}, () => true, signal)).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
    });
    expect((await hop.engine.list(signal)).map(({ name }) => name)).toEqual(['held']);
  });
});
