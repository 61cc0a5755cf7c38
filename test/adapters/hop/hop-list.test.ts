import { describe, expect, it } from 'vitest';
import { classifyHopStatus, dialectOf } from '../../../adapters/engines/hop/dialects.js';
import { inTurn, recorded, recordedBody, sceneOf, signal } from './hop-replies.js';

describe('a recorded list of Hop Server', () => {
  it('is read with kinds, names, words and states', async () => {
    const { engine } = await sceneOf({ status: recorded('status-mixed') });
    const tasks = await engine.list(signal);
    expect(tasks.map(({ kind, name, word, state }) => [kind, name, word, state])).toEqual([
      ['pipeline', 'slow', 'Paused', 'active'],
      ['pipeline', 'slow', 'Running', 'active'],
      ['pipeline', 'short', 'Finished', 'ended'],
      ['pipeline', 'short', 'Waiting', 'waiting'],
      ['workflow', 'wf-short', 'Finished', 'ended'],
      ['workflow', 'wf-load-missing-table', 'Finished (with errors)', 'ended'],
    ]);
    expect(tasks[0]).toMatchObject({
      server: 'hop-1',
      id: '9141b986-61e5-47d2-a4c9-762367313f3c',
      startedAt: '2026/11/23 00:19:28.967',
    });
  });

  it('gives a name with markup and Chinese characters as it is', async () => {
    const { engine } = await sceneOf({ status: recorded('status-names') });
    expect((await engine.list(signal)).map(({ name }) => name)).toEqual([`销售_同步 & A <b> 'q' "d"`]);
  });

  it('may be empty', async () => {
    const { engine } = await sceneOf({ status: recorded('status-empty') });
    expect(await engine.list(signal)).toEqual([]);
  });

  it('tells start and end by our clock, whatever zone and clock the server has', async () => {
    const { engine } = await sceneOf({ status: recorded('status-mixed') }, { clockNow: () => 1_000_000_000 });
    const [paused, , finished] = await engine.list(signal);
    // log_date 00:19:29.496
    expect(paused?.startedAtMs).toBe(1_000_000_000 - 529);
    expect(finished?.endedAtMs).toBe(1_000_000_000 - 3_927);
  });

  it('shows of a task that was started again under its id no end, and says that a stop may not reach it', async () => {
    const { engine } = await sceneOf({
      status: recorded('status-preparing', withRunning(recordedBody('status-preparing'))),
    });
    const remarked = (await engine.list(signal)).filter(({ remark }) => remark !== undefined);
    expect(remarked.map(({ state, endedAtMs }) => [state, endedAtMs])).toEqual([['active', undefined]]);
    expect(remarked[0]?.remark).toMatch(/pause it, end its database session .*, or restart that server/);
  });

  it('never takes a word that nobody has seen for an end', () => {
    expect(classifyHopStatus('Gestoppt')).toBe('unknown');
    expect(classifyHopStatus('  stopped (WITH errors) ')).toBe('ended');
  });

  it.each([
    ['without the list of workflows', /<workflow_status_list>[^]*<\/workflow_status_list>/, ''],
    ['without the id of an entry', /<id>9141b986.*?<\/id>/, '<id/>'],
    ['without the status of an entry', /<status_desc>Paused<\/status_desc>/, ''],
    ['that is cut in the middle', /<workflow_status_list>[^]*$/, ''],
  ])('%s proves nothing and is an error', async (_how, part, instead) => {
    const { engine } = await sceneOf({
      status: recorded('status-mixed', recordedBody('status-mixed').replace(part, instead)),
    });
    await expect(engine.list(signal)).rejects.toMatchObject({ code: 'REPLY_INCOMPLETE' });
  });
});

