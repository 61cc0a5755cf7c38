import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { OffboilError } from '../domain/errors.js';

/** Connects with the settings of the Temporal CLI: profiles, TLS, API key, namespace. */
export async function connectWorker(
  profile?: string,
): Promise<{ readonly connection: NativeConnection; readonly namespace: string }> {
  const { connectionOptions, namespace } = loadClientConnectConfig(profile === undefined ? {} : { profile });
  try {
    return { connection: await NativeConnection.connect(connectionOptions), namespace: namespace ?? 'default' };
  } catch (error) {
    const address = connectionOptions.address ?? 'localhost:7233';
    throw new OffboilError(
      'TEMPORAL_UNAVAILABLE',
      `No Temporal server answers at ${address}. Nothing was started. Set TEMPORAL_ADDRESS or a profile, or run \`offboil up\`.`,
      { address },
      { cause: error },
    );
  }
}
