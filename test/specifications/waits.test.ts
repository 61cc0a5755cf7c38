import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { until, untilAsked } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'look first' };
const PAUSED = 'paused by ops-oncall: look first';

/** Whatever a run waits for shows as one state, with its reason and the commands that answer it. */
describe('what a run waits for', () => {
  const postgres = usePostgres();
  const aSystem = (tasks = [aTask('load_{n}', { count: 4 })]): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: {
        policies: {
          asking: { extends: 'quick', confirm: 'count' },
          stepwise: { extends: 'quick', waves: [2], settle: '1h' },
          halting: {
            extends: 'quick',
            waves: [1, '100%'],
            gate: { failed: 0, unconfirmed: 0, wait: '5m' },
            verify: { within: '500ms', every: '100ms', linger: '0s' },
          },
        },
      },
    });

  it('is its consent, before, during and after a pause', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    const { waits } = await handle.progress();

    const paused = await handle.pause(BY);
    expect(paused).toMatchObject({ phase: 'confirm', waits: { until: waits?.until } });
    expect(paused.waits?.reason).toBe(`${waits?.reason ?? ''}; and it is ${PAUSED}`);
    expect(paused.waits?.answers).toEqual([...(waits?.answers ?? []), `offboil resume ${handle.requestId}`]);

    expect((await handle.resume(BY)).waits).toEqual(waits);
    await handle.approve({ by: 'ops-oncall', planHash });
    expect(await handle.result()).toMatchObject({ end: 'completed' });
  });

  it('is a pause from the approval on, when it was paused while it asked', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(handle);
    await handle.pause(BY);

    await handle.approve({ by: 'ops-oncall', planHash });

    await until(handle, ({ phase, waits }) => phase === 'paused' && waits?.reason === PAUSED);
    expect(await system.stops()).toEqual([]);
    expect((await handle.resume(BY)).waits).toBeUndefined();
    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 4 } });
  });

  it('is a halt below a pause: one resume ends the pause, another the halt', async () => {
    const system = await aSystem([aTask('load_0', { traits: { ignoresStop: true } }), aTask('load_1')]);
    const handle = await system.start({ policy: 'halting' });
    const { waits } = await until(handle, ({ phase }) => phase === 'halted');

    const paused = await handle.pause(BY);
    expect(paused).toMatchObject({ phase: 'paused', waits: { until: waits?.until } });
    expect(paused.waits?.reason).toBe(`${PAUSED}; before, it ${waits?.reason ?? ''}`);
    expect(paused.waits?.answers).toContain(`offboil resume ${handle.requestId}`);

    expect(await handle.resume(BY)).toMatchObject({ phase: 'halted', waits });
    expect(new Set((await system.stops()).map(({ name }) => name))).toEqual(new Set(['load_0']));

    expect((await handle.resume(BY)).waits).toBeUndefined();
    expect(await handle.result()).toMatchObject({ outcomes: { unconfirmed: 1, stopped: 1 } });
  });

  it('is the same when its workflow was terminated and is started again', async () => {
    const system = await aSystem();
    const request = { ...aRequest({ policy: 'stepwise' }), dryRun: false } as const;
    const first = await system.client.start(request);
    const { waits } = await until(first, ({ waits }) => waits?.reason.includes('pause after wave 1') === true);
    await first.pause(BY);
    // a pause is answered before it stands there
    await eventually(async () => expect(await actsIn(system.ledgerUrl)).toEqual(['pause']));
    await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');

    const again = await system.client.start(request);
    await until(again, ({ phase, waits }) => phase === 'paused' && waits?.reason === PAUSED);
    const resumed = await again.resume(BY);

    expect(waits?.answers).toContain(`offboil brake ${first.requestId}`);
    expect(resumed).toMatchObject({ phase: 'wave', requested: 2 });
    await until(again, (progress) => JSON.stringify(progress.waits) === JSON.stringify(waits));
    await again.brake(BY);
    expect(await again.result()).toMatchObject({ end: 'braked', outcomes: { stopped: 2, skipped: 2 } });
  });
});

/** What people said, as the ledger has it. */
async function actsIn(ledgerUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: ledgerUrl });
  await client.connect();
  const { rows } = await client
    .query<{ kind: string }>('SELECT kind FROM approvals ORDER BY seq')
    .finally(() => client.end());
  return rows.map(({ kind }) => kind);
}
