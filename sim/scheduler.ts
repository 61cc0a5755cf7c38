import type { Tape } from './tape.js';

/** Whoever runs code: a worker process. The network, the ledger and the servers' tasks have no owner and always go on. */
export interface Owner {
  dead: boolean;
  /** Nothing of the owner goes on before this moment (SIGSTOP, a stalled event loop). */
  stalledUntil: number;
}

interface Parked {
  readonly order: number;
  readonly dueAt: number;
  readonly owner: Owner | undefined;
  readonly run: () => void | Promise<void>;
}

/** Takes a parked thing out of the queue again. */
export type Unpark = () => void;

/**
 * One queue of all that may happen next. Time is virtual: it moves only when nothing is due now.
 *
 * Production code runs on real promises, so after each thing that happened all its continuations must have run before the next
 * is chosen. `drained` is exact about that and needs no turn of the event loop: Node empties the queue of microtasks
 * completely before it runs what `process.nextTick` queued from within a microtask. Code under test uses no other queue
 * (no timers, no I/O): time and the outside world come through ports.
 */
export class Scheduler {
  /** Milliseconds since 1970 of the true clock. */
  now = 1_000_000;
  steps = 0;
  readonly #tape: Tape;
  #parked: Parked[] = [];
  #order = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  /** Lets `run` happen at some moment that the tape chooses, not before `delayMs` from now; times are whole, as a process's are. */
  park(delayMs: number, owner: Owner | undefined, run: () => void | Promise<void>): Unpark {
    if (owner?.dead === true) return () => undefined; // a dead worker's code does nothing any more
    const entry: Parked = { order: this.#order++, dueAt: this.now + Math.ceil(delayMs), owner, run };
    this.#parked.push(entry);
    return () => {
      const at = this.#parked.indexOf(entry);
      if (at >= 0) this.#parked.splice(at, 1);
    };
  }

  /** Something that the world itself does, such as a person; real I/O in it is waited for before the story goes on. */
  perform(delayMs: number, effect: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.park(delayMs, undefined, () => effect().then(resolve, reject));
    });
  }

  /** Ends an owner: what it waits for never comes. */
  kill(owner: Owner): void {
    owner.dead = true;
    this.#parked = this.#parked.filter((entry) => entry.owner !== owner);
  }

  /** Lets one thing happen. @returns false when nothing is left that could */
  async step(): Promise<boolean> {
    const entry = this.#choose();
    if (entry === undefined) return false;
    this.steps += 1;
    const happening = entry.run();
    if (happening !== undefined) await happening;
    await drained();
    return true;
  }

  #choose(): Parked | undefined {
    if (this.#parked.length === 0) return undefined;
    let ready = this.#ready();
    if (ready.length === 0) {
      this.now = this.#parked.reduce((earliest, entry) => Math.min(earliest, readyAt(entry)), Number.POSITIVE_INFINITY);
      ready = this.#ready();
    }
    ready.sort((a, b) => a.dueAt - b.dueAt || a.order - b.order);
    const chosen = ready[ready.length > 1 ? this.#pick(ready.length) : 0];
    if (chosen !== undefined) this.#parked.splice(this.#parked.indexOf(chosen), 1);
    return chosen;
  }

  #ready(): Parked[] {
    return this.#parked.filter((entry) => readyAt(entry) <= this.now);
  }

  /** The oldest in most cases: a story that is out of order everywhere hides the one swap that matters. */
  #pick(count: number): number {
    const byte = this.#tape.byte();
    return byte < 128 ? 0 : byte % count;
  }
}

function readyAt(entry: Parked): number {
  return entry.owner === undefined ? entry.dueAt : Math.max(entry.dueAt, entry.owner.stalledUntil);
}

/** Resolves when no microtask is left to run. */
export async function drained(): Promise<void> {
  await Promise.resolve(); // from here on this code is itself a microtask, so that the tick below comes after all of them
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
}
