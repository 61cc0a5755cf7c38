import { keyOf } from '../domain/contracts/plan.js';
import type { Claim, Clock, Evidence, ShardLedger, ShardTarget } from '../domain/ports.js';
import type { Rung } from '../domain/tasks.js';

type Answers = Parameters<ShardLedger['answer']>[1];

interface Intent {
  readonly target: ShardTarget;
  readonly rung: Rung;
  readonly n: number;
}

/** Writes that must not be lost because the activity is told to end. */
const unstoppable = new AbortController().signal;

/**
 * The writes of one claimed shard, of all its servers together. Every write locks the shard's claim, so servers that write one
 * by one would wait for each other; here what comes while a set is being written makes the next set.
 */
export class ShardWriter {
  /** Writes attempts as `intended`. @returns keys of those that may be sent, of this set and perhaps of others */
  readonly intend: (intents: readonly Intent[]) => Promise<ReadonlySet<string>>;
  readonly answer: (answers: Answers) => Promise<void>;
  readonly #record: (evidence: readonly Evidence[]) => Promise<void>;

  constructor(shards: ShardLedger, claim: Claim, clock: Clock) {
    this.intend = gathered(async (intents: readonly Intent[]) => {
      const named = intents.map(({ target: { server, id }, n, rung }) => ({ target: { server, id }, n, rung }));
      const { granted } = await shards.intend(claim, named, clock.now(), unstoppable);
      return new Set(granted.map(keyOf));
    });
    this.answer = gathered((answers: Answers) => shards.answer(claim, answers, unstoppable));
    this.#record = gathered((evidence: readonly Evidence[]) => shards.record(claim, evidence, unstoppable));
  }

  async record(evidence: readonly Evidence[]): Promise<void> {
    if (evidence.length > 0) await this.#record(evidence);
  }
}

/** One write at a time: calls that come while one is under way are joined into the next one, and share its answer. */
function gathered<T, R>(write: (all: readonly T[]) => Promise<R>): (some: readonly T[]) => Promise<R> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: { readonly all: T[]; readonly written: Promise<R> } | undefined;
  return (some) => {
    if (next !== undefined) {
      next.all.push(...some);
      return next.written;
    }
    const all = [...some];
    const written = underWay
      .catch(() => undefined) // its own callers know
      .then(() => {
        next = undefined;
        return write(all);
      });
    next = { all, written };
    underWay = written;
    return written;
  };
}
