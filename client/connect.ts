import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { OffboilError } from '../domain/errors.js';

/** Where Temporal is. What is left out comes from the Temporal CLI's own settings: profile file and `TEMPORAL_*`. */
export interface ConnectOptions {
  readonly profile?: string;
  readonly address?: string;
  readonly namespace?: string;
}

const DEFAULT_ADDRESS = '127.0.0.1:7233';

/**
 * Connects with the settings of the Temporal CLI (profiles, TLS, API key).
 * @throws OffboilError `TEMPORAL_UNAVAILABLE` with the address and what to do
 */
export async function connectTemporal(options: ConnectOptions = {}): Promise<Client> {
  const config = readSettings(options.profile);
  const address = options.address ?? config.connectionOptions.address ?? DEFAULT_ADDRESS;
  const namespace = options.namespace ?? config.namespace ?? 'default';
  try {
    const connection = await Connection.connect({ ...config.connectionOptions, address, connectTimeout: '5 seconds' });
    return new Client({ connection, namespace });
  } catch (error) {
    throw new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `No Temporal server answers at ${address} (${reasonOf(error)}). Nothing was sent. ` +
        'Start one with `offboil up`, or name the right one with --address, --profile or TEMPORAL_ADDRESS.',
      { address },
      { cause: error },
    );
  }
}

function readSettings(profile: string | undefined): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig(profile === undefined ? {} : { profile });
  } catch (error) {
    throw new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `The Temporal settings${profile === undefined ? '' : ` of profile "${profile}"`} cannot be read: ${reasonOf(error)}. ` +
        'Nothing was sent. `temporal config list` shows them.',
      {},
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
