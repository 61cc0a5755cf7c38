import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { ASKING, expectOnlyStopped, idsOf, resultOf, stopByHand, toldOf, untilAsked } from './scene.js';

describe('a task that is another one when its stop is due', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({
      postgres,
      // a restart under one id shows beforehand only where the list has a start that stays one: PDI 7.0 to 8.2
      servers: [
        aServer('carte-1', [aTask('load_orders', { id: 'twice' }), aTask('load_good', { id: 'good' })], {
          personality: '8.2',
        }),
      ],
      estate: ASKING,
    });

  for (const as of ['otherName', 'restart'] as const) {
    const what = as === 'restart' ? 'was started again under its id' : 'has its id and another name';
    it(`because a task ${what}: is replaced and not touched`, async () => {
      const system = await aSystem();
      const asked = await untilAsked(system);
      await system.fleet.replaceTask('carte-1', 'twice', as);

      const report = await asked.confirm();

      expect(report).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 1, replaced: 1 } });
      expect(resultOf(report, 'load_orders')).toMatchObject({ outcome: 'replaced', requests: 0 });
      expect(toldOf(resultOf(report, 'load_orders'))).toContain('another identity than planned; not touched');
      expect((await system.fleet.tasks()).find(({ id }) => id === 'twice')).toMatchObject({
        state: 'running',
        stops: 0,
      });
      await expectOnlyStopped(system, [{ id: 'good' }]);
    });
  }

  it('because it has ended: is alreadyEnded, without a request, and no fault of the run', async () => {
    const system = await aSystem();
    const asked = await untilAsked(system);
    await system.fleet.endTask('carte-1', 'twice');

    const report = await asked.confirm();

    expect(report).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 1, alreadyEnded: 1 } });
    expect(resultOf(report, 'load_orders')).toMatchObject({ outcome: 'alreadyEnded', requests: 0 });
    await expectOnlyStopped(system, [{ id: 'good' }]);
  });

  it('because somebody else has stopped it and it is ending: gets no request, and is followed to its end', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { id: 'theirs', settleMs: 2500 })])],
      estate: ASKING,
    });
    const asked = await untilAsked(system);
    await stopByHand(system, 'theirs', 'load_orders');

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 0, outcomes: { alreadyEnded: 1 } });
    expect(resultOf(report, 'load_orders').requests).toBe(0);
    expect(await system.stops()).toHaveLength(1);
  });
});

describe('a list that shrinks', () => {
  const postgres = usePostgres();

  it('proves nothing about the task that is missing from it', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [
          aTask('load_orders', { id: 'gone', settleMs: 60_000 }),
          aTask('load_good', { id: 'good' }),
        ]),
      ],
      estate: { policies: { brief: { extends: 'quick', verify: { within: '1s' } } } },
    });
    const handle = await system.start({ policy: 'brief' });
    await eventually(async () => expect(await system.stops()).toHaveLength(2));
    await system.fleet.fault('carte-1', 'shrink', { ids: ['gone'] });

    expect(await handle.result()).toMatchObject({
      end: 'incomplete',
      exitCode: 2,
      outcomes: { stopped: 1, unconfirmed: 1 },
    });
    const report = await handle.report();
    expect(toldOf(resultOf(report, 'load_orders'))).toContain('not in the list; gone is not ended');
    expect(await system.stops()).toHaveLength(2);
  });

  it('gets no stop for the task that is missing from it', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { id: 'gone' }), aTask('load_good', { id: 'good' })])],
      estate: ASKING,
    });
    const asked = await untilAsked(system);
    await system.fleet.fault('carte-1', 'shrink', { ids: ['gone'] });

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 2, outcomes: { stopped: 1, unconfirmed: 1 } });
    expect(resultOf(report, 'load_orders').requests).toBe(0);
    await expectOnlyStopped(system, [{ id: 'good' }]);
  });
});

describe('a task that does not keep to the time', () => {
  const postgres = usePostgres();

  it('and ends after it, in the linger: is stopped, late', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_slow', { settleMs: 2500 }), aTask('load_good')])],
      estate: { policies: { patient: { extends: 'quick', verify: { within: '1s', linger: '20s' } } } },
    });

    const { result, report } = await system.run({ policy: 'patient' });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 2 } });
    expect(resultOf(report, 'load_slow')).toMatchObject({ outcome: 'stopped', late: true });
    expect(report.needsYou).toEqual([]);
  });

  for (const personality of ['8.2', '9.4'] as const) {
    it(`and is at work again under the same identity (${personality}): its proof is taken back, and the run is not green`, async () => {
      const tasks = [aTask('load_orders', { traits: { worksOnAfterMs: 700 } }), aTask('load_good')];
      const system = await startSystem({
        postgres,
        servers: [aServer('carte-1', tasks, { personality })],
        estate: { policies: { watching: { extends: 'quick', watchAfter: '3s' } } },
      });

      const { result, report } = await system.run({ policy: 'watching' });

      expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 1, unconfirmed: 1 } });
      expect(toldOf(resultOf(report, 'load_orders'))).toMatch(/ended at [\d:]+, at work again at [\d:]+/);
      expect(report.cameBack).toEqual([]);
    });
  }

  it('and comes back after the last wave: is named for a look, and leaves the code alone', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { traits: { comesBackAfterMs: 700 } })])],
      estate: { policies: { watching: { extends: 'quick', watchAfter: '3s' } } },
    });

    const { result, report } = await system.run({ policy: 'watching' });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 1 } });
    expect(report.cameBack).toHaveLength(1);
    expect(report.cameBack[0]).toMatchObject({
      name: 'load_orders',
      why: expect.stringContaining('under the name of a target') as unknown,
    });
    expect(report.needsYou.join('\n')).toMatch(/load_orders .* came back and is at work/);
    const [stopped = '', again = ''] = await idsOf(system, 'load_orders');
    await expectOnlyStopped(system, report.results);
    expect([stopped, again]).toContain(report.cameBack[0]?.id);
  });
});
