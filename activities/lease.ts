import { firstOf } from '../domain/deadline.js';
import type { Claim, Clock, ControlLedger, ShardKey } from '../domain/ports.js';
import { LEASE_MS } from '../domain/shard-ledger.js';

const LOOK_EVERY_MS = 100;

/** `stale`: no answer young enough; nothing may leave until there is one. `lost`: a newer claim exists. */
export type LeaseVerdict = 'send' | 'paused' | 'braked' | 'lost' | 'stale';

/** The right to send for one claimed shard. */
export interface HeldLease {
  /** Synchronous: asked right before the first byte of a request is written. */
  verdict(): LeaseVerdict;
  /** Resolves with the next verdict that is not `stale`. */
  fresh(signal: AbortSignal): Promise<Exclude<LeaseVerdict, 'stale'>>;
  release(): void;
}

interface Holding {
  readonly claim: Claim;
  known: 'send' | 'paused' | 'braked' | 'lost';
  /** Monotonic time at which the question was sent. */
  askedAt: number;
}

/**
 * One loop per worker asks the ledger for all held shards at once. A worker that is stalled, cut off or superseded finds its
 * answers too old, so nothing leaves from it (`design.md` §8.9).
 */
export class Lease {
  readonly #control: ControlLedger;
  readonly #clock: Clock;
  readonly #held = new Set<Holding>();
  #waiting: (() => void)[] = [];
  #looping: AbortController | undefined;
  #nudge: (() => void) | undefined;

  constructor(control: ControlLedger, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  /** Makes the next look earlier; called when the ledger notifies of a changed control row. */
  nudge(): void {
    this.#nudge?.();
  }

  hold(claim: Claim): HeldLease {
    const holding: Holding = { claim, known: 'send', askedAt: Number.NEGATIVE_INFINITY };
    this.#held.add(holding);
    if (this.#looping === undefined) this.#start();
    else this.nudge();
    return {
      verdict: () => this.#verdict(holding),
      fresh: (signal) => this.#fresh(holding, signal),
      release: () => {
        this.#held.delete(holding);
        if (this.#held.size === 0) this.#stop();
      },
    };
  }

  #verdict(holding: Holding): LeaseVerdict {
    if (holding.known === 'lost' || holding.known === 'braked') return holding.known; // never taken back
    return this.#clock.monotonic() - holding.askedAt > LEASE_MS ? 'stale' : holding.known;
  }

  async #fresh(holding: Holding, signal: AbortSignal): Promise<Exclude<LeaseVerdict, 'stale'>> {
    for (;;) {
      signal.throwIfAborted();
      const verdict = this.#verdict(holding);
      if (verdict !== 'stale') return verdict;
      await new Promise<void>((resolve, reject) => {
        const aborted = (): void => {
          reject(signal.reason as Error); // an abort's reason is an Error or what the caller chose; passed on as it is
        };
        signal.addEventListener('abort', aborted, { once: true });
        this.#waiting.push(() => {
          signal.removeEventListener('abort', aborted);
          resolve();
        });
      });
    }
  }

  #start(): void {
    const looping = new AbortController();
    this.#looping = looping;
    void this.#loop(looping.signal);
  }

  #stop(): void {
    this.#looping?.abort();
    this.#looping = undefined;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look(signal);
      await this.#pause(signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const asked = [...this.#held];
    const keys: ShardKey[] = asked.map(({ claim }) => claim);
    const askedAt = this.#clock.monotonic();
    try {
      const answers = await this.#control.look(keys, signal);
      for (const [index, holding] of asked.entries()) {
        const answer = answers[index];
        if (answer === undefined) continue;
        holding.askedAt = askedAt;
        if (answer.epoch > holding.claim.epoch) holding.known = 'lost';
        else holding.known = answer.control === 'go' ? 'send' : answer.control;
      }
    } catch {
      // The ledger did not answer: the answers grow stale by themselves, and nothing leaves. The next look tries again.
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const early = new AbortController();
    this.#nudge = () => {
      early.abort();
    };
    // Rejects on nudge and on stop alike; both mean: go on now.
    await this.#clock.sleep(LOOK_EVERY_MS, firstOf(signal, early.signal)).catch(() => undefined);
    this.#nudge = undefined;
  }
}
