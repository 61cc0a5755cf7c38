import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem } from '../support/system.js';
import { startRewritingProxy } from './rewriting-proxy.js';
import { ASKING, expectOnlyStopped, resultOf, toldOf, untilAsked } from './scene.js';

/** Policies whose times suit tasks that never end. */
const BRIEF = { policies: { brief: { extends: 'quick', verify: { within: '1s' } } } };

describe('a task like any other but for', () => {
  const postgres = usePostgres();

  it('its name, which another bears too: only the planned one ends', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { id: 'mine' }), aTask('load_orders', { id: 'theirs' })])],
    });

    const { report } = await system.run({ select: { ids: ['carte-1/mine'] } });

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 }, bystanders: { total: 1, undisturbed: 1 } });
    const truth = await system.fleet.tasks();
    expect(truth.find(({ id }) => id === 'theirs')).toMatchObject({ state: 'running', stops: 0 });
    await expectOnlyStopped(system, [{ id: 'mine' }]);
  });

  it('its deafness: is unconfirmed, with the last way out and who would die with it', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [
          aTask('load_deaf', { traits: { ignoresStop: true } }),
          aTask('load_good'),
          aTask('crm_sync'),
          aTask('payroll', { kind: 'job' }),
        ]),
      ],
      estate: BRIEF,
    });

    const { result, report } = await system.run({ policy: 'brief' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 1, unconfirmed: 1 } });
    expect(toldOf(resultOf(report, 'load_deaf'))).toContain('list says "Running" when its time was over');
    const [say = ''] = report.needsYou;
    expect(say).toContain('the last way out is a restart of carte-1, which would also end 2 bystanders');
    expect(say).toContain('crm_sync');
    expect(say).toContain('payroll');
    expect(say).toContain('offboil retry');
    await expectOnlyStopped(system, report.results);
  });

  it('its waiting: is left, and its server keeps its list', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [
          aTask('load_job', { kind: 'job', traits: { waiting: true } }),
          aTask('load_trans', { traits: { waiting: true } }),
          aTask('load_good'),
        ]),
      ],
    });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 1, outcomes: { stopped: 1 } });
    expect(report.left.map(({ name, why }) => `${name}: ${why}`).sort()).toEqual([
      'load_job: waits: nothing to stop',
      'load_trans: waits: nothing to stop',
    ]);
    expect(report.bystanders).toMatchObject({ total: 2, undisturbed: 2 });
    await expectOnlyStopped(system, report.results);
  });

  it('its failed initialisation, which reads Stopped on 5.4: is no target and no stop of ours', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_broken', { traits: { failsInit: true } }), aTask('load_good')], {
          personality: '5.4',
        }),
      ],
    });
    expect((await system.fleet.tasks()).find(({ name }) => name === 'load_broken')?.word).toBe('Stopped');

    const { report } = await system.run({});

    expect(report).toMatchObject({ exitCode: 0, targets: 1, outcomes: { stopped: 1 } });
    await expectOnlyStopped(system, report.results);
  });

  for (const personality of ['5.4', '8.3'] as const) {
    it(`its name, which is awkward to write, on ${personality}: is stopped under exactly that name`, async () => {
      const names = ['load R&D <night> [1]/\'a\' "b"', 'load 每日订单', '0012', '1e5'];
      const system = await startSystem({
        postgres,
        servers: [
          aServer('carte-1', [...names.map((name) => aTask(name)), aTask('12'), aTask('100000')], { personality }),
        ],
      });

      const { report } = await system.run({ select: { names: ['load*', '0012', '1e5'] } });

      expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 4 } });
      expect(report.results.map(({ name }) => name).sort()).toEqual([...names].sort());
      expect((await system.stops()).map(({ name }) => name).sort()).toEqual([...names].sort());
      await expectOnlyStopped(system, report.results);
    });
  }
});

describe('a job whose child goes on', () => {
  const postgres = usePostgres();
  const aJob = aTask('load_job', { kind: 'job', traits: { child: { rowsFlow: true } } });

  it('on 5.4, where the stop does not reach it, is not proven while its rows flow', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aJob], { personality: '5.4' })],
      estate: BRIEF,
    });

    const { result, report } = await system.run({ policy: 'brief' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { unconfirmed: 1 } });
    expect((await system.fleet.tasks()).find(({ name }) => name === 'load_job')?.threads).toBe(1);
    expect(report.notSeen.join('\n')).toContain('children of jobs');
    await expectOnlyStopped(system, report.results);
  });

  it('on 8.3, where the stop reaches it, is stopped with it', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', [aJob])] });

    const { report } = await system.run({});

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 1 } });
    expect((await system.fleet.tasks()).every(({ threads }) => threads === 0)).toBe(true);
  });
});

describe('a status word that nobody knows', () => {
  const postgres = usePostgres();

  it('is never taken for the end', async () => {
    const proxy = await startRewritingProxy();
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders')])],
      estate: BRIEF,
      entries: { 'carte-1': { url: proxy.url } },
    });
    proxy.upstream = system.fleet.servers[0]?.url ?? '';
    proxy.rewrite = (body) => body.replaceAll('>Finished<', '>Perished<');

    const { result, report } = await system.run({ policy: 'brief' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { unconfirmed: 1 } });
    expect(toldOf(resultOf(report, 'load_orders'))).toContain('Perished');
    await expectOnlyStopped(system, report.results);
  });

  it('gets no stop', async () => {
    const proxy = await startRewritingProxy();
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders')])],
      estate: ASKING,
      entries: { 'carte-1': { url: proxy.url } },
    });
    proxy.upstream = system.fleet.servers[0]?.url ?? '';
    const asked = await untilAsked(system);
    proxy.rewrite = (body) => body.replaceAll('>Running<', '>Strolling<');

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 2, outcomes: { unconfirmed: 1 } });
    expect(toldOf(resultOf(report, 'load_orders'))).toContain('nothing was sent on what is not understood');
    expect(await system.stops()).toEqual([]);
  });
});

describe('the cost of looking', () => {
  const postgres = usePostgres();

  it('is one list per server and poll, whatever the number of tasks, and no request per task', async () => {
    const system = await startSystem({
      postgres,
      servers: ['carte-1', 'carte-2'].map((name) => aServer(name, [aTask(`load_${name}_{n}`, { count: 60 })])),
    });

    const { report } = await system.run({});

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 120 } });
    const log = await system.fleet.log();
    expect(log.filter(({ path }) => path === 'transStatus')).toEqual([]);
    for (const server of ['carte-1', 'carte-2']) {
      const own = log.filter((entry) => entry.server === server);
      const lastStop = Math.max(...own.filter(({ path }) => path === 'stopTrans').map(({ seq }) => seq));
      const looks = own.filter(({ path, seq }) => path === 'status' && seq > lastStop);
      expect(looks.length).toBeLessThan(60); // some polls until the slowest has ended, not one look a task
    }
    await expectOnlyStopped(system, report.results);
  });
});
