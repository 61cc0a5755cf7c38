import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ASKING, expectOnlyStopped, resultOf, toldOf, untilAsked } from '../faults/scene.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, startSystem, type EstateParts, type System } from '../support/system.js';
import type { TaskSpec } from '../../sandbox/index.js';
import { aLoad, rowsIn, sessionsOf, sql, untilLoading, warehouse } from './scene.js';

const BRIEF = { extends: 'quick', verify: { within: '1s' } };
/** Longer than any test: nothing of a load is committed before its end. */
const ONE_COMMIT = 1_000_000;

describe('a load that is stopped', () => {
  const postgres = usePostgres();

  it('normally, commits its open batch and nothing after it', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aLoad('load_a', { table: 'a', commitSize: ONE_COMMIT })])],
    });
    await untilLoading(postgres, ['load_a']);
    expect(await rowsIn(postgres, 'a')).toBe(0);

    const { report } = await system.run({});

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 } });
    const rows = await rowsIn(postgres, 'a');
    const [task] = await system.fleet.tasks();
    expect(rows).toBeGreaterThan(0);
    expect(task).toMatchObject({ rows, rowsCommitted: rows, threads: 0 });
    expect(await sessionsOf(postgres, 'load_a')).toEqual([]);
  });

  it('by a rollback, leaves nothing of what it had not committed', async () => {
    const system = await aSystem(postgres.url, [
      aLoad('load_b', { table: 'b', transactional: true }),
      aLoad('other', { table: 'b2' }),
    ]);
    await untilLoading(postgres, ['load_b', 'other']);

    const { report } = await system.run({ mode: 'rollback' });

    expect(report).toMatchObject({
      exitCode: 0,
      outcomes: { stoppedByForce: 1 },
      bystanders: { total: 1, undisturbed: 1 },
    });
    expect(resultOf(report, 'load_b')).toMatchObject({ rung: 'rollback', requests: 1 });
    expect(toldOf(resultOf(report, 'load_b'))).toMatch(/session \d+ on warehouse ended/);
    expect(await rowsIn(postgres, 'b')).toBe(0);
    expect(await sessionsOf(postgres, 'other')).toHaveLength(1);
    await expectOnlyStopped(system, report.results);
  });

  it('and hangs in Halting, is freed by the rollback rung, and keeps what it had committed', async () => {
    const system = await aSystem(postgres.url, [
      aLoad('load_c', { table: 'c', commitSize: 100 }, { traits: { haltsForever: true } }),
    ]);
    await untilLoading(postgres, ['load_c']);

    const { report } = await system.run({ mode: 'forced', policy: 'brief' });

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stoppedByForce: 1 } });
    expect(resultOf(report, 'load_c')).toMatchObject({ rung: 'rollback', requests: 2 });
    const [task] = await system.fleet.tasks();
    expect(task?.threads).toBe(0);
    expect(await rowsIn(postgres, 'c')).toBe(task?.rowsCommitted);
    expect(await sessionsOf(postgres, 'load_c')).toEqual([]);
  });

  it('and hangs in Halting with one transaction open, is freed, and leaves nothing', async () => {
    const system = await aSystem(postgres.url, [
      aLoad('load_d', { table: 'd', transactional: true }, { traits: { haltsForever: true } }),
    ]);
    await untilLoading(postgres, ['load_d']);

    const { report } = await system.run({ mode: 'forced', policy: 'brief' });

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stoppedByForce: 1 } });
    expect(await rowsIn(postgres, 'd')).toBe(0);
  });

  it('where its contract permits no rollback, is only stopped, and the plan says so before the confirm', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aLoad('load_e', { table: 'e', commitSize: ONE_COMMIT })])],
      estate: ASKING,
    });
    await untilLoading(postgres, ['load_e']);
    const handle = await system.start({ mode: 'rollback', policy: 'asking' });
    for await (const { phase, waits, planHash = '' } of handle.watch({ everyMs: 20 })) {
      if (phase !== 'confirm' || waits === undefined) continue;
      expect(JSON.stringify(await handle.plan())).toContain(
        'Rollback was asked for, but 1 target can only be stopped: load_e',
      );
      await handle.approve({ by: 'ops-oncall', planHash });
      break;
    }

    expect(await handle.result()).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 } });
    expect(await rowsIn(postgres, 'e')).toBeGreaterThan(0);
  });

  /** A server whose tasks may be rolled back, each by the sessions of its own name. */
  function aSystem(url: string, tasks: readonly TaskSpec[]): Promise<System> {
    return startSystem({ postgres, servers: [aServer('carte-1', tasks)], estate: rollbackEstate(url, tasks) });
  }
});

