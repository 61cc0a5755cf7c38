import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import type { Progress, RunHandle } from '../../client/index.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { refusalOf, until, untilAsked } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'look first' };

describe('a message to a run', () => {
  const postgres = usePostgres();
  const POLICIES = {
    asking: { extends: 'quick', confirm: 'count' },
    /** Halts after its first wave of one, when that did not end. */
    halting: {
      extends: 'quick',
      waves: [1, '100%'],
      gate: { failed: 0, unconfirmed: 0, wait: '5m' },
      verify: { within: '500ms', every: '100ms', linger: '0s' },
      climb: 'ask',
    },
  };
  const aSystem = (tasks = [aTask('load_{n}', { count: 3 })]): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', tasks)], estate: { policies: POLICIES } });

  it('skip leaves targets out that had no request, and the run stays proven', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    const [left] = await system.fleet.tasks();

    const progress = await handle.skip({ by: 'lead', targets: [{ server: 'carte-1', id: left?.id ?? '' }] });
    expect(progress.outcomes).toEqual({ skipped: 1 });
    await handle.approve({ by: 'ops-oncall', planHash });

    expect(await handle.result()).toMatchObject({
      end: 'completed',
      exitCode: 0,
      outcomes: { stopped: 2, skipped: 1 },
    });
    expect((await system.stops()).map(({ id }) => id)).not.toContain(left?.id);
  });

  it('skip that names what is no target, or was asked already, is refused whole', async () => {
    const system = await aSystem([aTask('load_deaf', { traits: { ignoresStop: true } }), aTask('load_1')]);
    const handle = await system.start({});
    await until(handle, ({ requested }) => requested === 2);
    const [asked] = await system.stops();

    const refused = await refusalOf(
      handle.skip({
        by: 'lead',
        targets: [
          { server: 'carte-1', id: 'nonsense' },
          { server: 'carte-1', id: asked?.id ?? '' },
        ],
      }),
    );

    expect(refused).toMatchObject({
      code: 'TARGET_UNKNOWN',
      message: expect.stringContaining(`carte-1/nonsense, carte-1/${asked?.id ?? ''}`) as string,
    });
    await handle.result();
    expect((await handle.report()).timeline.filter(({ what }) => what.startsWith('skip'))).toEqual([]);
  });

  it('retry in a halt asks again what was refused, and the run goes on when that has ended', async () => {
    const system = await aSystem();
    await system.fleet.fault('carte-1', 'refuse', { paths: ['stopTrans'], times: 1 });
    const handle = await system.start({ policy: 'halting' });
    const { waits } = await until(handle, ({ phase, outcomes }) => phase === 'halted' && outcomes.refused === 1);
    expect(waits?.answers).toContain(`offboil retry ${handle.requestId}`);

    await handle.retry({ by: 'ops-oncall' });

    expect(await handle.result()).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 3 } });
    expect((await handle.report()).actors).toContainEqual(
      expect.objectContaining({ by: 'ops-oncall', role: 'operator' }),
    );
  });

  it('that lacks something is refused with what it lacks', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);

    // past our client, as a script would
    const sent = system.temporal.workflow
      .getHandle(handle.workflowId)
      .executeUpdate<Progress, [unknown]>('brake', { args: [{ by: '' }] });

    const failure = await sent.then(
      () => undefined,
      (error: unknown) => (error instanceof WorkflowUpdateFailedError ? error.cause : error),
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type: 'MESSAGE_INVALID',
      message: expect.stringMatching(/^brake: by: say who; reason: .*Nothing changed\.$/) as string,
    });
    await handle.reject({ by: 'lead', planHash });
    await handle.result();
  });

  it('approve after the confirm is refused', async () => {
    const system = await aSystem([aTask('load_0', { traits: { ignoresStop: true } }), aTask('load_1')]);
    const handle = await system.start({ policy: 'halting' });
    const { planHash = '' } = await until(handle, ({ phase }) => phase === 'halted');

    expect(await refusalOf(handle.approve({ by: 'lead', planHash }))).toMatchObject({
      code: 'MESSAGE_REFUSED',
      message: expect.stringContaining('waits for no confirmation') as string,
    });
    await handle.brake(BY);
    await handle.result();
  });

  it('resume to a run that neither pauses nor halts is refused', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);

    expect(await refusalOf(handle.resume(BY))).toMatchObject({ code: 'MESSAGE_REFUSED' });
    await handle.reject({ by: 'lead', planHash });
    await handle.result();
  });
});

