import { randomUUID } from 'node:crypto';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { TimeoutFailure } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { type EstateIdentity, TASK_QUEUE } from '../workflows/messages.js';

const CONNECT_MS = 3_000;
/** A worker that polls answers in a fraction of it; one that was killed is still listed for minutes. */
const ANSWER_MS = 10_000;

/** What the running workers say of their estate file. That nobody answers is no fault: a file may be checked before its workers run. */
export interface WorkersAnswer {
  readonly isSame: boolean;
  readonly text: string;
}

/** Asks for the hash of the workers' estate file. One worker answers, whichever Temporal gives the question to. */
export async function askWorkers(hash: string): Promise<WorkersAnswer> {
  try {
    const { estateHash, worker } = await identifyEstate();
    return estateHash === hash
      ? { isSame: true, text: `a running worker (${worker}) uses this estate` }
      : { isSame: false, text: `a running worker (${worker}) uses another estate, ${estateHash}; this one is ${hash}` };
  } catch (error) {
    return { isSame: false, text: `not compared: ${reasonOf(error)}` };
  }
}

async function identifyEstate(): Promise<EstateIdentity> {
  const profile = process.env['TEMPORAL_PROFILE'];
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig(
    profile === undefined ? {} : { profile },
  );
  const { address = '127.0.0.1:7233' } = connectionOptions;
  const connection = await Connection.connect({ ...connectionOptions, address, connectTimeout: CONNECT_MS }).catch(
    (error: unknown) => {
      throw new Error(`no Temporal server answers at ${address}`, { cause: error });
    },
  );
  const client = new Client({ connection, namespace });
  try {
    return await connection.withDeadline(Date.now() + 2 * ANSWER_MS, async () => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: TASK_QUEUE },
      });
      // a question would only wait there
      if (pollers.length === 0) throw new Error(`no worker runs at ${address}, namespace ${namespace}`);
      return client.workflow.execute<() => Promise<EstateIdentity>>('identifyEstate', {
        workflowId: `offboil.identifyEstate/${randomUUID()}`,
        taskQueue: TASK_QUEUE,
        workflowExecutionTimeout: ANSWER_MS,
      });
    });
  } finally {
    await connection.close();
  }
}

function reasonOf(error: unknown): string {
  const reason = error instanceof WorkflowFailedError ? error.cause : error;
  if (reason instanceof TimeoutFailure) return `no worker answered within ${ANSWER_MS / 1000} s`;
  return reason instanceof Error ? reason.message : String(reason);
}
