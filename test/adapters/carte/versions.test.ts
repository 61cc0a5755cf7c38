import { afterEach, describe, expect, it } from 'vitest';
import { dialectOf } from '../../../adapters/engines/carte/dialects.js';
import type { CarteConfig } from '../../../adapters/engines/carte/carte-engine.js';
import type { ObservedTask, TaskRef } from '../../../domain/tasks.js';
import { type Scene, sceneOf } from './carte-server.js';
import { recorded, RECORDED_VERSIONS, recordedBody } from './recorded.js';

const never = new AbortController().signal;
const scenes: Scene[] = [];
// The recordings were made on one day, in UTC: their dates must not lie in the future of the clock that reads them.
const clockNow = (): number => Date.UTC(2026, 10, 28);

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

type Version = (typeof RECORDED_VERSIONS)[number];

async function played(
  version: Version,
  replies: Readonly<Record<string, string>>,
  config: Partial<CarteConfig> = {},
): Promise<Scene> {
  const named = Object.fromEntries(
    Object.entries(replies).map(([servlet, name]) => [servlet, recorded(name, version)] as const),
  );
  const scene = await sceneOf(named, {
    version: version.replace('-snapshot', ''),
    timezone: 'UTC',
    clockNow,
    ...config,
  });
  scenes.push(scene);
  return scene;
}

async function listed(version: Version, name: string, config: Partial<CarteConfig> = {}): Promise<ObservedTask[]> {
  const { engine } = await played(version, { status: name }, config);
  return engine.list(never);
}

function named(tasks: readonly ObservedTask[], name: string): ObservedTask {
  const task = tasks.find((one) => one.name === name);
  if (task === undefined) throw new Error(`${name} is not listed`);
  return task;
}

/** Versions whose `log_date` stays the start while a task logs, as recorded. */
const KEEPS: ReadonlySet<Version> = new Set([
  '7.0.0.6',
  '7.1.0.32',
  '8.0.0.7',
  '8.1.0.2',
  '8.2.0.7',
  '8.3.0.0',
  '9.1.0.7',
]);

describe.each(RECORDED_VERSIONS)('a server of %s', (version) => {
  const number = version.replace('-snapshot', '');

  it('is spoken to by a row that was measured', () => {
    expect(dialectOf(number)).toMatchObject({ source: 'measured' });
  });

  it('shows what runs, what waits and what has ended', async () => {
    const tasks = await listed(version, 'status-mixed');
    const states = Object.fromEntries(tasks.map(({ name, state }) => [name, state]));
    expect(states).toMatchObject({ 'rows-0001': 'active', 'rowslog-0001': 'active', 'jobtwo-0001': 'active' });
    // Up to 6.1 one that has ended normally reads as one that was never started: a detail tells.
    const quick = named(tasks, 'quick-0001');
    expect([quick.state, quick.closesBy]).toEqual(version === '6.1.0.19' ? ['waiting', 'detail'] : ['ended', 'list']);
  });

  it('keeps the identity of a task that goes on and logs', async () => {
    const [first, second] = [await listed(version, 'status-logging-1'), await listed(version, 'status-logging-2')];
    const identity = ({ id, name, startedAt }: ObservedTask): unknown => ({ id, name, startedAt });
    expect(identity(named(second, 'rowslog-0001'))).toEqual(identity(named(first, 'rowslog-0001')));
  });

  it('keeps the identity of a transformation that is stopped', async () => {
    const before = named(await listed(version, 'status-mixed'), 'rows-0001');
    const after = named(await listed(version, 'status-after-stop'), 'rows-0001');
    expect(after.startedAt).toBe(before.startedAt);
    expect(after.id).toBe(before.id);
  });

  it('proves the end of a transformation that was stopped', async () => {
    const stopped = named(await listed(version, 'status-after-stop'), 'rows-0001');
    const { engine } = await played(version, { status: 'status-after-stop', transStatus: 'transstatus-stopped' });
    const proves = stopped.closesBy === 'list' ? stopped.state : (await engine.inspect(stopped, never)).proves;
    expect(proves).toBe('ended');
  });

  it('proves the end of a job that was stopped', async () => {
    const stopped = named(await listed(version, 'status-job-stopped'), 'jobtwo-0001');
    const { engine } = await played(version, { status: 'status-job-stopped', jobStatus: 'jobstatus-stopped' });
    const proves = stopped.closesBy === 'list' ? stopped.state : (await engine.inspect(stopped, never)).proves;
    expect(proves).toBe('ended');
  });

  it('takes a failed start for no success', async () => {
    const failed = (await listed(version, 'status-failinit')).find(({ name }) => name.includes('failinit'));
    expect(failed?.word).toBe(version === '6.1.0.19' ? 'Stopped' : 'Finished (with errors)');
  });

  it('tells in the detail since when a transformation runs', async () => {
    const tasks = await listed(version, 'status-mixed');
    const ref: TaskRef = named(tasks, 'rows-0001');
    const { engine } = await played(version, { status: 'status-mixed', transStatus: 'transstatus-running' });
    const { startedAtMs } = await engine.inspect(ref, never);
    expect(new Date(startedAtMs ?? Number.NaN).toISOString()).toMatch(/^2026-11-2\dT/);
    const shown = named(tasks, 'rows-0001');
    if (KEEPS.has(version) && shown.startedAtMs !== undefined)
      expect(Math.abs(shown.startedAtMs - (startedAtMs ?? 0))).toBeLessThan(2000);
  });

  it('has a start in its list only where that stays the start', async () => {
    const task = named(await listed(version, 'status-logging-1'), 'rowslog-0001');
    const row = dialectOf(number);
    expect(task.startedAt !== undefined).toBe(row?.start === 'list');
    expect(task.startedBeforeMs !== undefined).toBe(row?.start === 'log');
    if (row?.start === 'list') expect(KEEPS.has(version)).toBe(true);
  });

  it('tells how long its process runs', async () => {
    const { engine } = await played(version, { status: 'status-mixed' });
    await engine.list(never);
    const { upSinceMs } = await engine.probe(never);
    const uptime = Number(/<uptime>(\d+)</.exec(recordedBody('status-mixed', version).toString())?.[1]);
    expect(upSinceMs).toBe(clockNow() - uptime);
  });

  it('is never taken for one whose list has a start, when nobody declares its version and it may move', async () => {
    const { engine } = await sceneOf(
      { status: recorded('status-mixed', version), jobStatus: recorded('jobstatus-unknown', version) },
      { clockNow },
    );
    const { start, rungs } = await engine.probe(never);
    engine.close();
    expect(rungs).toEqual(['stop']);
    expect(start).toBe(version === '6.1.0.19' ? 'none' : version === '7.0.0.6' ? 'list' : 'log');
  });
});

