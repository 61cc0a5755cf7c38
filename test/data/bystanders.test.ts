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
        aServer('carte-1', [
          aTask('load_orders', { settleMs: 1500 }),
          aTask('goes_on_{n}', { count: 3 }),
          aTask('ends', { id: 'ends' }),
          aTask('theirs', { id: 'theirs' }),
          aTask('restarted', { id: 'restarted' }),
        ]),
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
