import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { until, untilAsked } from './acts.js';

const LOADS = [aTask('load_{n}', { count: 3 })];

describe('a server at a site', { timeout: 120_000 }, () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS), aServer('carte-sh', LOADS)],
      entries: { 'carte-sh': { site: 'shanghai' } },
    });

  it('is reached by that site’s worker alone, from the first list to the last', async () => {
    const system = await aSystem();
    const handle = await system.start({});
    const asked = async (server: string): Promise<number> =>
      (await system.fleet.log()).filter((entry) => entry.server === server).length;
    await eventually(async () => expect(await asked('carte-1')).toBeGreaterThan(0));
    expect(await asked('carte-sh')).toBe(0);

    await system.workHere({ site: 'shanghai' });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 6 } });
    const { events } = await system.temporal.workflow.getHandle(handle.workflowId).fetchHistory();
    const queues = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
      ['surveyServers', 'stopShard', 'verifyShard'].includes(scheduled?.activityType?.name ?? '')
        ? [scheduled?.taskQueue?.name]
        : [],
    );
    expect(new Set(queues)).toEqual(new Set(['offboil', 'offboil.shanghai']));
  });

  it('whose worker never comes is named and unread, and the others are stopped', async () => {
    const system = await aSystem();

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, planned: 3, outcomes: { stopped: 3 } });
    expect(report.unread).toMatchObject([{ server: 'carte-sh', code: 'SITE_UNREACHABLE' }]);
    expect(report.needsYou.join('\n')).toContain('offboil worker --site shanghai');
    expect((await system.fleet.log()).filter(({ server }) => server === 'carte-sh')).toEqual([]);
  });

  it('whose worker goes before its wave is shown as waiting, with the way out, and goes on when one comes back', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS), aServer('carte-sh', LOADS)],
      entries: { 'carte-sh': { site: 'shanghai' } },
      estate: { policies: { asking: { extends: 'quick', confirm: 'count', verify: { within: '40s' } } } },
    });
    const worker = await system.workHere({ site: 'shanghai' });
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    await worker.stop();
    await handle.approve({ by: 'ops-oncall', planHash });

    const { waits } = await until(handle, ({ waits: now }) => now?.reason.includes('shanghai') === true);
    expect(waits?.answers[0]).toBe('offboil worker --site shanghai');
    await system.workHere({ site: 'shanghai' });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 6 } });
  });

  it('whose worker goes before its wave and never comes back is unreachable, and the others are stopped', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS), aServer('carte-sh', LOADS)],
      entries: { 'carte-sh': { site: 'shanghai' } },
      estate: { policies: { asking: { extends: 'quick', confirm: 'count' } } },
    });
    const worker = await system.workHere({ site: 'shanghai' });
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    await worker.stop();
    await handle.approve({ by: 'ops-oncall', planHash });

    expect(await handle.result()).toMatchObject({
      end: 'incomplete',
      exitCode: 2,
      outcomes: { stopped: 3, unreachable: 3 },
    });
    expect((await system.stops()).map(({ server }) => server)).toEqual(['carte-1', 'carte-1', 'carte-1']);
  });

  it('is not asked when only other servers are chosen', async () => {
    const system = await aSystem();

    const { result } = await system.run({ select: { servers: ['carte-1'] } });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 3 });
    expect((await system.fleet.log()).filter(({ server }) => server === 'carte-sh')).toEqual([]);
  });
});

describe('a new estate file in mid-run', { timeout: 120_000 }, () => {
  const postgres = usePostgres();
  const policies = { asking: { extends: 'quick', confirm: 'count' } };

  /** A file that leads nowhere and protects everything. */
  async function misleadingFile({ estateFile }: System): Promise<string> {
    const file = estateFile.replace('.yaml', '-2.yaml');
    const changed = (await readFile(estateFile, 'utf8'))
      .replaceAll(/url: .*/g, (_url, at: number) => `url: http://127.0.0.1:9/kettle-${at}`)
      .replace('priority: normal', 'protected: true');
    await writeFile(file, changed);
    return file;
  }

  it('on one of two workers that both act disturbs nothing: the run keeps the estate it was planned with', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS), aServer('carte-sh', LOADS)],
      entries: { 'carte-sh': { site: 'shanghai' } },
      estate: { policies },
    });
    const before = await system.workHere({ site: 'shanghai' });
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    await before.stop();
    // from here on each of the two does its servers' part of every step, by a file of its own
    await system.workHere({ site: 'shanghai', estateFile: await misleadingFile(system) });

    await handle.approve({ by: 'ops-oncall', planHash });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 6 } });
    expect(new Set((await system.stops()).map(({ server }) => server))).toEqual(new Set(['carte-1', 'carte-sh']));
    expect((await handle.report()).estateHash).toBe((await handle.plan()).plan.estateHash);
  });

  it('on the worker that takes a run over disturbs nothing, and holds for the next run', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS)],
      workers: 'none',
      estate: { policies },
    });
    const first = await system.workHere();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    await system.workHere({ estateFile: await misleadingFile(system) });
    await first.stop();

    await handle.approve({ by: 'ops-oncall', planHash });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 3 } });
    expect((await handle.report()).estateHash).toBe((await handle.plan()).plan.estateHash);
    const next = await system.client.plan(aRequest());
    expect(next.notSeen.join()).toContain('carte-1 (SERVER_UNREACHABLE)');
  });
});

describe('a secret that a worker cannot resolve', () => {
  const postgres = usePostgres();

  it('is a clear error of that server, and the others are stopped', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', LOADS), aServer('carte-2', LOADS)],
      entries: { 'carte-2': { password: '${env:NOBODY_SET_THIS}' } },
    });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 3 } });
    expect(report.needsYou.join('\n')).toMatch(/carte-2 was not read \(SECRET_UNRESOLVED\).*NOBODY_SET_THIS/);
  });
});
