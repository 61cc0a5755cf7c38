import { describe, expect, it } from 'vitest';
import { expectOnlyStopped, idsOf, stopByHand } from '../faults/scene.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem } from '../support/system.js';

describe('what a run leaves alone', () => {
  const postgres = usePostgres();

  it('is a protected task, by the contract and by name', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_payments'), aTask('load_orders')])],
      estate: { tasks: [{ match: { name: 'load_payments' }, protected: true }, { match: { name: '*' } }] },
    });

    const { report } = await system.run({});

    expect(report).toMatchObject({
      exitCode: 0,
      targets: 1,
      outcomes: { stopped: 1 },
      bystanders: { total: 1, undisturbed: 1 },
    });
    expect(report.left).toMatchObject([{ name: 'load_payments', why: 'protected by the contract for load_payments' }]);
    await expectOnlyStopped(system, report.results);
  });

  it('is as many of a group as its floor keeps', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_{n}', { count: 3 })]),
        aServer('carte-2', [aTask('load_too_{n}', { count: 2 })]),
      ],
      estate: {
        tasks: [{ match: { name: '*' }, group: 'feeds' }],
        policies: { floored: { extends: 'quick', floors: [{ group: 'feeds', keep: 2 }] } },
      },
    });

    const { report } = await system.run({ policy: 'floored' });

    expect(report).toMatchObject({
      exitCode: 0,
      targets: 3,
      outcomes: { stopped: 3 },
      bystanders: { total: 2, undisturbed: 2 },
    });
    expect(report.left.map(({ why }) => why)).toEqual(
      Array(2).fill('floor of group feeds: at least 2 of its 5 active tasks stay'),
    );
    expect((await system.fleet.tasks()).filter(({ threads }) => threads > 0)).toHaveLength(2);
    await expectOnlyStopped(system, report.results);
  });
});

describe('the certificate of what was no target', () => {
  const postgres = usePostgres();

  it('tells who went on, who ended, who was stopped by somebody else and who was started again, and adds up', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer(
          'carte-1',
          [
            aTask('load_orders', { settleMs: 1500 }),
            aTask('goes_on_{n}', { count: 3 }),
            aTask('ends', { id: 'ends' }),
            aTask('theirs', { id: 'theirs' }),
            aTask('restarted', { id: 'restarted' }),
            // a restart under one id shows only where the list has a start that stays one
          ],
          { personality: '8.2' },
        ),
        aServer('carte-2', [aTask('elsewhere')]),
      ],
    });
    const handle = await system.start({});
    await eventually(async () => expect(await system.stops()).not.toEqual([]));
    await system.fleet.endTask('carte-1', 'ends');
    await system.fleet.replaceTask('carte-1', 'restarted', 'restart');
    await stopByHand(system, 'theirs', 'theirs');

    expect(await handle.result()).toMatchObject({ end: 'completed', exitCode: 0 });
    const { bystanders, needsYou } = await handle.report();
    expect(bystanders).toMatchObject({ total: 6, undisturbed: 3, disturbed: 2, unknown: 0 });
    const { total, undisturbed, ended, disturbed, unknown } = bystanders;
    expect(undisturbed + ended + disturbed + unknown).toBe(total);
    const verdictOf = (name: string): string | undefined => bystanders.list.find((one) => one.name === name)?.verdict;
    expect(verdictOf('ends')).toBe('ended');
    expect(verdictOf('theirs')).toBe('disturbed');
    expect(verdictOf('restarted')).toBe('disturbed');
    expect(needsYou.join('\n')).toContain('Bystander theirs');
    const own = (await system.stops()).filter(({ id }) => id !== 'theirs');
    expect(own.map(({ id }) => id)).toEqual(await idsOf(system, 'load_orders'));
  });

  it('compares rows and errors, at a site too', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [
          aTask('load_orders', { id: 'target', traits: { haltsForever: true } }),
          aTask('loads_on', { id: 'on' }),
        ]),
        aServer('carte-2', [aTask('load_stock'), aTask('counts_errors', { id: 'errors' })]),
      ],
      entries: { 'carte-2': { site: 'shanghai' } },
      estate: { policies: { patient: { extends: 'quick', verify: { within: '60s' } } } },
    });
    await system.workHere({ site: 'shanghai' });
    const handle = await system.start({ policy: 'patient' });
    await eventually(async () => {
      const asked = (await system.fleet.log()).filter(({ path }) => path === 'transStatus').map(({ id }) => id);
      expect(asked).toEqual(expect.arrayContaining(['on', 'errors']));
    });
    await system.fleet.addErrors('carte-2', 'errors', 2);
    await eventually(async () => expect((await system.stops()).map(({ id }) => id)).toContain('target'));
    await system.fleet.endTask('carte-1', 'target');
    await handle.result();

    const { bystanders } = await handle.report();
    expect(bystanders).toMatchObject({ total: 2, undisturbed: 1, disturbed: 1, notSampled: 0 });
    const whyOf = Object.fromEntries(bystanders.list.map(({ name, why }) => [name, why]));
    expect(whyOf['loads_on']).toMatch(/^still "Running", its rows went on from \d+ to \d+$/);
    expect(whyOf['counts_errors']).toBe('its errors grew by 2');
  });

  it('samples 20 of a server, and counts who was not', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders'), aTask('other_{n}', { count: 25 })])],
    });

    const { report } = await system.run({});

    expect(report.bystanders).toMatchObject({ total: 25, undisturbed: 25, notSampled: 5 });
    const asked = (await system.fleet.log()).filter(({ path }) => path === 'transStatus').map(({ id }) => id);
    expect(new Set(asked).size).toBe(20);
    expect(asked).toHaveLength(40);
  });

  it('holds up no stop where a server answers no details, and counts everybody there as not sampled', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders'), aTask('other_{n}', { count: 9 })])],
    });
    await system.fleet.fault('carte-1', 'hang', { paths: ['transStatus'] });

    const { report } = await system.run({});

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 } });
    expect(report.bystanders).toMatchObject({ total: 9, undisturbed: 9, notSampled: 9 });
    const paths = (await system.fleet.log()).map(({ path }) => path);
    expect(paths.indexOf('stopTrans')).toBeLessThan(paths.lastIndexOf('transStatus'));
  });

  it('says so when a server could not be read again', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders'), aTask('crm')])],
      estate: { policies: { watching: { extends: 'quick', watchAfter: '2s' } } },
    });
    const handle = await system.start({ policy: 'watching' });
    for await (const { phase } of handle.watch({ everyMs: 20 })) if (phase === 'watch') break;
    await system.fleet.fault('carte-1', 'down');

    expect(await handle.result()).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 } });
    expect((await handle.report()).bystanders).toMatchObject({ total: 1, undisturbed: 0, unknown: 1 });
  });
});
