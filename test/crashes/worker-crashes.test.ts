import type { ChildProcess } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem, type System, type SystemOptions } from '../support/system.js';
import { expectOneStopEach, figure, holderOf, now, stopLog, untilStops, untilTime } from './acts.js';

/** Two workers as processes of their own; either may get any activity. */
async function withTwoWorkers(
  options: Omit<SystemOptions, 'workers'>,
): Promise<{ system: System; workers: ChildProcess[] }> {
  const system = await startSystem({ ...options, workers: 'none' });
  return { system, workers: await Promise.all([system.spawnWorker(), system.spawnWorker()]) };
}

describe('a worker that is killed or stands still', { timeout: 60_000 }, () => {
  const postgres = usePostgres();

  it('killed between "sent" and "noted" leaves no stop lost and none repeated', async () => {
    // what was asked for is done at once and answered after 400 ms: all that the worker sent is in doubt when it dies
    const servers = [aServer('carte-1', [aTask('load_{n}', { count: 50 })], { answerMs: 400 })];
    const { system, workers } = await withTwoWorkers({ postgres, servers });
    const handle = await system.start({});
    await untilStops(system, 1);
    (await holderOf(system, handle, 'stopShard', workers)).kill('SIGKILL');
    const killedAt = now();

    const next = await eventually(async () => {
      const late = (await stopLog(system)).find(({ at }) => at > killedAt + 100); // what had left arrives within that
      expect(late).toBeDefined();
      return late?.at ?? Number.NaN;
    });
    figure('kill -9 in mid-chunk → next stop', next - killedAt);
    await expectOneStopEach(system, handle, 50);
    const report = await handle.report();
    expect(report.results.filter(({ requests }) => requests > 1).every(({ outcome }) => outcome === 'stopped')).toBe(
      true,
    );
  });

  it('stopped with SIGSTOP, taken over and continued, sends nothing any more', async () => {
    // at most forty are in the two chunks of the first worker, the others are untouched and go first with the second one
    const servers = [aServer('carte-1', [aTask('load_{n}', { count: 60 })], { answerMs: 200 })];
    const { system, workers } = await withTwoWorkers({ postgres, servers });
    const handle = await system.start({});
    await untilStops(system, 1);
    const first = await holderOf(system, handle, 'stopShard', workers);
    first.kill('SIGSTOP');
    const stoppedAt = now();
    await untilTime(stoppedAt + 100); // what had left has arrived
    const before = (await stopLog(system)).length;
    expect(before).toBeLessThan(40); // else it had nothing left to send

    // Temporal may hand the repeat to the frozen one's open polls, more than once; each costs a missed heartbeat
    await untilStops(system, before + 1, 40_000);
    figure('SIGSTOP → next stop', ((await stopLog(system))[before]?.at ?? Number.NaN) - stoppedAt);
    first.kill('SIGCONT'); // the second one is in the middle of the untouched ones, and has not asked about the others yet

    await expectOneStopEach(system, handle, 60);
    const endedAt = now();
    await untilTime(endedAt + 500);
    expect(await stopLog(system)).toHaveLength(60);
  });

  it('killed while it verifies, and the next one while it sends the second wave, leave a whole run', async () => {
    const servers = [aServer('carte-1', [aTask('load_{n}', { count: 24, settleMs: 700 })], { answerMs: 150 })];
    const policies = {
      'two-waves': {
        extends: 'quick',
        waves: ['50%'],
        gate: { failed: 0, unconfirmed: 0 },
        verify: { within: '8s', every: '100ms', linger: '0s' },
      },
    };
    const { system, workers } = await withTwoWorkers({ postgres, servers, estate: { policies } });
    const handle = await system.start({ policy: 'two-waves' });
    await untilStops(system, 12);
    const verifying = await holderOf(system, handle, 'verifyShard', workers);
    verifying.kill('SIGKILL');
    const replaced = [...workers.filter((one) => one !== verifying), await system.spawnWorker()];

    await untilStops(system, 13);
    (await holderOf(system, handle, 'stopShard', replaced)).kill('SIGKILL');

    await expectOneStopEach(system, handle, 24);
    expect(await eventually(() => handle.progress())).toMatchObject({ phase: 'done', proven: 24, waves: 2 });
  });
});