describe('a list that Hop Server answers with 500', () => {
  const broken = recorded('status-broken-by-stop-before-start');

  it('is read again, since removals make that happen now and then', async () => {
    const { engine, asked } = await sceneOf({ status: inTurn(broken, broken, broken, recorded('status-mixed')) });
    expect(await engine.list(signal)).toHaveLength(6);
    expect(asked()).toHaveLength(4);
  });

  it('four times over is an error that names the likely reason and the way out', async () => {
    const { engine, asked } = await sceneOf({ status: broken });
    await expect(engine.list(signal)).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
      message: expect.stringMatching(
        /a workflow was stopped before it was started, until .* removed \(removeWorkflow\)/,
      ) as string,
    });
    expect(asked()).toHaveLength(4);
  });
});

describe('a list that cannot be had', () => {
  it('for a wrong password says whose it was', async () => {
    const { engine } = await sceneOf({ status: recorded('status-unauth') });
    await expect(engine.list(signal)).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
  });

  it('because of a redirect is not looked for elsewhere', async () => {
    const { engine, asked } = await sceneOf({ status: recorded('status-noslash') });
    await expect(engine.list(signal)).rejects.toMatchObject({ code: 'REPLY_NOT_CARTE' });
    expect(asked()).toEqual(['status']);
  });

  it('of a declared version that nobody knows is not asked for', async () => {
    const { engine, asked } = await sceneOf({ status: recorded('status-mixed') }, { version: '2.17.0' });
    await expect(engine.list(signal)).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
    expect(asked()).toEqual([]);
  });
});

describe('what probing a Hop Server tells', () => {
  const older = recorded(
    'status-mixed',
    recordedBody('status-mixed').replaceAll('workflow_status_list', 'job_status_list'),
  );

  it('is its dialect, that it has no safe stop, and that its list has starts', async () => {
    const { engine } = await sceneOf({ status: recorded('status-mixed') }, { version: '2.16.0' });
    expect(await engine.probe(signal)).toMatchObject({
      product: 'Apache Hop Server',
      version: '2.16.0',
      dialect: 'hop-2.16',
      source: 'measured',
      rungs: ['stop'],
      start: 'list',
      stopReachesChildren: true,
    });
  });

  it('costs no request once a list was read', async () => {
    const { engine, asked } = await sceneOf({ status: recorded('status-mixed') });
    await engine.list(signal);
    expect(await engine.probe(signal)).toMatchObject({ clockSkewMs: expect.any(Number) as number });
    expect(asked()).toEqual(['status']);
  });

  it('without a declared version is the generation that its list shows, and no more', async () => {
    const newer = await sceneOf({ status: recorded('status-mixed') });
    expect(await newer.engine.probe(signal)).toMatchObject({ version: 'unknown', dialect: 'hop-2.15', source: 'read' });
    const before = await sceneOf({ status: older });
    expect(await before.engine.probe(signal)).toMatchObject({
      version: 'unknown',
      dialect: 'hop-2.14',
      source: 'read',
    });
  });

  it('has both names of the workflow list, and says when it is not that of the declared version', async () => {
    const { engine } = await sceneOf({ status: older }, { version: '2.16.0' });
    expect(await engine.list(signal)).toHaveLength(6);
    expect((await engine.probe(signal)).remarks[0]).toContain('its list is that of another version');
  });

  it.each([
    ['2.13.0', 'hop-2.13', 302, 'job_status_list'],
    ['2.14', 'hop-2.14', 302, 'job_status_list'],
    ['2.15.0', 'hop-2.15', 302, 'workflow_status_list'],
    ['2.16.0', 'hop-2.16', 301, 'workflow_status_list'],
  ])('of a declared %s is the dialect %s', (version, id, redirect, workflowList) => {
    expect(dialectOf('hop-1', version)).toMatchObject({ id, redirect, workflowList, safeStop: false });
  });
});

/** The recorded entry reads Paused; a list with Running differs in this word only. */
function withRunning(list: string): string {
  return list.replace('<status_desc>Paused</status_desc>', '<status_desc>Running</status_desc>');
}