describe('resolve', () => {
  const postgres = usePostgres();

  /** A run whose only target has left half a batch behind, and that waits for a person to mend it. */
  const waiting = async (): Promise<{ handle: RunHandle; id: string; answers: readonly string[] }> => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { settleMs: 1500 })])],
      estate: {
        databases: [{ name: 'warehouse', kind: 'postgresql', url: postgres.url }],
        tasks: [
          {
            match: { name: '*' },
            checks: [
              {
                name: 'batch whole',
                database: 'warehouse',
                query: 'SELECT whole FROM batches',
                expect: { value: true },
              },
            ],
            compensate: { kind: 'manual', runbook: 'https://wiki.example/erp' },
          },
        ],
      },
    });
    await execute(postgres.url, 'DROP TABLE IF EXISTS batches; CREATE TABLE batches AS SELECT true AS whole');
    const handle = await system.start({});
    await eventually(async () => expect(await system.stops()).toHaveLength(1));
    await execute(postgres.url, 'UPDATE batches SET whole = false');
    const { waits } = await until(handle, ({ phase, waits }) => phase === 'compensate' && waits !== undefined);
    const [task] = await system.fleet.tasks();
    return { handle, id: task?.id ?? '', answers: waits?.answers ?? [] };
  };

  it('answers a manual compensation that the run waits for', async () => {
    const { handle, id, answers } = await waiting();
    expect(answers).toEqual([`offboil resolve ${handle.requestId} carte-1/${id} --note TEXT`]);

    await handle.resolve({ by: 'lead', target: { server: 'carte-1', id }, note: 'batch 7 deleted' });

    expect(await handle.result()).toMatchObject({ outcomes: { stopped: 1 } });
    const done = { kind: 'manual', state: 'done', by: 'lead', detail: 'batch 7 deleted' };
    expect((await handle.report()).compensations).toMatchObject([done]);
  });

  it('of a target that has none is refused, and the run waits on', async () => {
    const { handle, id } = await waiting();

    const refused = await refusalOf(
      handle.resolve({ by: 'lead', target: { server: 'carte-1', id: 'nobody' }, note: 'mended' }),
    );

    expect(refused).toMatchObject({ code: 'TARGET_UNKNOWN' });
    expect(await handle.progress()).toMatchObject({ phase: 'compensate' });
    await handle.resolve({ by: 'lead', target: { server: 'carte-1', id }, note: 'mended' });
    await handle.result();
  });
});

async function execute(url: string, sql: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

describe('what a run tells while it runs', () => {
  const postgres = usePostgres();

  it('has the published shape, and requested and proven only grow', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 12 })], { answerMs: 50 })],
      estate: { policies: { stepwise: { extends: 'quick', waves: [3] } } },
    });
    const handle = await system.start({ policy: 'stepwise' });
    const seen: Progress[] = [];
    for await (const progress of handle.watch({ everyMs: 20 })) seen.push(progress);

    const last = seen.at(-1);
    expect(last).toEqual({
      runId: handle.requestId,
      requestHash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      phase: 'done',
      planHash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      wave: 4,
      waves: 4,
      planned: 12,
      requested: 12,
      proven: 12,
      unconfirmed: 0,
      outcomes: { stopped: 12 },
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    });
    for (const field of ['requested', 'proven', 'wave'] as const) {
      const values = seen.map((progress) => progress[field]);
      expect(values).toEqual([...values].sort((a, b) => a - b));
    }
    expect(await handle.planSummary()).toEqual({
      planHash: last?.planHash,
      left: 0,
      findings: expect.any(Array) as unknown[],
      confirm: 'none',
      waves: Array.from({ length: 4 }, () => ({ priority: 'normal', targets: 3, servers: 1 })),
    });
  });
});
