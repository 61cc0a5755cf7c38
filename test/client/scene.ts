import type { Worker } from '@temporalio/worker';
import { OffboilClient, type Progress, type RunHandle, type StartInput } from '../../client/index.js';
import { type TestTemporal, temporalOfTest } from '../support/temporal.js';
import { type StandIn, standIn, type StandInOptions } from './stand-in-activities.js';

let counter = 0;
/** An id of its own for each test: all share one Temporal server. */
export const newId = (): string => `client-${process.pid}-${Date.now()}-${(counter += 1)}`;

/** A request for a run; the client's types know that it is no dry run. */
type RunRequest = StartInput & { readonly dryRun?: false };

export const aRequest = (fields: Partial<RunRequest> = {}): RunRequest => ({
  requestId: newId(),
  reason: 'ERP source corrupt',
  requestedBy: 'ops-oncall',
  select: { names: ['load_*'] },
  policy: 'contain',
  ...fields,
});

export interface Scene extends StandIn {
  readonly temporal: TestTemporal;
  readonly client: OffboilClient;
}

/** Runs a test against the real workflows with a fleet of two tasks behind them. */
export async function withRuns(options: StandInOptions, test: (scene: Scene) => Promise<void>): Promise<void> {
  const temporal = await temporalOfTest();
  const stub = standIn(options);
  const worker: Worker = await temporal.worker({ activities: stub.activities });
  const client = new OffboilClient(temporal.client, { taskQueue: temporal.taskQueue });
  await worker.runUntil(test({ ...stub, temporal, client }));
}

/** Waits until the run is in this phase, with its plan. */
export async function until(handle: RunHandle, phase: Progress['phase']): Promise<Progress> {
  for await (const progress of handle.watch({ everyMs: 50 }))
    if (progress.phase === phase && progress.planHash !== undefined) return progress;
  throw new Error(`the run ended without phase ${phase}`);
}
