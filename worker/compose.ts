import { hostname } from 'node:os';
import { log } from '@temporalio/activity';
import type { NativeConnection } from '@temporalio/worker';
import { openLedger } from '../adapters/ledger/ledger.js';
import { createActivities, type Activities } from '../activities/create-activities.js';
import { Lease } from '../activities/lease.js';
import { createScenes, createSlots } from '../activities/scenes.js';
import { OffboilError } from '../domain/errors.js';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.js';
import { systemClock } from './clock.js';
import { createEstates } from './estates.js';

/** What a worker is told from outside. */
export interface Settings {
  readonly estateFile: string;
  readonly ledgerUrl: string;
  readonly env: NodeJS.ProcessEnv;
  readonly connection: NativeConnection;
  readonly namespace: string;
}

export interface House {
  readonly activities: Activities;
  close(): Promise<void>;
}

/** With the chunk that is written ahead, at most 40 requests of a server are in doubt after a crash. */
const CHUNK = 20;

/** Builds everything a worker needs; the only place where adapters meet activities. */
export async function compose({ estateFile, ledgerUrl, env, connection, namespace }: Settings): Promise<House> {
  const ledger = await openLedger(ledgerUrl);
  const estates = createEstates(estateFile, env, systemClock);
  const lease = new Lease(ledger.control, systemClock);
  const stopListening = ledger.control.listen(() => {
    lease.nudge();
  });
  const shard = {
    shards: ledger.shards,
    lease,
    clock: systemClock,
    slots: createSlots(),
    chunk: CHUNK,
    scene: createScenes(ledger, estates),
  };
  return {
    activities: createActivities({
      ledger,
      estates,
      clock: systemClock,
      shard,
      worker: `${process.pid}@${hostname()}`,
      searchAttributes: () => registeredAttributes(connection, namespace),
      log: (level, text, fields) => {
        log[level](text, { ...fields });
      },
    }),
    async close() {
      stopListening();
      await ledger.close();
    },
  };
}

/** Our search attributes that the namespace has; a namespace that does not tell counts as having none. */
async function registeredAttributes(connection: NativeConnection, namespace: string): Promise<readonly string[]> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return SEARCH_ATTRIBUTES.filter((name) => name in customAttributes);
  } catch {
    return []; // a run without search attributes is a run; an account may lack the right to ask
  }
}

/** Estate file and ledger, from flags and environment. @throws OffboilError naming what is missing */
export function readSettings(
  env: NodeJS.ProcessEnv,
  estate: string | undefined,
): Pick<Settings, 'estateFile' | 'ledgerUrl' | 'env'> {
  const ledgerUrl = env['OFFBOIL_LEDGER_URL'];
  if (ledgerUrl === undefined) {
    throw new OffboilError(
      'USAGE_WRONG',
      'OFFBOIL_LEDGER_URL is not set: the worker needs the PostgreSQL database that holds the ledger. Nothing was started. `offboil up` brings one of its own.',
    );
  }
  return { env, ledgerUrl, estateFile: estateFile(env, estate) };
}

export function estateFile(env: NodeJS.ProcessEnv, estate: string | undefined): string {
  return estate ?? env['OFFBOIL_ESTATE'] ?? 'offboil.yaml';
}
