import { ApplicationFailure } from '@temporalio/common';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem } from '../support/system.js';
import { closeOf, startByScript, untilAsked } from './acts.js';

const LOADS = [aTask('load_{n}', { count: 2 })];
const ORDER = { by: 'ops', reason: 'stop it' };

/** What a caller without our client is told of a message that was not taken. */
async function toldOf(sending: Promise<unknown>): Promise<{ readonly code: unknown; readonly message: string }> {
  const error = await sending.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : error;
  return cause instanceof ApplicationFailure
    ? { code: cause.type, message: cause.message }
    : { code: undefined, message: String(cause) };
}

describe('what is no request', { timeout: 60_000 }, () => {
  const postgres = usePostgres();

  it.each([
    ['text that holds JSON', JSON.stringify(aRequest({ reason: 'x'.repeat(216_000) }))],
    ['a list', [aRequest()]],
    ['null', null],
  ])('is refused in a sentence: %s', async (_what, input) => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', LOADS)] });
    const workflowId = `offboil/${aRequest().requestId}`;

    await system.temporal.workflow.start('bulkTermination', { workflowId, taskQueue: TASK_QUEUE, args: [input] });

    const closed = await closeOf(system, workflowId);
    expect(closed).toMatchObject({ type: 'REFUSED', result: { code: 'REQUEST_INVALID', exitCode: 3 } });
    expect(closed.message?.length).toBeLessThan(2000);
  });
});

describe('an order to a run', { timeout: 60_000 }, () => {
  const postgres = usePostgres();

  it('that ended before is refused, although it came before the ledger was asked', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', LOADS)], workers: 'none' });
    const worker = await system.workHere();
    const request = aRequest();
    const first = await system.start(request);
    await first.result();
    await worker.stop();
    await startByScript(system, request);
    const again = system.temporal.workflow.getHandle(first.workflowId);
    await again.signal('pause', ORDER);
    const told = toldOf(again.executeUpdate('brake', { args: [ORDER] }));

    await system.workHere();

    expect(await told).toMatchObject({ code: 'MESSAGE_REFUSED', message: expect.stringContaining('over') as string });
    expect(await closeOf(system, first.workflowId)).toMatchObject({ result: { end: 'completed', exitCode: 0 } });
  });

  it('that still reads its servers brakes it before there is a plan', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', LOADS)] });
    await system.fleet.fault('carte-1', 'hang', { times: 20 });
    const handle = await system.start(aRequest());

    await handle.brake(ORDER);

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4, planned: 0 });
    expect(await system.stops()).toEqual([]);
  });

  it('that is only a dry run brakes it as well, and never ends it green', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', LOADS)] });
    await system.fleet.fault('carte-1', 'hang', { times: 20 });
    const request = aRequest();
    await startByScript(system, { ...request, dryRun: true });
    const workflowId = `offboil/${request.requestId}`;

    await system.temporal.workflow.getHandle(workflowId).executeUpdate('brake', { args: [ORDER] });

    expect(await closeOf(system, workflowId)).toMatchObject({ type: 'BRAKED', result: { end: 'braked', exitCode: 4 } });
  });

  it('that a step refuses is answered with the step’s code and sentence', async () => {
    const policies = { asking: { extends: 'quick', confirm: 'count' } };
    const system = await startSystem({ postgres, servers: [aServer('carte-1', LOADS)], estate: { policies } });
    const handle = await system.start(aRequest({ policy: 'asking' }));
    const planHash = await untilAsked(handle);
    const workflow = system.temporal.workflow.getHandle(handle.workflowId);
    const skip = { by: 'ops', targets: [{ server: 'carte-1', id: 'nobody' }] };

    const told = await toldOf(workflow.executeUpdate('skip', { args: [skip] }));

    expect(told).toMatchObject({ code: 'TARGET_UNKNOWN', message: expect.stringContaining('nobody') as string });
    await handle.reject({ by: 'ops', planHash });
    await handle.result();
  });
});
