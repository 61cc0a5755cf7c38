import { describe, expect, it } from 'vitest';
import type { Report } from '../../client/index.js';
import type { FaultKind, FaultOptions } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem, type System } from '../support/system.js';
import { ASKING, expectOnlyStopped, resultOf, toldOf, untilAsked } from './scene.js';

describe('a server that fails between plan and stop', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_good_{n}', { count: 3 })]),
        aServer('carte-2', [aTask('load_lost_{n}', { count: 2 }), aTask('crm')]),
      ],
      estate: { policies: { asking: { ...ASKING.policies.asking, gate: { failed: '100%' } } } },
      entries: { 'carte-2': { limits: { perServer: 4, timeout: '300ms' } } },
    });

  const cases: readonly [string, FaultKind, 'unreachable' | 'refused', RegExp][] = [
    ['because it is down', 'down', 'unreachable', /carte-2/],
    ['because it hangs', 'hang', 'unreachable', /carte-2.*300 ms/],
    ['because it answers with a login page', 'html200', 'unreachable', /carte-2.*HTML/i],
    ['because it cuts its list in the middle', 'cut', 'unreachable', /carte-2/],
    ['because it refuses the password now', 'unauthorised', 'refused', /carte-2.*password/i],
  ];
  for (const [why, kind, outcome, says] of cases) {
    it(`${why}: nothing is sent to it, its targets are ${outcome}, the others are stopped`, async () => {
      const system = await aSystem();
      const asked = await untilAsked(system);
      await system.fleet.fault('carte-2', kind);

      const report = await asked.confirm();

      expect(report).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 3, [outcome]: 2 } });
      for (const lost of report.results.filter(({ server }) => server === 'carte-2')) {
        expect(lost.requests).toBe(0);
        expect(toldOf(lost)).toMatch(says);
      }
      expect((await system.stops()).filter(({ server }) => server === 'carte-2')).toEqual([]);
      expect(report.needsYou.join('\n')).toMatch(/2 targets (not reached|refused by their server), .*: carte-2\//);
      await expectOnlyStopped(system, report.results);
    });
  }
});

describe('a stop that is lost on its way', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 }), aTask('crm')])] });

  const lost: readonly [string, FaultKind, FaultOptions][] = [
    ['the server hangs', 'hang', {}],
    ['the connection is reset', 'reset', {}],
    ['a login page comes in its place', 'html200', {}],
    ["a proxy's 502 page comes in its place", 'html502', {}],
  ];
  for (const [why, kind, options] of lost) {
    it(`because ${why}: is sent once more when the list shows the task at work, and proven`, async () => {
      const system = await aSystem();
      await system.fleet.fault('carte-1', kind, { ...options, paths: ['stopTrans'], times: 2 });

      const { result, report } = await system.run({});

      expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 2 } });
      for (const one of report.results) {
        expect(one.requests).toBe(2);
        expect(toldOf(one)).toContain('answer 1: unanswered');
        expect(toldOf(one)).toContain('answer 2: acknowledged');
      }
      expect(await system.stops()).toHaveLength(4);
      await expectOnlyStopped(system, report.results);
    });
  }

  it('is not repeated when only its reply was lost and the stop was done', async () => {
    const system = await aSystem();
    await system.fleet.fault('carte-1', 'halfReplyAfterStop');

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 2 } });
    for (const one of report.results) expect(toldOf(one)).toContain('answer 1: unanswered');
    expect(await system.stops()).toHaveLength(2);
    await expectOnlyStopped(system, report.results);
  });

  it('though it was answered OK: is sent a second time, numbered, and proven', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_deaf', { traits: { lostFirstStop: true } }), aTask('load_good')])],
    });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 2 } });
    expect(resultOf(report, 'load_deaf').requests).toBe(2);
    expect(toldOf(resultOf(report, 'load_deaf'))).toContain('answer 2: acknowledged');
    expect(resultOf(report, 'load_good').requests).toBe(1);
    expect(await system.stops()).toHaveLength(3);
  });

  it('and refused by the server: is refused, with its words, and not repeated', async () => {
    const system = await aSystem();
    await system.fleet.fault('carte-1', 'refuse');

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { refused: 2 } });
    for (const one of report.results) expect(toldOf(one)).toContain('Refused');
    expect(await system.stops()).toHaveLength(2);
  });
});

describe('one dead server of three', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({
      postgres,
      servers: ['carte-1', 'carte-2', 'carte-3'].map((name) =>
        aServer(name, [aTask(`load_${name}_{n}`, { count: 4 })]),
      ),
      estate: {
        policies: { ...ASKING.policies, unhurried: { extends: 'quick', verify: { within: '2s', linger: '20s' } } },
      },
      entries: { 'carte-2': { limits: { perServer: 1, timeout: '800ms' } } },
    });
  const provenAt = (report: Report, server: string): number[] =>
    report.results.filter((one) => one.server === server).map((one) => Date.parse(one.at));

  it('holds up nobody while its list is being tried: the others are proven before it is given up', async () => {
    const system = await aSystem();
    const asked = await untilAsked(system);
    await system.fleet.fault('carte-2', 'hang');

    const report = await asked.confirm();

    expect(report).toMatchObject({ exitCode: 2, outcomes: { stopped: 8, unreachable: 4 } });
    expect(Math.max(...provenAt(report, 'carte-1'), ...provenAt(report, 'carte-3'))).toBeLessThan(
      Math.min(...provenAt(report, 'carte-2')),
    );
    expect(report.results.filter(({ late }) => late === true)).toEqual([]);
    await expectOnlyStopped(system, report.results);
  });

  it('makes nobody late while its stops hang', async () => {
    const system = await aSystem();
    await system.fleet.fault('carte-2', 'hang', { paths: ['stopTrans'], times: 4 });

    const { report } = await system.run({ policy: 'unhurried' });

    expect(report).toMatchObject({ exitCode: 0, outcomes: { stopped: 12 } });
    expect(report.results.filter(({ server, late }) => server !== 'carte-2' && late === true)).toEqual([]);
    expect(Math.max(...provenAt(report, 'carte-1'))).toBeLessThan(Math.min(...provenAt(report, 'carte-2')));
    await expectOnlyStopped(system, report.results);
  });
});
