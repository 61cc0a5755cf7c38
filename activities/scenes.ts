import pLimit, { type LimitFunction } from 'p-limit';
import { durationMs } from '../domain/contracts/request.js';
import { OffboilError } from '../domain/errors.js';
import { resolvePolicy } from '../domain/planning/policies.js';
import type { Estates, Ledger } from '../domain/ports.js';
import type { RunScene, Slots } from './shard-deps.js';

/** A run's scene never changes: its estate is frozen by hash. So many are remembered. */
const REMEMBERED = 50;

/** What a run's frozen estate says, resolved on this worker; remembered per run. */
export function createScenes(
  ledger: Ledger,
  estates: Estates,
): (runId: string, signal: AbortSignal) => Promise<RunScene> {
  const scenes = new Map<string, RunScene>();
  return async (runId, signal) => {
    const known = scenes.get(runId);
    if (known !== undefined) return known;
    const { estate, estateHash, request } = await ledger.runs.read(runId, signal);
    if (estate === undefined || estateHash === undefined) {
      throw new OffboilError('RUN_UNKNOWN', `Run ${runId} has no estate yet; nothing was sent.`);
    }
    const servers = new Map(estate.servers.map((server) => [server.name, server]));
    const databases = new Map(estate.databases.map((database) => [database.name, database]));
    const scene: RunScene = {
      policy: resolvePolicy(request.policy, estate),
      server(name) {
        const entry = servers.get(name);
        if (entry === undefined)
          throw new OffboilError('ESTATE_INVALID', `The estate of run ${runId} has no server ${name}.`);
        const { perServer, timeout } = entry.limits;
        return { engine: estates.engine(estateHash, entry), perServer, timeoutMs: durationMs(timeout) };
      },
      database(name) {
        const entry = databases.get(name);
        if (entry === undefined)
          throw new OffboilError('ESTATE_INVALID', `The estate of run ${runId} has no database ${name}.`);
        return estates.database(estateHash, entry);
      },
    };
    scenes.set(runId, scene);
    for (const oldest of scenes.keys()) {
      if (scenes.size <= REMEMBERED) break;
      scenes.delete(oldest);
    }
    return scene;
  };
}

/** Requests at once on this worker; a policy with another bound gets a window of its own. */
export function createSlots(): Slots {
  const windows = new Map<number, LimitFunction>();
  return {
    run(inFlight, work) {
      const window = windows.get(inFlight) ?? pLimit(inFlight);
      windows.set(inFlight, window);
      return window(work);
    },
  };
}
