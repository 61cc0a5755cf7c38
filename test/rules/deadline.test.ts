import { setImmediate, setTimeout as sleepTimer } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { DeadlinePassed, withDeadline } from '../../domain/deadline.js';

const clock = {
  sleep: (ms: number, signal: AbortSignal): Promise<void> => sleepTimer(ms, undefined, { signal }),
};
const never = new AbortController().signal;
const hanging = (): Promise<never> => new Promise(() => undefined);

/** Collects garbage again and again, as a busy worker does. */
async function collect(rounds: number): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void; // Node gives it to a context made after the flag was set
  for (let round = 0; round < rounds; round += 1) {
    gc();
    await setImmediate();
  }
}

describe('a deadline', () => {
  it('ends work that heeds no signal', async () => {
    await expect(withDeadline(clock, 5, never, hanging)).rejects.toBeInstanceOf(DeadlinePassed);
  });

  it('survives the garbage collector, with a signal that only the work holds', async () => {
    const ends = withDeadline(clock, 50, never, (limit) => {
      return new Promise((_resolve, reject) => {
        limit.addEventListener('abort', () => reject(limit.reason as Error));
      });
    }).catch((error: unknown) => error);
    await collect(20);
    expect(await ends).toBeInstanceOf(DeadlinePassed);
  });

  it('passes the reason of its caller on', async () => {
    const caller = new AbortController();
    const ends = withDeadline(clock, 60_000, caller.signal, hanging);
    caller.abort(new Error('a brake'));
    await expect(ends).rejects.toThrow('a brake');
  });

  it('tells the work when its time is over', async () => {
    let seen: AbortSignal | undefined;
    await withDeadline(clock, 5, never, (limit) => {
      seen = limit;
      return hanging();
    }).catch(() => undefined);
    expect(seen?.aborted).toBe(true);
  });

  it('keeps no timer after the work is done', async () => {
    let slept: AbortSignal | undefined;
    const watched = {
      sleep: (ms: number, signal: AbortSignal) => {
        slept = signal;
        return clock.sleep(ms, signal);
      },
    };
    expect(await withDeadline(watched, 60_000, never, () => Promise.resolve('done'))).toBe('done');
    expect(slept?.aborted).toBe(true);
  });

  it('does not begin what its caller has given up', async () => {
    const given = new AbortController();
    given.abort(new Error('too late'));
    let began = false;
    const ends = withDeadline(clock, 5, given.signal, () => {
      began = true;
      return Promise.resolve();
    });
    await expect(ends).rejects.toThrow('too late');
    expect(began).toBe(false);
  });
});