describe('a session that could be somebody else’s', () => {
  const postgres = usePostgres();

  it('because two tasks bear its name, is not ended, and both are told of the other', async () => {
    const tasks = ['load_one', 'load_two'].map((name) => aLoad(name, { table: 'shared', applicationName: 'etl' }));
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: rollbackEstate(postgres.url, tasks),
    });
    await untilLoading(postgres, ['etl'], 2);
    const before = await sessionsOf(postgres, 'etl');

    const { result, report } = await system.run({ mode: 'rollback' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { refused: 2 } });
    const ids = new Map((await system.fleet.tasks()).map(({ name, id }) => [name, id]));
    expect(toldOf(resultOf(report, 'load_one'))).toContain(`could also belong to carte-1/${ids.get('load_two') ?? ''}`);
    expect(toldOf(resultOf(report, 'load_two'))).toContain(`could also belong to carte-1/${ids.get('load_one') ?? ''}`);
    expect(await sessionsOf(postgres, 'etl')).toEqual(before);
    expect(await system.stops()).toEqual([]);
  });

  it('because a bystander that is at work bears its name, is not ended', async () => {
    const tasks = [
      aLoad('load_mine', { table: 'mine', applicationName: 'etl2' }),
      aLoad('crm', { table: 'crm', applicationName: 'etl2' }),
    ];
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: rollbackEstate(postgres.url, tasks),
    });
    await untilLoading(postgres, ['etl2'], 2);

    const { report } = await system.run({ mode: 'rollback' });

    expect(report).toMatchObject({ exitCode: 2, outcomes: { refused: 1 }, bystanders: { undisturbed: 1 } });
    expect(await sessionsOf(postgres, 'etl2')).toHaveLength(2);
  });

  it('because it is younger than the plan, is not ended; the older one is', async () => {
    const tasks = [aLoad('load_old', { table: 'old' })];
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: rollbackEstate(postgres.url, tasks),
    });
    await untilLoading(postgres, ['load_old']);
    const asked = await untilAsked(system, 'asking', { mode: 'rollback' });
    const young = await session(postgres.url, 'load_old');

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stoppedByForce: 1 } });
    expect(await sessionsOf(postgres, 'load_old')).toEqual([young]);
  });

  it('because all of them are younger than the plan, leaves its task refused, with the reason', async () => {
    const tasks = [aLoad('load_new', { table: 'new', applicationName: 'somewhere else' })];
    const estate = rollbackEstate(postgres.url, [aLoad('load_new', { table: 'new', applicationName: 'load_new' })]);
    const system = await startSystem({ postgres, servers: [aServer('carte-1', tasks)], estate });
    await untilLoading(postgres, ['somewhere else']);
    const asked = await untilAsked(system, 'asking', { mode: 'rollback' });
    const young = await session(postgres.url, 'load_new');

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 2, outcomes: { refused: 1 } });
    expect(toldOf(resultOf(report, 'load_new'))).toContain(`sessions ${young} began after the plan`);
    expect(await sessionsOf(postgres, 'load_new')).toEqual([young]);
    expect(await system.stops()).toEqual([]);
  });
});

describe('an account without the right to end sessions', () => {
  const postgres = usePostgres();
  const rights = [
    ['that may not even see them', '', 'pg_read_all_stats and pg_signal_backend'],
    ['that may only see them', 'pg_read_all_stats', 'lacks pg_signal_backend'],
  ] as const;
  for (const [what, right, says] of rights) {
    it(`${what}: leaves the task refused, with the right that is missing`, async () => {
      const role = `r${randomBytes(4).toString('hex')}`;
      await sql(postgres, `CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
      onTestFinished(async () => {
        await sql(postgres, `DROP ROLE ${role}`);
      });
      if (right !== '') await sql(postgres, `GRANT ${right} TO ${role}`);
      const url = new URL(postgres.url);
      [url.username, url.password] = [role, 'pw'];
      const tasks = [aLoad('load_kept', { table: 'kept' })];
      const system = await startSystem({
        postgres,
        servers: [aServer('carte-1', tasks)],
        estate: rollbackEstate(url.href, tasks),
      });
      await untilLoading(postgres, ['load_kept']);

      const { result, report } = await system.run({ mode: 'rollback' });

      expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { refused: 1 } });
      expect(toldOf(resultOf(report, 'load_kept'))).toContain(says);
      expect(await sessionsOf(postgres, 'load_kept')).toHaveLength(1);
      expect(await system.stops()).toEqual([]);
    });
  }
});

/** Contracts that permit a rollback, each by the sessions of its task's application name. */
function rollbackEstate(url: string, tasks: readonly TaskSpec[]): EstateParts {
  return {
    databases: [warehouse({ url })],
    tasks: tasks.map(({ name, load }) => ({
      match: { name },
      stop: { ladder: ['stop', 'rollback'] },
      sessions: [{ database: 'warehouse', applicationName: load?.applicationName ?? '' }],
    })),
    policies: { brief: BRIEF, ...ASKING.policies },
  };
}

/** Another session under that name, open until the test ends. @returns its process id */
async function session(url: string, applicationName: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  client.on('error', () => undefined); // whoever ends it is seen by its absence
  await client.connect();
  onTestFinished(() => client.end());
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}
