import { setTimeout as sleepTimer } from 'node:timers/promises';
import type { Clock } from '../domain/ports.js';

/** The machine's own time. `monotonic` runs on while the process is stopped, which is what a lease needs. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleepTimer(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal });
    } catch (error) {
      signal.throwIfAborted(); // the caller's own reason, not the timer's
      throw error;
    }
  },
};

/** Longer timers overflow in Node and would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
