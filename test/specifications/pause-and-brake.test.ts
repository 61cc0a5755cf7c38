import { describe, expect, it } from 'vitest';
import type { RunHandle } from '../../client/index.js';
import { usePostgres } from '../support/postgres.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { refusalOf, until } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'look first' };

/** A person's hold and a person's final order: nothing leaves after the answer, from any worker, in the middle of a chunk too. */
describe('while requests leave', () => {
  const postgres = usePostgres();
  /** Forty targets, four at a time, 150 ms each: one chunk that takes one and a half seconds. */
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 40 })], { answerMs: 150 })] });
  const inMidChunk = async (system: System): Promise<RunHandle> => {
    const handle = await system.start({});
    await eventually(async () => expect((await system.stops()).length).toBeGreaterThan(4));
    return handle;
  };
  const stopsAfter = async (system: System, answeredAt: number): Promise<number> => {
    const log = await system.fleet.log();
    return log.filter(({ path, at }) => path === 'stopTrans' && at > answeredAt).length;
  };
  const now = (): number => performance.timeOrigin + performance.now();
  /** The time in which a worker that did not hear of it would have sent a dozen more. */
  const aWhileLater = (answeredAt: number): Promise<void> =>
    eventually(() => {
      expect(now()).toBeGreaterThan(answeredAt + 600);
    });

  it('a pause holds everything from its answer on, and resume goes on', async () => {
    const system = await aSystem();
    const handle = await inMidChunk(system);

    const progress = await handle.pause(BY);
    const answeredAt = now();

    expect(progress).toMatchObject({ phase: 'paused', waits: { reason: 'paused by ops-oncall: look first' } });
    await aWhileLater(answeredAt);
    expect(await stopsAfter(system, answeredAt)).toBe(0);
    expect((await system.stops()).length).toBeLessThan(40);

    await handle.resume(BY);
    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 40 } });
    expect(new Set((await system.stops()).map(({ id }) => id)).size).toBe((await system.stops()).length);
  });

  it('a brake ends everything from its answer on: the rest is skipped, what was requested is verified', async () => {
    const system = await aSystem();
    const handle = await inMidChunk(system);

    await handle.brake(BY);
    const answeredAt = now();
    const result = await handle.result();

    expect(await stopsAfter(system, answeredAt)).toBe(0);
    const asked = (await system.stops()).length;
    expect(asked).toBeLessThan(40);
    expect(result).toMatchObject({ end: 'braked', exitCode: 4, outcomes: { stopped: asked, skipped: 40 - asked } });
    expect((await handle.report()).actors).toContainEqual(expect.objectContaining({ by: 'ops-oncall' }));
  });

  it('a brake cannot be taken back', async () => {
    const system = await aSystem();
    const handle = await inMidChunk(system);

    await handle.brake(BY);

    expect(await refusalOf(handle.resume(BY))).toMatchObject({ code: 'MESSAGE_REFUSED' });
    expect(await handle.result()).toMatchObject({ end: 'braked' });
  });

  it('the signals pause, resume and brake mean the same', async () => {
    const system = await aSystem();
    const handle = await inMidChunk(system);
    const workflow = system.temporal.workflow.getHandle(handle.workflowId);

    await workflow.signal('pause', BY);
    await until(handle, ({ phase }) => phase === 'paused');
    await workflow.signal('resume', BY);
    await until(handle, ({ phase }) => phase === 'wave');
    await workflow.signal('brake', BY);

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });
  });

  it('a pause or brake that is the very first message is kept', async () => {
    const system = await aSystem();
    const request = aRequest();
    const started = await system.temporal.workflow.signalWithStart('bulkTermination', {
      workflowId: `offboil/${request.requestId}`,
      taskQueue: TASK_QUEUE,
      args: [request],
      signal: 'pause',
      signalArgs: [BY],
    });
    const handle = system.client.handle(request.requestId);
    await until(handle, ({ phase }) => phase === 'paused');
    expect(await system.stops()).toEqual([]);

    await started.signal('brake', BY);

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4, outcomes: { skipped: 40 } });
    expect(await system.stops()).toEqual([]);
    expect((await handle.report()).actors).toHaveLength(3);
  });

  it('an invalid signal changes nothing', async () => {
    const system = await aSystem();
    const handle = await inMidChunk(system);

    await system.temporal.workflow.getHandle(handle.workflowId).signal('brake', { by: '' });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 40 } });
  });
});

describe('a brake before the confirm', () => {
  const postgres = usePostgres();

  it('ends the run without a request', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 3 })])],
      estate: { policies: { asking: { extends: 'quick', confirm: 'count' } } },
    });
    const handle = await system.start({ policy: 'asking' });
    await until(handle, ({ waits }) => waits !== undefined);

    await handle.brake(BY);

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4, outcomes: { skipped: 3 } });
    expect(await system.stops()).toEqual([]);
  });
});
