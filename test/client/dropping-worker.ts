import type { TestTemporal } from '../support/temporal.js';

/**
 * Stands in for a worker on an overloaded machine: takes workflow tasks and completes them without a word on the updates
 * that came with them, so that the real server rejects those as unprocessed.
 */
export async function dropTasks({ client, taskQueue }: TestTemporal, count: number): Promise<void> {
  const { namespace } = client.options;
  const service = client.workflowService;
  for (let dropped = 0; dropped < count;) {
    const { taskToken } = await client.connection.withDeadline(Date.now() + 70_000, () =>
      service.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue }, identity: 'dropping' }),
    );
    if (taskToken.length === 0) continue; // the poll was over before a task came
    await service.respondWorkflowTaskCompleted({ namespace, taskToken, commands: [], identity: 'dropping' });
    dropped += 1;
  }
}
