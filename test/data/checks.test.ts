import { describe, expect, it } from 'vitest';
import { expectOnlyStopped } from '../faults/scene.js';
import type { TaskSpec } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { aLoad, rowsIn, sql, untilLoading, warehouse } from './scene.js';

/** Longer than any test: nothing of a load is committed before its end. */
const ONE_COMMIT = 1_000_000;

describe('a check of the data', () => {
  const postgres = usePostgres();

  it('that a stop turns red: ends the run incomplete, and starts the declared rerun with its parameters', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aLoad('load_orders', { table: 'orders', commitSize: ONE_COMMIT })])],
      estate: {
        databases: [warehouse(postgres)],
        tasks: [
          {
            match: { name: 'load_*' },
            checks: [
              {
                name: 'no half batch',
                database: 'warehouse',
                query: 'SELECT 1 FROM orders LIMIT 1',
                expect: { rows: 0 },
              },
            ],
            compensate: {
              kind: 'rerun',
              run: '/etl/load_orders',
              parameters: { FROM: '${sql:warehouse:SELECT count(*) FROM orders}', MODE: 'full & <again>' },
            },
          },
        ],
        policies: { watching: { extends: 'quick', watchAfter: '1s' } },
      },
    });
    await untilLoading(postgres, ['load_orders']);

    const { result, report } = await system.run({ policy: 'watching' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 1 } });
    expect(result.message).toContain('checks that turned red: 1');
    expect(report.checks).toMatchObject([
      { name: 'no half batch', before: 'green', after: 'red', detail: '1 row, expected 0' },
    ]);
    expect(report.compensations).toMatchObject([{ name: 'load_orders', kind: 'rerun', state: 'done' }]);
    const again = (await system.fleet.tasks()).find(({ id }) => id === report.compensations[0]?.started);
    const [stopped] = report.results;
    const loaded = (await system.fleet.tasks()).find(({ id }) => id === stopped?.id)?.rowsCommitted;
    expect(again).toMatchObject({ name: 'load_orders', parameters: { FROM: String(loaded), MODE: 'full & <again>' } });
    expect(report.cameBack).toEqual([]);
    expect(report.needsYou.join('\n')).toContain('"no half batch" on warehouse is red and was green before');
  });

  it('that was red before: is no damage of this run, and compensates nothing', async () => {
    const system = await aCheckedSystem('red_before', [aTask('load_orders')]);
    await sql(postgres, 'INSERT INTO red_before VALUES (1)');

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'completed', exitCode: 0 });
    expect(report.checks).toMatchObject([{ before: 'red', after: 'red' }]);
    expect(report.compensations).toEqual([]);
    expect((await system.fleet.tasks()).filter(({ state }) => state === 'running')).toEqual([]);
    await expectOnlyStopped(system, report.results);
  });

  it('that cannot be asked: is inconclusive, with the reason, and compensates nothing', async () => {
    const system = await aCheckedSystem('dropped', [aTask('load_orders')]);
    await sql(postgres, 'DROP TABLE dropped');

    const { report } = await system.run({});

    expect(report.checks).toMatchObject([{ before: 'inconclusive', after: 'inconclusive' }]);
    expect(report.checks[0]?.detail).toContain('relation "dropped" does not exist');
    expect(report.compensations).toEqual([]);
    expect(report.outcomes).toEqual({ stopped: 1 });
  });

  it('of a database that is away: holds up no stop, and shows no password', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders')])],
      estate: {
        databases: [warehouse({ url: 'postgresql://etl:w4rehouse-pw@127.0.0.1:9/none' })],
        tasks: [{ match: { name: '*' }, checks: [aCheck('anything')] }],
      },
    });

    const { report } = await system.run({});

    expect(report).toMatchObject({
      outcomes: { stopped: 1 },
      checks: [{ before: 'inconclusive', after: 'inconclusive' }],
    });
    expect(JSON.stringify(report)).not.toContain('w4rehouse-pw');
  });

  it('that turns red while its writer is not proven ended: starts no rerun, and says why', async () => {
    const system = await aCheckedSystem('unproven', [aTask('load_deaf', { traits: { ignoresStop: true } })]);
    const run = system.run({ policy: 'brief' });
    await spoilAfterTheFirstStop(system, 'unproven');

    const { result, report } = await run;

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { unconfirmed: 1 } });
    expect(report.checks).toMatchObject([{ before: 'green', after: 'red' }]);
    expect(report.compensations).toMatchObject([
      { state: 'notDone', detail: 'not proven ended: a rerun could double rows' },
    ]);
    expect((await system.fleet.log()).filter(({ path }) => path.startsWith('run') || path.startsWith('start'))).toEqual(
      [],
    );
  });

  it('before, that is slow: has no baseline, and what is red after the stop is told', { timeout: 60_000 }, async () => {
    const slow = [1, 2, 3, 4].map((n) => ({
      name: `slow ${n}`,
      database: 'warehouse',
      query: `SELECT ${n} FROM pg_sleep(25) WHERE NOT EXISTS (SELECT FROM late)`,
      expect: { rows: 0 },
    }));
    const system = await aCheckedSystem('late', [aTask('load_orders')], undefined, slow);
    const run = system.run({});
    await spoilAfterTheFirstStop(system, 'late');

    const { result, report } = await run;

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 1 } });
    expect(report.checks.find(({ name }) => name === 'nothing bad')).toMatchObject({ before: 'notRun', after: 'red' });
    expect(report.checks.filter(({ name }) => name !== 'nothing bad')).toMatchObject(
      slow.map(({ name }) => ({ name, before: 'notRun', after: 'green' })),
    );
  });

  it('that was red after the stop: stays red when the run is repeated', { timeout: 60_000 }, async () => {
    const system = await aCheckedSystem('mended', [aTask('load_orders')], { kind: 'manual', runbook: 'reload' });
    const request = aRequest();
    const handle = await system.start(request);
    await spoilAfterTheFirstStop(system, 'mended');
    await eventually(async () => expect((await handle.progress()).waits?.reason).toContain('a person must answer'));
    await system.temporal.workflow.getHandle(`offboil/${request.requestId}`).terminate('a test');
    await sql(postgres, 'DELETE FROM mended');

    const again = await system.start(request);
    await eventually(async () => expect((await again.progress()).waits?.reason).toContain('a person must answer'));
    const [task] = await system.fleet.tasks();
    await again.resolve({ by: 'dba', target: { server: 'carte-1', id: task?.id ?? '' }, note: 'reloaded' });

    expect(await again.result()).toMatchObject({ end: 'incomplete', exitCode: 2 });
    expect((await again.report()).checks).toMatchObject([{ before: 'green', after: 'red' }]);
  });

  it('that asks for a person: waits for the answer, says how to give it, and ends with it', async () => {
    const compensate = { kind: 'manual', runbook: 'https://wiki.corp/erp-reload' };
    const system = await aCheckedSystem(
      'by_hand',
      [aTask('load_orders', { id: 'the-one', settleMs: 800 })],
      compensate,
    );
    const handle = await system.start({});
    await spoilAfterTheFirstStop(system, 'by_hand');
    for await (const { phase, waits } of handle.watch({ everyMs: 20 })) {
      if (phase !== 'compensate' || waits === undefined) continue;
      expect(waits.answers.join('\n')).toContain(`offboil resolve ${handle.requestId} carte-1/the-one`);
      await handle.resolve({
        by: 'dba',
        target: { server: 'carte-1', id: 'the-one' },
        note: 'reloaded from the archive',
      });
      break;
    }

    await handle.result();

    const report = await handle.report();
    expect(report.compensations).toMatchObject([
      { kind: 'manual', state: 'done', by: 'dba', detail: 'reloaded from the archive' },
    ]);
    expect(report).toMatchObject({ end: 'incomplete', exitCode: 2, checks: [{ before: 'green', after: 'red' }] });
    expect(report.needsYou.join('\n')).not.toContain('was not answered');
  });

  /** Tasks whose contract has one check, green as long as that table is empty. */
  async function aCheckedSystem(
    table: string,
    tasks: readonly TaskSpec[],
    compensate: object = { kind: 'rerun' },
    before: readonly object[] = [],
  ): Promise<System> {
    await sql(postgres, `CREATE TABLE ${table} (bad int)`);
    return startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: {
        databases: [warehouse(postgres)],
        tasks: [{ match: { name: '*' }, checks: [...before, aCheck(table)], compensate }],
        policies: { brief: { extends: 'quick', verify: { within: '1s' } } },
      },
    });
  }

  /** The baseline is taken before the first stop, so what turns bad after it is the run's to explain. */
  async function spoilAfterTheFirstStop(system: System, table: string): Promise<void> {
    await eventually(async () => expect(await system.stops()).not.toEqual([]));
    await sql(postgres, `INSERT INTO ${table} VALUES (1)`);
    expect(await rowsIn(postgres, table)).toBe(1);
  }
});

function aCheck(table: string): object {
  return { name: 'nothing bad', database: 'warehouse', query: `SELECT bad FROM ${table}`, expect: { rows: 0 } };
}
