import { CancellationScope, condition } from '@temporalio/workflow';
import type { Climbable } from '../activities/shard-deps.js';
import { OUTCOME_FACTS, OUTCOMES, type Tally } from '../domain/outcomes.js';
import { RUNGS, type Rung } from '../domain/tasks.js';
import { atPlace, groupFault } from './places.js';
import type { RunState } from './state/run-state.js';
import { type Place, steps } from './steps.js';

/** So long an order waits for the ledger. */
const CONTROL_MS = 2000;

/**
 * Follows shards from their first request to the end of their time: stop, verify, stop again what is due (a lost request, a
 * climbed rung), verify. Earlier waves are followed beside the next one, so that nothing waits for verification.
 * History: per shard and round six events.
 */
export class Pursuits {
  readonly #running = new Map<string, Promise<void>>();
  /** Shards of which every request that is due has been sent. */
  readonly #requested = new Set<string>();
  readonly #sending = new Set<CancellationScope>();
  readonly #climbable = new Map<string, Climbable>();

  constructor(private readonly run: RunState) {}

  /** Follows every shard of the wave; a shard that is still followed is followed again after that. */
  start(wave: number): void {
    const shards = this.run.plan?.waves[wave - 1]?.shards ?? [];
    for (const shard of shards.keys()) {
      const key = keyOf(wave, shard);
      const before = this.#running.get(key) ?? Promise.resolve();
      const follow = before
        .then(() => this.#follow(wave, shard))
        .catch((error: unknown) => this.#giveUp(wave, shard, error))
        .catch((error: unknown) => {
          this.run.failure ??= error;
        })
        .finally(() => {
          if (this.#running.get(key) === follow) this.#running.delete(key);
        });
      this.#running.set(key, follow);
    }
  }

  /** Has all of the first `waves` waves been requested? */
  allRequested(waves: number): boolean {
    const plan = this.run.plan?.waves.slice(0, waves) ?? [];
    return plan.every(({ shards }, index) => shards.every((_, shard) => this.#isRequested(index + 1, shard)));
  }

  /** Is nothing of the first `waves` waves followed any more? */
  isOver(waves: number): boolean {
    return [...this.#running.keys()].every((key) => Number(key.split('/')[0]) > waves);
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** Targets whose time is over, by their further permitted rung, lowest first. */
  get climbable(): readonly (readonly [Rung, number])[] {
    return RUNGS.flatMap((rung) => {
      const count = [...this.#climbable.values()].reduce((sum, shard) => sum + (shard[rung] ?? 0), 0);
      return count === 0 ? [] : [[rung, count] as const];
    });
  }

  /** Follows the first `waves` waves again, as far as they have targets without proof. */
  askAgain(waves: number): void {
    this.run.unanswered = false;
    for (let wave = 1; wave <= waves; wave += 1) if (hasUnproven(this.run.waveTally(wave))) this.start(wave);
  }

  /** What only an earlier execution has followed is looked at again: that is how it is known what can be climbed. */
  followUnseen(): void {
    for (const wave of this.run.plan?.waves.keys() ?? []) {
      const isSeen = [...this.#requested].some((key) => key.startsWith(`${wave + 1}/`));
      if (!isSeen && hasUnproven(this.run.waveTally(wave + 1))) this.start(wave + 1);
    }
  }

  /**
   * Whatever sends goes through here, so that it can be cancelled.
   * @returns undefined when it was: because the ledger could not be told of a pause or brake, or by who waits for it
   */
  async whileSending<T>(work: () => Promise<T>): Promise<T | undefined> {
    const scope = new CancellationScope();
    this.#sending.add(scope);
    try {
      return await scope.run(work);
    } catch (error) {
      // What was sent is verified all the same. An attempt that fails for the same reason (it cannot note its replies) is not
      // repeated after the cancel, and ends no run.
      if (scope.consideredCancelled && this.run.control !== 'go') return undefined;
      throw error;
    } finally {
      this.#sending.delete(scope);
    }
  }

  /**
   * Holds sending as the run's control says. The control row stops every worker within the lease. If it is not written in 2 s (the
   * ledger is down), the sending activities are cancelled and waited for; the row is still written as soon as it can be.
   * @returns whether the row is written
   */
  async holdSending(): Promise<boolean> {
    if (await this.run.controlRow.write(this.run.runId, this.run.control, CONTROL_MS)) return true;
    for (const scope of this.#sending) scope.cancel();
    await condition(() => this.#sending.size === 0);
    return false;
  }

  async #follow(wave: number, shard: number): Promise<void> {
    const shards = this.run.plan?.waves[wave - 1]?.shards ?? [];
    const brief = shards[shard];
    if (brief === undefined) return;
    const key = { runId: this.run.runId, wave, shard };
    const place = { summary: `wave ${wave}/${this.run.plan?.waves.length ?? 0} · ${brief.label}`, ...siteOf(brief) };
    // A group that nobody takes for longer than its targets' time is given up for the gate.
    const until = Date.now() + (this.run.plan?.longestWithinMs ?? 0);
    const isOver = (): boolean => this.#isOver() || Date.now() >= until;
    for (;;) {
      // A halt holds repeats and climbs of earlier requests too, until a person answers.
      await condition(() => this.#isOver() || (this.run.control !== 'paused' && this.run.halt === undefined));
      const end = this.#isOver() ? 'braked' : await this.#stop(place, key, isOver);
      if (end !== 'paused') this.#requested.add(keyOf(wave, shard));
      if (!this.#isOver()) {
        const due = await this.#verify(place, key, shards.length, isOver);
        if (!this.#isOver() && end !== 'paused' && due === 0) return;
      }
      // Over meanwhile: nothing is sent any more, and what was requested is followed to the end of its time.
      if (this.#isOver()) {
        await this.#verify(place, { ...key, last: true }, shards.length, isOver);
        return;
      }
    }
  }

  /** What befell one shard is an observation of its targets; the others go on. */
  async #giveUp(wave: number, shard: number, error: unknown): Promise<void> {
    const site = this.run.plan?.waves[wave - 1]?.shards[shard]?.site;
    const { code, message } = groupFault(error, site);
    const { tally } = await steps.giveUpShard({ runId: this.run.runId, wave, shard, code, why: message });
    this.#requested.add(keyOf(wave, shard));
    this.run.take(wave, shard, tally);
  }

  async #stop(place: Place, key: Key, isOver: () => boolean): Promise<'all' | 'paused' | 'braked'> {
    const answer = await this.whileSending(() =>
      atPlace(this.run, { ...place, summary: `stop · ${place.summary}` }, (at) => steps.stopShard(at, key), isOver),
    );
    if (answer === undefined) return this.run.control === 'paused' ? 'paused' : 'braked';
    this.run.take(key.wave, key.shard, answer.tally);
    return answer.end;
  }

  /** @returns targets whose next request is due */
  async #verify(
    place: Place,
    key: Key & { readonly last?: boolean },
    shards: number,
    isOver: () => boolean,
  ): Promise<number> {
    const look = (more: { readonly openAtMost?: number } = {}): ReturnType<typeof steps.verifyShard> =>
      atPlace(
        this.run,
        { ...place, summary: `verify · ${place.summary}` },
        (at) => steps.verifyShard(at, { ...key, ...more }),
        isOver,
      );
    const early = key.last === true ? 0 : this.#openAtMost(key.wave, shards);
    if (early > 0) {
      const first = await look({ openAtMost: early });
      this.run.take(key.wave, key.shard, first.tally);
      if (first.due > 0) return first.due;
    }
    const { due, climbable, tally } = await look();
    this.#climbable.set(keyOf(key.wave, key.shard), climbable);
    this.run.take(key.wave, key.shard, tally);
    return due;
  }

  /** This shard's part of what may stay open while the gate already decides; 0: the gate waits for all or for none. */
  #openAtMost(wave: number, shards: number): number {
    const decision = this.run.decideGate(wave, { allRequested: true, withinOver: false });
    return decision.kind === 'wait' ? Math.floor(decision.openAtMost / shards) : 0;
  }

  #isRequested(wave: number, shard: number): boolean {
    return this.#requested.has(keyOf(wave, shard)) || this.run.waveTally(wave).open === 0;
  }

  /** Nothing more may be sent: braked, or a halt that nobody answered. */
  #isOver(): boolean {
    return this.run.control === 'braked' || this.run.unanswered;
  }
}

function hasUnproven({ open, outcomes }: Tally): boolean {
  return open > 0 || OUTCOMES.some((outcome) => !OUTCOME_FACTS[outcome].final && (outcomes[outcome] ?? 0) > 0);
}

interface Key {
  readonly runId: string;
  readonly wave: number;
  readonly shard: number;
}

function keyOf(wave: number, shard: number): string {
  return `${wave}/${shard}`;
}

function siteOf({ site }: { readonly site?: string }): { readonly site?: string } {
  return site === undefined ? {} : { site };
}
