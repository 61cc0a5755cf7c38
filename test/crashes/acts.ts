import type { ChildProcess } from 'node:child_process';
import { expect } from 'vitest';
import type { RunHandle } from '../../client/index.js';
import { eventually, type System } from '../support/system.js';

export type StopEntry = Awaited<ReturnType<System['fleet']['log']>>[number];

/** Every stop the fleet saw, in the order of arrival. */
export async function stopLog(system: System): Promise<readonly StopEntry[]> {
  const log = await system.fleet.log();
  return log.filter(({ path }) => path === 'stopTrans');
}

export async function untilStops(system: System, atLeast: number, timeout?: number): Promise<void> {
  await eventually(async () => {
    expect((await stopLog(system)).length).toBeGreaterThanOrEqual(atLeast);
  }, timeout);
}

/** Time as the fleet's log tells it. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export async function untilTime(moment: number): Promise<void> {
  await eventually(() => {
    expect(now()).toBeGreaterThan(moment);
  });
}

/** Which of the worker processes carries out the activity now. */
export async function holderOf(
  system: System,
  handle: RunHandle,
  activity: 'stopShard' | 'verifyShard',
  workers: readonly ChildProcess[],
): Promise<ChildProcess> {
  return eventually(async () => {
    const { raw } = await system.temporal.workflow.getHandle(handle.workflowId).describe();
    const pending = raw.pendingActivities?.find(({ activityType }) => activityType?.name === activity);
    const identity = pending?.lastWorkerIdentity ?? ''; // `<pid>@<host>` unless told otherwise
    const holder = workers.find(({ pid }) => identity.startsWith(`${pid ?? ''}@`));
    if (holder === undefined) throw new Error(`${activity} is not with one of ours: "${identity}"`);
    return holder;
  });
}

/** All were stopped, each by one request: none lost, none repeated. */
export async function expectOneStopEach(system: System, handle: RunHandle, targets: number): Promise<void> {
  const result = await handle.result();
  expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: targets, outcomes: { stopped: targets } });
  const ids = (await stopLog(system)).map(({ server, id }) => `${server}/${id ?? ''}`);
  expect(new Set(ids).size).toBe(targets);
  expect(ids).toHaveLength(targets);
  const truth = await system.fleet.tasks();
  expect(truth.filter(({ threads }) => threads > 0)).toEqual([]);
}

/** A figure for whoever reads the test's output; never asserted. */
export function figure(what: string, ms: number): void {
  console.log(`${what}: ${Math.round(ms)} ms`);
}
