import { randomUUID } from 'node:crypto';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
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
  const profile = process.env['TEMPORAL_PROFILE'];
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig(
    profile === undefined ? {} : { profile },
  );
  const { address = '127.0.0.1:7233' } = connectionOptions;
  const nobody = (why: string): WorkersAnswer => ({ isSame: false, text: `not compared: ${why}` });
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...connectionOptions, address, connectTimeout: CONNECT_MS });
  } catch {
    return nobody(`no Temporal server answers at ${address}`);
  }
  try {
    const client = new Client({ connection, namespace });
    const { pollers } = await connection.withDeadline(Date.now() + ANSWER_MS, () =>
      client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: TASK_QUEUE } }),
    );
    if (pollers.length === 0) return nobody(`no worker runs at ${address}, namespace ${namespace}`);
    const { estateHash, worker } = await client.workflow.execute<() => Promise<EstateIdentity>>('identifyEstate', {
      workflowId: `offboil.identifyEstate/${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      workflowExecutionTimeout: ANSWER_MS,
    });
    return estateHash === hash
      ? { isSame: true, text: `a running worker (${worker}) uses this estate` }
      : { isSame: false, text: `a running worker (${worker}) uses another estate, ${estateHash}; this one is ${hash}` };
  } catch (error) {
    const reason = error instanceof WorkflowFailedError ? error.cause : error;
    return nobody(
      `no worker answers at ${address}, namespace ${namespace} (${reason instanceof Error ? reason.message : String(reason)})`,
    );
  } finally {
    await connection.close();
  }
}
