import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { OffboilClient, type OffboilError, type RunHandle } from '../../client/index.js';
import { temporalOfTest } from '../support/temporal.js';
import { aRequest, newId, until, withRuns } from './scene.js';
import { standIn } from './stand-in-activities.js';

async function approved(handle: RunHandle, by = 'ops-oncall'): Promise<void> {
  const { planHash = '' } = await until(handle, 'confirm');
  await handle.approve({ by, planHash });
}

const refusalOf = async (promise: Promise<unknown>): Promise<OffboilError['code'] | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as OffboilError).code,
  );

describe('a run started through the client', () => {
  it('is followed from its plan to its proven end', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      await approved(handle);
      const phases: string[] = [];
      for await (const { phase } of handle.watch({ everyMs: 20 })) phases.push(phase);
      expect(phases.at(-1)).toBe('done');
      expect(await handle.result()).toMatchObject({
        end: 'completed',
        exitCode: 0,
        planned: 2,
        outcomes: { stopped: 2 },
      });
    });
  });

  it('gives its whole plan and its whole report, read in pages', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      expect((await handle.plan()).plan.waves[0]?.targets.map(({ id }) => id)).toEqual(['a1', 'a2']);
      await approved(handle);
      await handle.result();
      expect((await handle.report()).results).toHaveLength(2);
    });
  });

  it('is refused with every fault before anything leaves when its request is wrong', async () => {
    await withRuns({}, async ({ client }) => {
      const wrong = client.start({ ...aRequest(), select: {} });
      await expect(wrong).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringContaining('empty selection') as string,
      });
    });
  });

  it('has one effect however often it is started while it is open', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const request = aRequest();
      const [first, second] = await Promise.all([client.start(request), client.start(request)]);
      await approved(first);
      expect(await second.result()).toEqual(await first.result());
      expect(acts).toEqual(['approve by ops-oncall']);
    });
  });

  it('ends as it ended when it is started again afterwards', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const request = aRequest();
      const first = await client.start(request);
      await approved(first);
      const result = await first.result();
      expect(await (await client.start(request)).result()).toEqual(result);
      expect(acts).toEqual(['approve by ops-oncall']);
    });
  });

  it('refuses another request under its id, and goes on unchanged', async () => {
    await withRuns({}, async ({ client }) => {
      const request = aRequest();
      const handle = await client.start(request);
      expect(await refusalOf(client.start({ ...request, reason: 'another' }))).toBe('REQUEST_CONFLICT');
      await approved(handle);
      expect(await handle.result()).toMatchObject({ end: 'completed' });
    });
  });

  it('refuses another request under its id also when a script started it', async () => {
    await withRuns({}, async ({ client, temporal }) => {
      const request = aRequest();
      const workflowId = `offboil/${request.requestId}`;
      await temporal.client.workflow.start('bulkTermination', {
        workflowId,
        taskQueue: temporal.taskQueue,
        args: [request],
      });
      expect(await refusalOf(client.start({ ...request, reason: 'another' }))).toBe('REQUEST_CONFLICT');
      const same = await client.start(request);
      await approved(same);
      await same.result();
    });
  });

  it('answers a dry run with its plan and starts no run', async () => {
    await withRuns({}, async ({ client }) => {
      const request = aRequest();
      const planned = await client.start({ ...request, dryRun: true });
      expect(planned).toMatchObject({ targets: 2, confirm: 'count' });
      expect((await client.readPlan(planned)).plan.waves).toHaveLength(1);
      expect(await refusalOf(client.handle(request.requestId).progress())).toBe('RUN_UNKNOWN');
    });
  });
});

describe('the result of a run', () => {
  it('is a value, not an exception, when a target stays unconfirmed', async () => {
    await withRuns({ stuck: ['a2'] }, async ({ client }) => {
      const handle = await client.start(aRequest());
      await approved(handle);
      expect(await handle.result()).toMatchObject({
        end: 'incomplete',
        exitCode: 2,
        outcomes: { stopped: 1, unconfirmed: 1 },
      });
    });
  });

  it('is a value when the plan was rejected', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      const { planHash = '' } = await until(handle, 'confirm');
      await handle.reject({ by: 'second-shift', planHash });
      expect(await handle.result()).toMatchObject({ end: 'refused', exitCode: 3, code: 'PLAN_REJECTED' });
    });
  });

  it('is read from the report when the workflow was cancelled', async () => {
    await withRuns({}, async ({ client, temporal }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      await temporal.client.workflow.getHandle(handle.workflowId).cancel();
      expect(await handle.result()).toMatchObject({
        end: 'cancelled',
        exitCode: 4,
        reportDigest: expect.stringContaining('sha256:') as string,
      });
    });
  });

  it('says how to finish the run when the workflow was terminated', async () => {
    await withRuns({}, async ({ client, temporal }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      await temporal.client.workflow.getHandle(handle.workflowId).terminate('by hand');
      expect(await handle.result()).toMatchObject({
        end: 'error',
        exitCode: 1,
        message: expect.stringContaining('same request started again') as string,
      });
    });
  });

  it('is waited for no longer than the signal says, and the run goes on', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      await expect(handle.result(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
      await approved(handle);
      expect(await handle.result()).toMatchObject({ end: 'completed' });
    });
  });
});

