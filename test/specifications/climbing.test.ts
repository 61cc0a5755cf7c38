import { describe, expect, it } from 'vitest';
import type { RunHandle } from '../../client/index.js';
import { aLoad, sessionsOf, untilLoading, warehouse } from '../data/scene.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem, type System } from '../support/system.js';
import { refusalOf, until } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'known, go on' };

/** A load that hangs when it is stopped and is freed by a rollback alone, beside one that just takes its time. */
describe('a policy that asks before it climbs', () => {
  const postgres = usePostgres();
  const aStuckLoad = async ({ linger = '0s', settleMs = 1500 } = {}): Promise<System> => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [
          aLoad('load_a', { table: 'stuck' }, { traits: { haltsForever: true } }),
          aTask('load_b', { settleMs }),
        ]),
      ],
      estate: {
        databases: [warehouse({ url: postgres.url })],
        tasks: [
          {
            match: { name: 'load_a' },
            stop: { ladder: ['stop', 'rollback'] },
            sessions: [{ database: 'warehouse', applicationName: 'load_a' }],
          },
          { match: { name: '*' }, stop: { within: '20s' } },
        ],
        policies: {
          climbing: {
            extends: 'quick',
            waves: [1],
            climb: 'ask',
            gate: { failed: 0, wait: '5m' },
            verify: { within: '1s', every: '100ms', linger },
          },
        },
      },
    });
    await untilLoading(postgres, ['load_a']);
    return system;
  };
  const REQUEST = { policy: 'climbing', mode: 'forced' } as const;
  const untilHalted = (handle: RunHandle) => until(handle, ({ phase }) => phase === 'halted');
  const rungOf = async (handle: RunHandle, name: string) =>
    (await handle.report()).results.find((result) => result.name === name)?.rung;

  it('halts at the end of the last wave with the rung it asks for, and climbs when a person says so', async () => {
    const system = await aStuckLoad();
    const handle = await system.start(REQUEST);
    const { wave, outcomes, waits } = await untilHalted(handle);

    expect({ wave, outcomes }).toEqual({ wave: 2, outcomes: { stopped: 1, unconfirmed: 1 } });
    expect(waits?.reason).toBe(
      'halted at the end of the last wave: targets did not end, and their ladder goes on: rollback for 1',
    );
    expect(waits?.answers).toContain(`offboil retry ${handle.requestId} --rung rollback`);
    expect(await sessionsOf(postgres, 'load_a')).toHaveLength(1);

    await handle.retry({ by: 'lead', rung: 'rollback' });

    expect(await handle.result()).toMatchObject({ exitCode: 0, outcomes: { stopped: 1, stoppedByForce: 1 } });
    expect(await rungOf(handle, 'load_a')).toBe('rollback');
    expect(await rungOf(handle, 'load_b')).toBe('stop');
  });

  it('asks again when its workflow was terminated meanwhile, and climbs no further when it is resumed', async () => {
    const system = await aStuckLoad();
    const request = { ...aRequest(REQUEST), dryRun: false } as const;
    const first = await system.client.start(request);
    const { waits } = await untilHalted(first);
    await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');

    const again = await system.client.start(request);
    expect((await untilHalted(again)).waits?.reason).toBe(waits?.reason);
    const asked = (await system.stops()).length;
    await again.resume(BY);

    expect(await again.result()).toMatchObject({ exitCode: 2, outcomes: { stopped: 1, unconfirmed: 1 } });
    expect(await system.stops()).toHaveLength(asked);
    expect(await sessionsOf(postgres, 'load_a')).toHaveLength(1);
  });

  it('refuses a retry on a rung that the plan does not permit, and waits on', async () => {
    const system = await aStuckLoad();
    const handle = await system.start(REQUEST);
    await untilHalted(handle);
    const stopped = (await system.fleet.tasks()).find(({ name }) => name === 'load_b')?.id ?? '';
    const asked = (await system.stops()).length;

    expect(await refusalOf(handle.retry({ by: 'lead', rung: 'safe' }))).toMatchObject({
      code: 'MESSAGE_REFUSED',
      message: expect.stringContaining('on rung safe') as string,
    });
    for (const id of [stopped, 'nobody']) {
      const targets = [{ server: 'carte-1', id }] as const;
      expect(await refusalOf(handle.retry({ by: 'lead', targets: [...targets] }))).toMatchObject({
        code: 'MESSAGE_REFUSED',
        message: expect.stringContaining(`carte-1/${id}`) as string,
      });
    }
    expect(await handle.progress()).toMatchObject({ phase: 'halted' });
    expect(await system.stops()).toHaveLength(asked);
    await handle.brake(BY);
    await handle.result();
  });

  it('climbs in mid-wave too when a person says so, and then has nothing to ask', async () => {
    const system = await aStuckLoad({ settleMs: 8000 });
    const handle = await system.start(REQUEST);
    await until(handle, ({ phase, wave, outcomes }) => phase === 'wave' && wave === 2 && outcomes.unconfirmed === 1);

    await handle.retry({ by: 'lead', rung: 'rollback' });

    expect(await handle.result()).toMatchObject({ exitCode: 0, outcomes: { stopped: 1, stoppedByForce: 1 } });
    expect((await handle.report()).timeline.filter(({ what }) => what.startsWith('halted'))).toEqual([]);
  });

  it('climbs in linger too', async () => {
    const system = await aStuckLoad({ linger: '1m' });
    const handle = await system.start(REQUEST);
    await untilHalted(handle);
    await handle.resume(BY);
    await until(handle, ({ phase }) => phase === 'linger');

    await handle.retry({ by: 'lead', rung: 'rollback' });

    expect(await handle.result()).toMatchObject({ exitCode: 0, outcomes: { stopped: 1, stoppedByForce: 1 } });
  });
});
