import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startDevServer } from '../../worker/dev-server.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem } from '../support/system.js';
import { closeOf, until } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'look first' };

describe('a run that continues as new between its waves', () => {
  const postgres = usePostgres();

  it('loses no target, no message and no pause between waves, however often it does', { timeout: 60_000 }, async () => {
    const system = await startSystem({
      postgres,
      temporalAddress: await aServerWithShortHistories(),
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 16 })])],
      estate: { policies: { stepwise: { extends: 'quick', waves: [2], settle: '200ms' } } },
    });
    const handle = await system.start({ policy: 'stepwise' });

    let held = 0;
    for (let wave = 0; wave < 6;) {
      const progress = await handle.progress();
      if (progress.phase === 'done') break;
      if (progress.phase !== 'wave' || progress.wave <= wave) continue;
      wave = progress.wave;
      await handle.pause(BY);
      await handle.resume(BY);
      held += 1;
    }

    expect(await handle.result()).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 16 } });
    const executions = [];
    for await (const { runId } of system.temporal.workflow.list({ query: `WorkflowId = "${handle.workflowId}"` }))
      executions.push(runId);
    expect(executions.length).toBeGreaterThan(2);
    expect(held).toBeGreaterThan(2);
    const { actors, results, timeline } = await handle.report();
    expect(actors.filter(({ role }) => role === 'operator')).toHaveLength(held * 2);
    expect(results.every(({ requests }) => requests === 1)).toBe(true);
    expect(await system.stops()).toHaveLength(16);
    const gates = timeline.map(({ what }) => what).filter((what) => what.startsWith('passed the gate'));
    expect(gates).toEqual(Array.from({ length: 7 }, (_, wave) => `passed the gate after wave ${wave + 1}`));
  });

  it('keeps a cancel that comes while it waits to continue', { timeout: 60_000 }, async () => {
    const system = await startSystem({
      postgres,
      temporalAddress: await aServerWithShortHistories(),
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 4 }), aTask('other')])],
      estate: { policies: { stepwise: { extends: 'quick', waves: [1], settle: '500ms' } } },
    });
    // the sample of the bystander goes on beside the waves, and the execution waits for it before it continues as new
    await system.fleet.fault('carte-1', 'hang', { paths: ['transStatus'] });
    const handle = await system.start({ policy: 'stepwise' });
    const execution = system.temporal.workflow.getHandle(handle.workflowId);
    const { runId } = await execution.describe();
    await until(handle, ({ proven }) => proven >= 1);

    await execution.cancel();

    expect(await closeOf(system, handle.workflowId)).toEqual({ status: 'CANCELLED' });
    expect((await execution.describe()).runId).toBe(runId);
    expect((await handle.report()).end).toBe('cancelled');
  });

  it('tells what it waits for as before', { timeout: 60_000 }, async () => {
    const system = await startSystem({
      postgres,
      temporalAddress: await aServerWithShortHistories(20),
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 4 })])],
      estate: { policies: { stepwise: { extends: 'quick', waves: [2], settle: '3s' } } },
    });
    const handle = await system.start({ policy: 'stepwise' });
    const workflow = system.temporal.workflow.getHandle(handle.workflowId);
    await until(handle, ({ waits }) => waits?.reason.includes('pause after wave 1') === true);
    const { runId } = await workflow.describe();

    await handle.pause(BY);
    await eventually(async () => expect((await workflow.describe()).runId).not.toBe(runId));

    await until(handle, ({ phase, wave }) => phase === 'paused' && wave === 2);
    expect(await handle.progress()).toMatchObject({
      waits: {
        reason: 'paused by ops-oncall: look first',
        answers: expect.arrayContaining([`offboil resume ${handle.requestId}`]) as string[],
      },
    });
    expect(await system.stops()).toHaveLength(2);
    await handle.resume(BY);
    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 4 } });
  });
});

/** Suggests continue-as-new after so few events: with 60, every second wave does it. */
async function aServerWithShortHistories(events = 60): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'offboil-short-histories-'));
  const server = await startDevServer({
    cliPath: process.env['TEMPORAL_CLI_PATH'] ?? 'temporal',
    folder: join(folder, 'temporal'),
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': events },
  });
  onTestFinished(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return server.address;
}
