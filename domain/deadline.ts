import type { Clock } from './ports.js';

/** Our own limit ended the work; what it had begun may still happen. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
  constructor(readonly afterMs: number) {
    super(`it was not done within ${afterMs} ms`);
  }
}

/**
 * Runs the work with a limit: the one way to bound time. Rejects at the limit even if the work does not heed its signal.
 * `AbortSignal.any` with `AbortSignal.timeout` is no limit: on Node 20 the garbage collector takes the timeout away (measured).
 * @param signal the caller's own; its reason is passed on
 * @throws DeadlinePassed when the time was over first
 */
export async function withDeadline<T>(
  clock: Pick<Clock, 'sleep'>,
  ms: number,
  signal: AbortSignal | undefined,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const limit = new AbortController();
  const done = new AbortController();
  const over = new Promise<never>((_resolve, reject) => {
    const end = (): void => {
      reject(limit.signal.reason as Error); // DeadlinePassed, or the caller's reason as it is
    };
    limit.signal.addEventListener('abort', end, { once: true });
  });
  const passOn = (): void => {
    limit.abort(signal?.reason);
  };
  signal?.addEventListener('abort', passOn, { once: true });
  clock.sleep(ms, done.signal).then(
    () => {
      limit.abort(new DeadlinePassed(ms));
    },
    () => undefined, // the work was done first
  );
  try {
    return await Promise.race([work(limit.signal), over]);
  } finally {
    signal?.removeEventListener('abort', passOn);
    done.abort();
  }
}

/** A signal that is aborted with the first of these. All are held by whoever aborts them, so none is lost to the collector. */
export function firstOf(...signals: readonly AbortSignal[]): AbortSignal {
  // eslint-disable-next-line no-restricted-properties -- no timeout is among them
  return AbortSignal.any([...signals]);
}
