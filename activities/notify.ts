import type { Waits } from '../domain/contracts/messages.js';
import { reasonOf } from './look-at-server.js';
import type { ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

export interface Notice {
  readonly runId: string;
  /** Stays the same when the activity is tried again, so that a receiver can drop doubles. */
  readonly id: string;
  readonly type: 'run.waits' | 'run.halted' | 'run.unconfirmed' | 'run.finished';
  readonly text: string;
  readonly waits?: Waits;
}

const TRIES = 3;
const BETWEEN_TRIES_MS = 1000;

/** Tells every notifier of the run's estate; that it was told, or that it could not be, is recorded. Never fails a run. */
export async function notify(deps: ActivityDeps, notice: Notice, { signal }: ActivityContext): Promise<void> {
  const { estate, estateHash } = await deps.ledger.runs.read(notice.runId, signal);
  if (estate === undefined || estateHash === undefined) return;
  const told = await Promise.all(
    estate.notifiers.map(async (entry) => {
      const body = {
        schemaVersion: 1,
        type: `io.offboil.${notice.type}.v1`,
        runId: notice.runId,
        text: notice.text,
        ...(notice.waits === undefined ? {} : { waits: notice.waits }),
      };
      for (let tries = 1; ; tries += 1) {
        try {
          await deps.estates.notifier(estateHash, entry).send({ id: notice.id, type: body.type, body }, signal);
          return `${entry.name} was told: ${notice.type}`;
        } catch (error) {
          signal.throwIfAborted();
          if (tries >= TRIES) return `${entry.name} could not be told (${notice.type}): ${reasonOf(error).why}`;
          await deps.clock.sleep(BETWEEN_TRIES_MS * tries, signal);
        }
      }
    }),
  );
  for (const what of told) await deps.ledger.runs.act(notice.runId, { kind: 'note', what }, deps.clock.now(), signal);
}
