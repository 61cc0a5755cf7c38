import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import pg from 'pg';
import { openLedger } from '../adapters/ledger/ledger.js';
import { startPostgres } from '../adapters/ledger/embedded/postgres-server.js';
import { identify } from '../adapters/ledger/embedded/process-identity.js';
import { OffboilClient } from '../client/index.js';
import { compose } from '../worker/compose.js';
import { startDevServer } from '../worker/dev-server.js';
import { closeAll } from '../worker/program.js';
import { createWorker } from '../worker/run-workers.js';

export interface HouseOptions {
  /** Folder for everything this house writes; a new one below it is made and removed. */
  readonly below: string;
  readonly cliPath: string;
  readonly webUi: boolean;
  /** Writes the estate once the addresses are known. @returns the file's path */
  readonly writeEstate: (folder: string, urls: { readonly warehouse: string }) => Promise<string>;
}

/** Ledger, warehouse, Temporal and a worker of their own, with nothing to set up and nothing left behind. */
export interface House {
  readonly client: OffboilClient;
  readonly warehouse: string;
  readonly uiAddress?: string;
  readonly temporalAddress: string;
  readonly estateFile: string;
  close(): Promise<void>;
}

export async function startHouse({ below, cliPath, webUi, writeEstate }: HouseOptions): Promise<House> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    await closeAll(closing.splice(0));
  };
  try {
    await mkdir(below, { recursive: true, mode: 0o711 });
    const folder = await mkdtemp(join(below, `house-${process.pid}-`));
    closing.unshift(() => rm(folder, { recursive: true, force: true }));
    // the servers' folders lie beside those of other houses: each start ends what a house that was killed has left
    const starting = [
      startPostgres({ folder: `${folder}-ledger` }).then((server) => (closing.unshift(() => server.stop()), server)),
      startDevServer({ cliPath, folder: `${folder}-temporal`, ...(webUi ? { uiPort: 0 } : {}) }).then(
        (server) => (closing.unshift(() => server.stop()), server),
      ),
    ] as const;
    await Promise.allSettled(starting); // when one fails, the other is there to be ended
    const [postgres, temporal] = await Promise.all(starting);
    await removeFoldersOfKilled(below);
    const warehouse = await createDatabase(postgres.url, 'warehouse');
    const ledger = await openLedger(postgres.url);
    await ledger.migrate(AbortSignal.timeout(60_000)).finally(() => ledger.close());
    const estateFile = await writeEstate(folder, { warehouse });

    Runtime.install({ shutdownSignals: [], logger: { ...quiet } });
    const native = await NativeConnection.connect({ address: temporal.address });
    closing.unshift(() => native.close());
    const settings = {
      estateFile,
      ledgerUrl: postgres.url,
      env: process.env,
      connection: native,
      namespace: 'default',
    };
    const house = await compose(settings);
    closing.unshift(() => house.close());
    const worker = await createWorker({ connection: native, namespace: 'default', house });
    const running = worker.run();
    closing.unshift(async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
    });
    const connection = await Connection.connect({ address: temporal.address });
    closing.unshift(() => connection.close());
    return {
      client: new OffboilClient(new Client({ connection })),
      warehouse,
      temporalAddress: temporal.address,
      ...(temporal.uiAddress === undefined ? {} : { uiAddress: temporal.uiAddress }),
      estateFile,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Their servers, whose records lay there, are ended by now. */
async function removeFoldersOfKilled(below: string): Promise<void> {
  for (const name of await readdir(below)) {
    const owner = /^house-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && identify(Number(owner)) === undefined)
      await rm(join(below, name), { recursive: true, force: true });
  }
}

/** What goes wrong shows in the report; a worker's log between the lines of the progress helps nobody. */
const nothing = (): void => undefined;
const quiet = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

async function createDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).finally(() => client.end());
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}
