import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type NativeConnection } from '@temporalio/worker';
import { siteQueue, TASK_QUEUE } from '../workflows/messages.js';
import type { House } from './compose.js';

/** Reasons: `temporal.md` §4 and §18, measured with kill -9 of workers. */
const OPTIONS = {
  /** The default is 0, which cuts off a batch in mid-request. */
  shutdownGraceTime: '20 seconds',
  /** Little is lost on a crash, and a cancel is seen in time. */
  maxHeartbeatThrottleInterval: '500 ms',
  /** Else workflow tasks wait 10 s on a dead worker's queue. */
  stickyQueueScheduleToStartTimeout: '500 ms',
  /** Watching costs next to nothing, and the watchers of many large runs must never keep an emergency waiting for a slot. */
  maxConcurrentActivityTaskExecutions: 1000,
} as const;

export interface WorkerPlace {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly house: House;
  /** Undefined: the main queue, with workflows. A name: that site's activities only. */
  readonly site?: string;
  /** Main queue, if it is not the usual one. */
  readonly taskQueue?: string;
  /** Prebuilt workflow bundle; the one beside the compiled program if left out. */
  readonly bundle?: string;
}

/** One worker on one queue. A site's worker runs activities only: workflows need no place in a network zone. */
export async function createWorker({
  connection,
  namespace,
  house,
  site,
  bundle,
  taskQueue = TASK_QUEUE,
}: WorkerPlace): Promise<Worker> {
  return Worker.create({
    ...OPTIONS,
    connection,
    namespace,
    taskQueue: siteQueue(taskQueue, site),
    activities: house.activities,
    ...(site === undefined ? { workflowBundle: { codePath: bundle ?? bundlePath() } } : {}),
  });
}

/** Prebuilt, it saves a second at every start. */
function bundlePath(): string {
  const path = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: build first (npm run offboil does).`);
  return path;
}