describe.each(['9.3.0.4', '9.4.0.0', '10.2.0.0'] as const)('the log of a job of %s, while others log', (version) => {
  it('is asked for in the way that gives it whole', async () => {
    const row = dialectOf(version);
    const whole = row?.wholeJobLog === '0' ? 'jobstatus-busy-from0' : 'jobstatus-busy-from9999999';
    const id = /<id>([^<]+)</.exec(recordedBody(whole, version).toString())?.[1] ?? '';
    const name = /<jobname>([^<]+)</.exec(recordedBody(whole, version).toString())?.[1] ?? '';
    const { engine, server } = await played(version, { status: 'status-mixed', jobStatus: whole });
    const detail = await engine.inspect({ server: 'carte-1', id, name, kind: 'job' }, never);
    expect(detail.logTail).toContain('Start of job execution');
    expect(detail.startedAtMs).toBeGreaterThan(0);
    expect(server.requests.at(-1)?.query.get('from')).toBe(row?.wholeJobLog);
  });
});

describe('a declared version', () => {
  it.each([
    ['5.4', { start: 'none', stopReachesChildren: false }],
    ['7.1', { start: 'list', detailCacheTrap: true, waitingJobBreaksList: true }],
    ['8.0', { start: 'list', detailCacheTrap: true, waitingJobBreaksList: false, hasSafeStop: false }],
    ['8.1', { detailCacheTrap: true, hasSafeStop: true }],
    ['8.2', { detailCacheTrap: true, hasSafeStop: true }],
    ['8.2.0.2', { detailCacheTrap: false }],
    ['8.3', { start: 'log', detailCacheTrap: false }],
    ['9', { start: 'log', wholeJobLog: 'unknown' }],
    ['10.0', { wholeJobLog: '9999999' }],
    ['10.1', { wholeJobLog: '0' }],
  ])('of %s without its service pack is read in the most careful way', (version, row) => {
    expect(dialectOf(version)).toMatchObject(row);
  });
});

describe('a start by a wrong zone', () => {
  it('is none: it would lie in the future of the server', async () => {
    const start = Date.UTC(2026, 10, 27, 14, 25);
    const at = (timezone: string): Promise<ObservedTask[]> =>
      listed('8.2.0.7', 'status-mixed', { timezone, clockNow: () => start });
    const [task] = (await at('America/Chicago')).filter(({ name }) => name === 'rows-0001');
    expect(task?.startedAt).toBeDefined();
    expect(task?.startedAtMs).toBeUndefined();
  });
});