describe('a message', () => {
  it('is refused with the code and the sentence of the run', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      expect(await refusalOf(handle.approve({ by: 'ops-oncall', planHash: 'sha256:other' }))).toBe(
        'PLAN_HASH_MISMATCH',
      );
      await approved(handle);
      await handle.result();
    });
  });

  it('is refused before it leaves when it lacks a field', async () => {
    await withRuns({}, async ({ client }) => {
      expect(await refusalOf(client.handle('unknown').brake({ by: 'ops', reason: '' }))).toBe('MESSAGE_INVALID');
    });
  });

  it('to a run that has ended says so', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      await approved(handle);
      await handle.result();
      expect(await refusalOf(handle.pause({ by: 'ops', reason: 'wait' }))).toBe('MESSAGE_REFUSED');
    });
  });

  it('to a run that nobody started says so', async () => {
    await withRuns({}, async ({ client }) => {
      expect(await refusalOf(client.handle(newId()).pause({ by: 'ops', reason: 'wait' }))).toBe('RUN_UNKNOWN');
    });
  });

  it('brakes a run in its wave', async () => {
    await withRuns({ hold: true }, async ({ client, release }) => {
      const handle = await client.start(aRequest());
      await approved(handle);
      await until(handle, 'wave');
      await handle.brake({ by: 'ops', reason: 'wrong fleet' });
      release();
      expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });
    });
  });
});

describe('asking again after the end', () => {
  it('starts a new run over what is not proven, and a third after that', async () => {
    await withRuns({ stuck: ['a2'], confirm: 'none' }, async ({ client }) => {
      const first = await client.start(aRequest());
      await first.result();
      const second = await client.startRetry(first.requestId, 'second-shift');
      expect(second.requestId).toBe(`${first.requestId}.r2`);
      expect(await second.result()).toMatchObject({ planned: 1, outcomes: { unconfirmed: 1 } });
      const third = await client.startRetry(first.requestId, 'second-shift');
      expect(third.requestId).toBe(`${first.requestId}.r3`);
      await third.result();
    });
  });

  it('goes on with a run whose workflow was terminated before its end', async () => {
    await withRuns({}, async ({ client, temporal }) => {
      const first = await client.start(aRequest());
      await until(first, 'confirm');
      await temporal.client.workflow.getHandle(first.workflowId).terminate('by hand');
      const again = await client.startRetry(first.requestId, 'ops');
      expect(again.requestId).toBe(first.requestId);
      await approved(again);
      expect(await again.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
    });
  });

  it('starts nothing when everything is proven', async () => {
    await withRuns({ confirm: 'none' }, async ({ client }) => {
      const first = await client.start(aRequest());
      await first.result();
      expect(await refusalOf(client.startRetry(first.requestId, 'ops'))).toBe('MESSAGE_REFUSED');
    });
  });
});

describe('without a worker', () => {
  it('a question waits for one that is just starting', async () => {
    const temporal = await temporalOfTest();
    const client = new OffboilClient(temporal.client, { taskQueue: temporal.taskQueue });
    const planned = client.plan(aRequest());
    await wait(4_000); // a worker on a busy machine takes its time
    const worker = await temporal.worker({ activities: standIn().activities });
    await worker.runUntil(async () => {
      expect(await planned).toMatchObject({ targets: 2 });
    });
  });

  it('a question is answered by what is missing', async () => {
    const temporal = await temporalOfTest();
    const client = new OffboilClient(temporal.client, { taskQueue: temporal.taskQueue });
    await expect(client.listRuns()).rejects.toMatchObject({
      code: 'WORKER_UNAVAILABLE',
      message: expect.stringContaining('`offboil worker`') as string,
    });
  });

  it('a brake is kept for the first worker that comes', async () => {
    const temporal = await temporalOfTest();
    const client = new OffboilClient(temporal.client, { taskQueue: temporal.taskQueue });
    const handle = await client.start(aRequest());
    expect(await refusalOf(handle.brake({ by: 'ops', reason: 'wrong fleet' }))).toBe('WORKER_UNAVAILABLE');
    const worker = await temporal.worker({ activities: standIn().activities });
    await worker.runUntil(async () => {
      expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });
    });
  });
});

describe('without Temporal', () => {
  it('connecting says the address and what to do', async () => {
    await expect(OffboilClient.connect({ address: '127.0.0.1:1' })).rejects.toMatchObject({
      code: 'TEMPORAL_UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1.*offboil up/s) as string,
    });
  });
});

describe('watching', () => {
  it('ends with its signal and leaves the run alone', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      const leave = new AbortController();
      const seen = vi.fn();
      for await (const progress of handle.watch({ signal: leave.signal, everyMs: 20 })) {
        seen(progress.phase);
        if (progress.phase === 'confirm') leave.abort();
      }
      expect(seen).toHaveBeenLastCalledWith('confirm');
      await approved(handle);
      expect(await handle.result()).toMatchObject({ end: 'completed' });
    });
  });
});
