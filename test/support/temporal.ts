import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Client, Connection, type WorkflowExecutionInfo } from '@temporalio/client';
import { type History, NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { expect, onTestFinished, vi } from 'vitest';
import { bundleWorkflows } from '../../worker/bundle.js';

/** The suite's Temporal server as one test sees it. */
export interface TestTemporal {
  readonly address: string;
  readonly client: Client;
  /** For workers. */
  readonly connection: NativeConnection;
  /** Of this test alone; queues of sites begin with it. */
  readonly taskQueue: string;
  /** A worker on the test's queue with the real workflows. Run it with `runUntil`, so that it ends with the test. */
  worker(options: Partial<WorkerOptions>): Promise<Worker>;
}

/**
 * Connects the running test to the suite's Temporal server. When the test ends, every workflow execution on its queues is
 * replayed, whoever started it: a replay that fails fails the test.
 * @param unfinished executions that the test leaves open: workflow id → the reason. Any other one fails the test.
 */
export async function temporalOfTest(unfinished: Readonly<Record<string, string>> = {}): Promise<TestTemporal> {
  const address = process.env['OFFBOIL_TEST_TEMPORAL_ADDRESS'];
  if (address === undefined) {
    throw new Error(
      'No Temporal CLI was found, so the suite has no Temporal server: `npm test` fetches one, or set TEMPORAL_CLI_PATH.',
    );
  }
  const workflowBundle = { codePath: await workflowBundlePath() };
  const taskQueue = `test-${randomUUID()}`;
  const clientConnection = await Connection.connect({ address });
  const connection = await NativeConnection.connect({ address });
  const started: string[] = [];
  const client = new Client({
    connection: clientConnection,
    interceptors: {
      workflow: [
        {
          async startWithDetails(input, next) {
            const output = await next(input);
            started.push(input.options.workflowId);
            return output;
          },
        },
      ],
    },
  });
  onTestFinished(async () => {
    try {
      await replayEverything(client, taskQueue, started, unfinished, workflowBundle);
    } finally {
      await connection.close();
      await clientConnection.close();
    }
  });
  return {
    address,
    client,
    connection,
    taskQueue,
    worker: (options) => Worker.create({ connection, taskQueue, workflowBundle, ...options }),
  };
}

/** Path of the bundle of the real workflows, made once per run by the first test that wants it. */
export async function workflowBundlePath(): Promise<string> {
  const path = process.env['OFFBOIL_TEST_WORKFLOW_BUNDLE'];
  if (path === undefined)
    throw new Error('The bundle is a matter of the live tests: move this test out of test/rules.');
  if (!existsSync(path)) await bundleWorkflows(path); // two workers at once make it twice, which harms nobody
  return path;
}

async function replayEverything(
  client: Client,
  taskQueue: string,
  started: readonly string[],
  unfinished: Readonly<Record<string, string>>,
  workflowBundle: { codePath: string },
): Promise<void> {
  // STARTS_WITH: the queues of sites too
  const query = `TaskQueue STARTS_WITH "${taskQueue}"`;
  // the list lags behind a little; what our own client started is known, and must be in it
  const executions = await vi.waitFor(
    async () => {
      const listed: WorkflowExecutionInfo[] = [];
      for await (const execution of client.workflow.list({ query })) listed.push(execution);
      expect(listed.map(({ workflowId }) => workflowId)).toEqual(expect.arrayContaining([...started]));
      return listed;
    },
    { timeout: 10_000, interval: 50 },
  );
  const histories = await Promise.all(
    executions.map(async ({ workflowId, runId }) => ({
      workflowId,
      history: await client.workflow.getHandle(workflowId, runId).fetchHistory(),
    })),
  );
  const open = histories.filter(({ history }) => !isFinished(history)).map(({ workflowId }) => workflowId);
  await Promise.all(open.map((workflowId) => client.workflow.getHandle(workflowId).terminate('the test has ended')));
  const faults = open
    .filter((workflowId) => !(workflowId in unfinished))
    .map((workflowId) => `${workflowId} was left unfinished`);
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (error !== undefined) faults.push(`${workflowId} does not replay: ${error.message}`);
  }
  expect(faults).toEqual([]);
}

/** Does its last event close it? The closing events carry their attributes in fields of these names. */
function isFinished(history: History): boolean {
  const last = history.events?.at(-1) ?? {};
  return CLOSING.some((field) => last[field] != null);
}

const CLOSING = [
  'workflowExecutionCompletedEventAttributes',
  'workflowExecutionFailedEventAttributes',
  'workflowExecutionCanceledEventAttributes',
  'workflowExecutionTerminatedEventAttributes',
  'workflowExecutionTimedOutEventAttributes',
  'workflowExecutionContinuedAsNewEventAttributes',
] as const;
