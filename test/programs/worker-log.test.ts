import { ApplicationFailure } from '@temporalio/common';
import type { LogEntry } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { toFailure } from '../../activities/failures.js';
import { OffboilError } from '../../domain/errors.js';
import { WorkerLog } from '../../worker/worker-log.js';
import { startByScript } from '../specifications/acts.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem } from '../support/system.js';

describe('the log of a worker', { timeout: 120_000 }, () => {
  const postgres = usePostgres();

  it('has one line with code and sentence for a refused request, and for a run that is not proven', async () => {
    const servers = [aServer('carte-1', [aTask('load_deaf', { traits: { ignoresStop: true } })])];
    const verify = { within: '500ms', linger: '0s' };
    const estate = { policies: { brief: { extends: 'quick', verify } } };
    const system = await startSystem({ postgres, servers, estate, workers: 'none' });
    const worker = await system.spawnWorker();
    let log = '';
    worker.stderr?.on('data', (part: Buffer) => (log += part.toString()));
    const end = async (request: Readonly<Record<string, unknown>>): Promise<void> => {
      const id = `offboil/${String(request['requestId'])}`;
      await startByScript(system, request);
      await expect(system.temporal.workflow.getHandle(id).result()).rejects.toThrow();
    };
    const request = aRequest({ requestId: 'INC-1', policy: 'brief' });
    await end(request);
    await end({ ...request, reason: 'another' });
    await end({ ...aRequest({ requestId: 'INC-2' }), colour: 'red' });

    const lines = await eventually(() => {
      const written = log.split('\n').filter((line) => /INC-[12]/.test(line) && line.includes('[WARN]'));
      expect(written).toHaveLength(5); // the refusals are told by the activity and by the workflow
      return written.map((line) => line.replace(/^\S+ /, ''));
    });
    expect(lines).toEqual([
      expect.stringMatching(/^\[WARN\] offboil\/INC-1 closes as failed: .*0 of 1 proven ended/),
      expect.stringMatching(
        /^\[WARN\] openRun of offboil\/INC-1: REQUEST_CONFLICT: INC-1 already names another request\./,
      ),
      expect.stringMatching(/^\[WARN\] offboil\/INC-1 closes as failed: REQUEST_CONFLICT: INC-1 already names/),
      expect.stringMatching(/^\[WARN\] openRun of offboil\/INC-2: REQUEST_INVALID: .*colour/),
      expect.stringMatching(/^\[WARN\] offboil\/INC-2 closes as failed: REQUEST_INVALID: .*colour/),
    ]);
    expect(log).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['an error that nobody foresaw', toFailure(new TypeError('tasks is not iterable'), 1)],
    ['an error that is ours and says so', toFailure(new OffboilError('INTERNAL', 'a row is missing'), 1)],
    ["somebody else's failure", ApplicationFailure.create({ type: 'Odd', message: 'odd' })],
  ])('keeps the stack of %s', (_, error) => {
    expect(logged('Activity failed', error)).toEqual([
      expect.objectContaining({ message: 'Activity failed', meta: { error, activityType: 'openRun' } }),
    ]);
  });

  it('keeps the stack of a workflow that failed by a fault of its own', () => {
    const thrown = new TypeError('tasks is not iterable');
    expect(logged('Workflow failed', thrown)).toMatchObject([{ meta: { error: thrown } }]);
    const caught = Object.assign(new Error('INTERNAL: tasks is not iterable'), {
      stack: 'ApplicationFailure: INTERNAL',
    });
    expect(logged('Workflow failed', caught)).toMatchObject([{ meta: { error: caught } }]);
  });
});

function logged(message: string, error: Error): LogEntry[] {
  const entries: LogEntry[] = [];
  new WorkerLog('INFO', (entry) => entries.push(entry)).warn(message, { error, activityType: 'openRun' });
  return entries;
}
