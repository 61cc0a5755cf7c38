import { Runtime } from '@temporalio/worker';
import { compose, readSettings } from './compose.js';
import { connectWorker } from './connect.js';
import { runProgram, stopRequested, untilAborted } from './program.js';
import { createWorker } from './run-workers.js';
import { WorkerLog } from './worker-log.js';

/** Starts one worker, on the main queue or a site's, and runs it until it is asked to stop. */
await runProgram(async ({ estate, site }) => {
  const stopped = stopRequested();
  Runtime.install({ logger: new WorkerLog(), shutdownSignals: [] }); // ours are handled below, so that the ledger outlives the last activity
  const settings = readSettings(process.env, estate);
  const { connection, namespace } = await connectWorker(process.env['TEMPORAL_PROFILE']);
  try {
    const house = await compose({ ...settings, connection, namespace });
    try {
      const worker = await createWorker({ connection, namespace, house, ...(site === undefined ? {} : { site }) });
      const running = worker.run();
      console.error(`worker ready${site === undefined ? '' : ` at ${site}`}: estate ${settings.estateFile}`);
      await Promise.race([running, untilAborted(stopped)]);
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
    } finally {
      await house.close();
    }
  } finally {
    await connection.close();
  }
  return 0;
});
