import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { OffboilError, type ErrorCode, type Progress, type RunHandle } from '../../client/index.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import type { System } from '../support/system.js';

/** What people and scripts do in these specifications, in their words. */

/** Starts the workflow as the Temporal CLI would: nothing of ours looks at the request, and an open id is attached to. */
export async function startByScript(
  system: System,
  request: Readonly<Record<string, unknown>>,
  workflowId = `offboil/${String(request['requestId'])}`,
): Promise<void> {
  await system.temporal.workflow.start('bulkTermination', {
    workflowId,
    taskQueue: TASK_QUEUE,
    args: [request],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
}

/** How a workflow closed, as Temporal itself tells it. */
export interface Closed {
  readonly status: string;
  /** Of a failure. */
  readonly type?: string | undefined;
  readonly message?: string;
  /** What it returned, or `details[0]` of its failure. */
  readonly result?: unknown;
}

/** Waits for the end as a caller without our client does. */
export async function closeOf(system: System, workflowId: string): Promise<Closed> {
  const handle = system.temporal.workflow.getHandle(workflowId);
  try {
    return { status: 'COMPLETED', result: await handle.result() };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const status = (await handle.describe()).status.name;
    if (!(error.cause instanceof ApplicationFailure)) return { status };
    const { type, message, details } = error.cause;
    return { status, type: type ?? undefined, message, result: details?.[0] };
  }
}

/** Follows the run until it stands as asked; fails with how it stood instead when it ends before or takes too long. */
export async function until(handle: RunHandle, stands: (progress: Progress) => boolean): Promise<Progress> {
  let last: Progress | undefined;
  for await (last of handle.watch({ everyMs: 20, signal: AbortSignal.timeout(20_000) })) if (stands(last)) return last;
  throw new Error(`${handle.requestId} never stood as asked; at last it stood so: ${JSON.stringify(last)}`);
}

/** Waits for the plan that asks for consent. @returns its hash */
export async function untilAsked(handle: RunHandle): Promise<string> {
  const { planHash } = await until(handle, ({ phase, waits }) => phase === 'confirm' && waits !== undefined);
  return planHash ?? '';
}

/** The code of what was refused; undefined when it was taken. */
export async function refusalOf(
  act: Promise<unknown>,
): Promise<{ readonly code: ErrorCode; readonly message: string } | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    if (error instanceof OffboilError) return { code: error.code, message: error.message };
    throw error;
  }
}
