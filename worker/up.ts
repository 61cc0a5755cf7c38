import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { openLedger } from '../adapters/ledger/ledger.js';
import { startPostgres } from '../adapters/ledger/embedded/postgres-server.js';
import { OffboilError } from '../domain/errors.js';
import { compose, estateFile } from './compose.js';
import { startDevServer } from './dev-server.js';
import { readEstateFile } from './estate-file.js';
import { closeAll, runProgram, stopRequested, untilAborted } from './program.js';
import { createWorker } from './run-workers.js';
import { WorkerLog } from './worker-log.js';

/** The Temporal CLI's own default, so that `temporal …` and `offboil …` find the server without settings. */
const ADDRESS = '127.0.0.1:7233';
/** How far above the server's port the Temporal CLI puts its Web UI. */
const UI_PORT_ABOVE = 1000;

/**
 * One machine: ledger, Temporal dev server with Web UI, and workers for every site of the estate. What it keeps lies in
 * OFFBOIL_HOME, so that a new start finds the ledger of the last one.
 */
await runProgram(async ({ estate }) => {
  const stopped = stopRequested(); // before anything is started, so that a signal leaves nothing behind
  Runtime.install({ logger: new WorkerLog(), shutdownSignals: [] });
  const file = estateFile(process.env, estate);
  const { estate: read } = await readEstateFile(file); // a bad file is refused before anything is started
  const profile = process.env['TEMPORAL_PROFILE'];
  const port = portOf(
    loadClientConnectConfig(profile === undefined ? {} : { profile }).connectionOptions.address ?? ADDRESS,
  );
  const home = process.env['OFFBOIL_HOME'] ?? join(homedir(), '.offboil');
  mkdirSync(home, { recursive: true, mode: 0o711 });
  const cliPath = process.env['TEMPORAL_CLI_PATH'] ?? 'temporal';

  let ready = false;
  const closing: (() => Promise<void>)[] = [];
  try {
    const postgres = await startPostgres({ folder: join(home, 'ledger'), lasting: true });
    closing.unshift(() => postgres.stop());
    stopped.throwIfAborted();
    const server = await startDevServer({
      cliPath,
      folder: join(home, 'temporal'),
      lasting: true,
      port,
      uiPort: port + UI_PORT_ABOVE,
    });
    closing.unshift(() => server.stop());
    stopped.throwIfAborted();
    const ledger = await openLedger(postgres.url);
    await ledger.migrate(AbortSignal.timeout(60_000)).finally(() => ledger.close());

    const connection = await NativeConnection.connect({ address: server.address });
    closing.unshift(() => connection.close());
    const settings = { estateFile: file, ledgerUrl: postgres.url, env: process.env, connection, namespace: 'default' };
    const house = await compose(settings);
    closing.unshift(() => house.close());
    const sites = new Set(read.servers.flatMap(({ site }) => (site === undefined ? [] : [site])));
    const places = [{}, ...[...sites].map((site) => ({ site }))];
    const workers = await Promise.all(
      places.map((place) => createWorker({ connection, namespace: 'default', house, ...place })),
    );
    const running = Promise.all(workers.map((worker) => worker.run()));
    ready = true;
    console.error(
      `ready: Temporal ${server.address}, Web UI ${server.uiAddress ?? ''}, ledger port ${postgres.port}, estate ${file}`,
    );
    console.error('next: offboil ps · offboil plan … · Ctrl+C ends it; runs go on at the next start');
    const ended = await Promise.race([running.then(() => 'worker' as const), untilAborted(stopped)]);
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
    if (ended === 'worker') throw new OffboilError('INTERNAL', 'The worker ended by itself.');
    return 0;
  } catch (error) {
    if (ready || !stopped.aborted) throw error;
    console.error('stopped before it was ready: what was started is ended');
    return 0;
  } finally {
    await closeAll(closing);
  }
});

/**
 * The server listens where the other commands will look for it.
 * @throws OffboilError `USAGE_WRONG` when that is another machine: what is typed next would go there
 */
function portOf(address: string): number {
  const { hostname, port } = new URL(`tcp://${address}`);
  if (port !== '' && ['127.0.0.1', 'localhost'].includes(hostname)) return Number(port);
  throw new OffboilError(
    'USAGE_WRONG',
    `The Temporal settings name ${address}, and \`offboil up\` starts a Temporal server on this machine. Nothing was started. Set TEMPORAL_ADDRESS=${ADDRESS}, here and for the commands that follow.`,
  );
}
