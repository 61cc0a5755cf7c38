import { describe, expect, it } from 'vitest';
import { OffboilClient, type OffboilError } from '../../client/index.js';
import { temporalOfTest } from '../support/temporal.js';
import { dropTasks } from './dropping-worker.js';
import { aRequest, until } from './scene.js';
import { standIn } from './stand-in-activities.js';

const ORDER = { by: 'ops', reason: 'wrong fleet' };

/** A run that waits for its consent, and a worker that drops the next `drops` updates before a good one comes. */
async function whileUpdatesAreDropped(
  drops: number,
  act: (handle: ReturnType<OffboilClient['handle']>, troubles: OffboilError[]) => Promise<void>,
): Promise<void> {
  const temporal = await temporalOfTest();
  const client = new OffboilClient(temporal.client, { taskQueue: temporal.taskQueue });
  const { activities } = standIn();
  const handle = await client.start(aRequest());
  await (await temporal.worker({ activities })).runUntil(until(handle, 'confirm'));
  const troubles: OffboilError[] = [];
  const acting = act(handle, troubles);
  await dropTasks(temporal, drops);
  await (
    await temporal.worker({ activities })
  ).runUntil(async () => {
    await acting;
    if (await handle.isOpen()) await handle.brake({ by: 'test', reason: 'the test ends' });
    await handle.result();
  });
}

describe('an order whose update the worker drops', () => {
  it.each(['pause', 'brake'] as const)('%s is asked again, and holds when it is answered', async (name) => {
    await whileUpdatesAreDropped(1, async (handle, troubles) => {
      const answer = await handle[name](ORDER, { onTrouble: (trouble) => troubles.push(trouble) });
      expect(answer.answeredBy).toBe('repeatedUpdate');
      expect(troubles.map(({ code }) => code)).toEqual(['WORKER_UNAVAILABLE']);
      if (name === 'brake') expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });
      else expect((await handle.progress()).waits?.reason).toContain('paused by ops: wrong fleet');
    });
  });

  it('is sent as a signal as well when it is dropped again, and says so', async () => {
    await whileUpdatesAreDropped(2, async (handle) => {
      expect((await handle.brake(ORDER)).answeredBy).toMatch(/signal|end/);
      expect(await handle.result()).toMatchObject({ end: 'braked', exitCode: 4 });
    });
  });

  it('is asked again also when it cannot be a signal, and happens once', async () => {
    await whileUpdatesAreDropped(2, async (handle) => {
      const answer = handle.approve({ by: 'ops-oncall', planHash: 'sha256:other' });
      await expect(answer).rejects.toMatchObject({ code: 'PLAN_HASH_MISMATCH' });
    });
  });
});
