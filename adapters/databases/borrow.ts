import { setMaxListeners } from 'node:events';
import pg from 'pg';
import { z } from 'zod';
import { DeadlinePassed, withDeadline } from '../../domain/deadline.js';
import { OffboilError } from '../../domain/errors.js';
import type { Clock } from '../../domain/ports.js';

/**
 * Runs the work on a pool's connection. Aborted, it rejects at once with the signal's reason, and the connection, whatever it was
 * doing, is thrown away.
 * @param translate makes an error of ours of anything but the abort
 * @param limit our own; passing it is translated like any other failure
 */
export async function borrow<T>(
  pool: pg.Pool,
  signal: AbortSignal,
  translate: (error: Error) => Error,
  work: (client: pg.PoolClient) => Promise<T>,
  limit?: { readonly ms: number; readonly clock: Pick<Clock, 'sleep'> },
): Promise<T> {
  if (limit === undefined) return lend(pool, signal, signal, translate, work);
  return withDeadline(limit.clock, limit.ms, signal, (limited) => lend(pool, signal, limited, translate, work)).catch(
    (error: unknown) => {
      throw error instanceof DeadlinePassed ? translate(error) : error;
    },
  );
}

/** @param limited ends with the caller's signal, or earlier */
async function lend<T>(
  pool: pg.Pool,
  signal: AbortSignal,
  limited: AbortSignal,
  translate: (error: Error) => Error,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  limited.throwIfAborted();
  setMaxListeners(0, limited); // many statements share one signal; Node warns of a leak above ten
  let giveUp = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => {
      reject(limited.reason as Error); // an abort's reason is passed on as it is
    };
    limited.addEventListener('abort', giveUp, { once: true });
  });
  const connecting = pool.connect();
  let client: pg.PoolClient | undefined;
  let isSpoilt = false;
  try {
    client = await Promise.race([connecting, aborted]);
    client.on('error', nobodyWaits);
    return await Promise.race([work(client), aborted]);
  } catch (error) {
    // after these the connection is as good as before
    isSpoilt = !(error instanceof pg.DatabaseError || error instanceof OffboilError || error instanceof z.ZodError);
    if (client === undefined) connecting.then(giveBack, () => undefined); // it may come after the abort
    if (signal.aborted || !(error instanceof Error)) throw error;
    throw translate(error);
  } finally {
    limited.removeEventListener('abort', giveUp);
    client?.off('error', nobodyWaits);
    client?.release(isSpoilt);
  }
}

/**
 * A borrowed connection that breaks between two statements: the next statement fails with it. Without a listener the event would
 * end the process, and the pool listens only while the connection lies in it.
 */
function nobodyWaits(): void {
  // nothing to do
}

function giveBack(client: pg.PoolClient): void {
  client.release();
}

/** What an error of the driver says; a refused connection to several addresses has no message of its own. */
export function wordsOf(error: Error): string {
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
