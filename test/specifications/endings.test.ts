import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { closeOf, startByScript, until, untilAsked } from './acts.js';

/** The close status tells the truth: only a run that is done and proven completes. */
describe('a run', () => {
  const postgres = usePostgres();
  const aSystem = (tasks = [aTask('load_{n}', { count: 3 })], answerMs = 0): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', tasks, { answerMs })],
      estate: { policies: { asking: { extends: 'quick', confirm: 'count' } } },
    });

  it('that is proven completes, and returns what the client reads', async () => {
    const system = await aSystem();
    const request = aRequest();
    await startByScript(system, request);

    const closed = await closeOf(system, `offboil/${request.requestId}`);

    expect(closed).toMatchObject({
      status: 'COMPLETED',
      result: { schemaVersion: 1, end: 'completed', exitCode: 0, outcomes: { stopped: 3 } },
    });
    expect(await system.client.handle(request.requestId).result()).toEqual(closed.result);
  });

  it('with an unconfirmed target closes as Failed with its result as details', async () => {
    const system = await aSystem([aTask('load_deaf', { traits: { ignoresStop: true } }), aTask('load_0')]);
    const request = aRequest();
    await startByScript(system, request);

    const closed = await closeOf(system, `offboil/${request.requestId}`);

    const result = {
      runId: request.requestId,
      end: 'incomplete',
      exitCode: 2,
      planned: 2,
      outcomes: { stopped: 1, unconfirmed: 1 },
    };
    expect(closed).toMatchObject({ status: 'FAILED', type: 'INCOMPLETE', result });
    expect(closed.message).toContain('1 of 2 proven ended');
    expect(await system.client.handle(request.requestId).result()).toEqual(closed.result);
  });

  it('that matches nothing completes with exit code 0 and says so', async () => {
    const system = await aSystem();

    const { result } = await system.run({ select: { names: ['nobody_*'] } });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 0 });
    expect(result.message).toContain('nothing matched');
    expect(await system.stops()).toEqual([]);
  });

  it('that is cancelled sends nothing more, verifies what was requested and closes as Canceled', async () => {
    const system = await aSystem([aTask('load_{n}', { count: 40 })], 150);
    const handle = await system.start({});
    await eventually(async () => expect((await system.stops()).length).toBeGreaterThan(4));

    await system.temporal.workflow.getHandle(handle.workflowId).cancel();

    expect(await closeOf(system, handle.workflowId)).toEqual({ status: 'CANCELLED' });
    const asked = (await system.stops()).length;
    expect(asked).toBeLessThan(40);
    expect(await handle.result()).toMatchObject({
      end: 'cancelled',
      exitCode: 4,
      outcomes: { stopped: asked, skipped: 40 - asked },
    });
    expect(await system.stops()).toHaveLength(asked);
    const { actors, timeline } = await handle.report();
    expect(actors).toContainEqual(expect.objectContaining({ by: 'temporal', role: 'operator' }));
    expect(timeline).toContainEqual(expect.objectContaining({ what: 'cancel: the workflow was cancelled' }));
  });

  it('that is cancelled while it waits for its confirm closes as Canceled and has sent nothing', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    await untilAsked(handle);

    await system.temporal.workflow.getHandle(handle.workflowId).cancel();

    expect(await handle.result()).toMatchObject({ end: 'cancelled', exitCode: 4, outcomes: { skipped: 3 } });
    expect(await system.stops()).toEqual([]);
  });

  it('that only repeats a cancelled run fails as CANCELED with exit code 4', async () => {
    const system = await aSystem();
    const request = aRequest({ policy: 'asking' });
    const handle = await system.start(request);
    await untilAsked(handle);
    await system.temporal.workflow.getHandle(handle.workflowId).cancel();
    await handle.result();

    await startByScript(system, request);

    expect(await closeOf(system, handle.workflowId)).toMatchObject({
      status: 'FAILED',
      type: 'CANCELED',
      result: { exitCode: 4 },
    });
  });

  it('shows in its current details the phase, what it waits for and the command that answers', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking', reason: 'source *corrupt*' });
    const planHash = await untilAsked(handle);

    const metadata = await system.temporal.workflow
      .getHandle(handle.workflowId)
      .query<{ currentDetails: string }>('__temporal_workflow_metadata');

    expect(metadata.currentDetails).toContain('**source \\*corrupt\\***');
    expect(metadata.currentDetails).toContain('| confirm | 0/1 | 3 |');
    expect(metadata.currentDetails).toMatch(/\*\*Waits:\*\* planned: 3 tasks in 1 wave/);
    expect(metadata.currentDetails).toContain(`\`offboil approve ${handle.requestId}\``);
    await handle.reject({ by: 'lead', planHash });
    await handle.result();
  });

  it('shows its phase, requester and ticket as search attributes', async () => {
    const system = await aSystem();
    const handle = await system.start({ ticket: 'CHG-7' });
    await handle.result();

    const { typedSearchAttributes } = await system.temporal.workflow.getHandle(handle.workflowId).describe();
    const shown = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    expect(shown).toMatchObject({ OffboilPhase: 'done', OffboilRequestedBy: 'ops-oncall', OffboilTicket: 'CHG-7' });
  });

  it('is not disturbed by a namespace without search attributes', async () => {
    const system = await aSystem();
    await system.temporal.connection.operatorService.removeSearchAttributes({
      namespace: system.namespace,
      searchAttributes: ['OffboilPhase', 'OffboilRequestedBy', 'OffboilTicket'],
    });

    expect((await system.run({ ticket: 'CHG-7' })).result).toMatchObject({
      end: 'completed',
      outcomes: { stopped: 3 },
    });
  });

  it('that brakes in linger ends at once', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_deaf', { traits: { ignoresStop: true } })])],
      estate: { policies: { lingering: { extends: 'quick', verify: { within: '500ms', linger: '10m' } } } },
    });
    const handle = await system.start({ policy: 'lingering' });
    await until(handle, ({ phase }) => phase === 'linger');

    await handle.brake({ by: 'ops-oncall', reason: 'enough' });

    expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4, outcomes: { unconfirmed: 1 } });
  });
});
