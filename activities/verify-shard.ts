import { setMaxListeners } from 'node:events';
import { firstOf } from '../domain/deadline.js';
import { OffboilError } from '../domain/errors.js';
import type { Claim, Evidence, ShardKey, ShardTarget } from '../domain/ports.js';
import { settleEnded } from '../domain/stopping/judge.js';
import { deadlineOf, nextAct, rungAbove, watchedUntil } from '../domain/stopping/next-act.js';
import type { Rung } from '../domain/tasks.js';
import {
  byServer,
  judgeTarget,
  listOnce,
  reasonOf,
  SLOWEST_LOOK_MS,
  type Judged,
  type ServerLook,
} from './look-at-server.js';
import { snapshotOf } from './send.js';
import type { ActivityContext, RunScene, ServerScene, ShardDeps, VerifyAnswer, VerifyKey } from './shard-deps.js';

/** About the settle time of a stopped task: looking earlier shows `Halting` and costs a list. */
const FIRST_LOOK_MS = 100;
const BACK_OFF = 1.5;
/** After so long the waits may grow beyond `verify.every`, up to this many times it. */
const PATIENT_AFTER_MS = 10_000;
const PATIENT_FACTOR = 4;
/** When a target is due, others that become due so soon are waited for, so that one stop attempt serves all. */
const DUE_TOGETHER_MS = 1000;
/** Servers that are done are looked at while others are still being sent to for so long. */
const SENT_ALONE_MS = 1000;
/** Doubts closed by `inspect` per poll and server; the rest waits for the next poll. */
const INSPECTS_PER_POLL = 20;

/**
 * Looks until every requested target of the shard has ended, or its time is over: one list per server and poll, never one
 * request per task. Sends nothing; what is due again is counted as `due`.
 * @throws OffboilError `CLAIM_LOST` when another worker has taken the shard
 */
export async function verifyShard(deps: ShardDeps, key: VerifyKey, context: ActivityContext): Promise<VerifyAnswer> {
  const scene = await deps.scene(key.runId, context.signal);
  const claim = await deps.shards.claim(key, deps.clock.now(), context.signal);
  const targets = await deps.shards.open(claim, context.signal);
  const watch = new ShardWatch(targets, key, context.signal);
  const servers = [...byServer(targets.filter((target) => isRequested(target, claim)))];
  const ends = await Promise.allSettled(
    servers.map(([server, own]) => new ServerWatch(deps, scene, claim, server, watch, 'within').run(own)),
  );
  rethrow(ends, watch);
  return { due: watch.due.size, climbable: watch.climbable, tally: await deps.shards.tally(key, context.signal) };
}

/**
 * Looks slowly, until `untilMs`, at what was requested and has not ended: a late end is still an end.
 * @param key wave 0 is everything of the run that is open
 */
export async function lingerShard(
  deps: ShardDeps,
  key: ShardKey & { readonly untilMs: number },
  context: ActivityContext,
): Promise<VerifyAnswer> {
  const scene = await deps.scene(key.runId, context.signal);
  const claim = await deps.shards.claim(key, deps.clock.now(), context.signal);
  const targets = await deps.shards.open(claim, context.signal);
  const watch = new ShardWatch(targets, {}, context.signal);
  const servers = [...byServer(targets.filter((target) => isRequested(target, claim)))];
  const ends = await Promise.allSettled(
    servers.map(([server, own]) => new ServerWatch(deps, scene, claim, server, watch, key.untilMs).run(own)),
  );
  rethrow(ends, watch);
  return { due: 0, climbable: {}, tally: await deps.shards.tally(key, context.signal) };
}

/**
 * While one server of the shard is still being sent to (slow, or dead), those that are done are looked at already: nobody is
 * held up, and an end is seen in its time. What it cannot look at is left to `verifyShard`, so it never fails.
 * @param done servers whose sending is over; more come while it runs
 * @param signal ends it: all sending is over
 */
export async function watchMeanwhile(
  deps: ShardDeps,
  scene: RunScene,
  claim: Claim,
  done: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const watched = new Set<string>();
  const watches: Promise<unknown>[] = [];
  const look = async (): Promise<never> => {
    for (;;) {
      await deps.clock.sleep(SENT_ALONE_MS, signal);
      const fresh = [...done].filter((server) => !watched.has(server));
      if (fresh.length === 0) continue;
      const targets = (await deps.shards.open(claim, signal)).filter(({ server }) => fresh.includes(server));
      const watch = new ShardWatch(targets, {}, signal);
      for (const [server, own] of byServer(targets.filter((target) => isRequested(target, claim)))) {
        const run = new ServerWatch(deps, scene, claim, server, watch, 'within').run(own);
        watches.push(run.catch(() => undefined));
      }
      for (const server of fresh) watched.add(server);
    }
  };
  await look().catch(() => undefined);
  await Promise.all(watches);
}

/** Only what may have been requested is verified: what a pause held back was never sent. */
function isRequested(target: ShardTarget, claim: Claim): boolean {
  return deadlineOf(target, claim) !== undefined;
}

function rethrow(ends: readonly PromiseSettledResult<void>[], watch: ShardWatch): void {
  const failed = ends.find((end) => end.status === 'rejected' && end.reason !== watch.enough);
  if (failed?.status === 'rejected') throw failed.reason;
}

/** What the servers of one shard share: how much is open, and when that is little enough. */
class ShardWatch {
  readonly due = new Set<ShardTarget>();
  readonly climbable: Partial<Record<Rung, number>> = {};
  readonly enough = new OffboilError('INTERNAL', 'little enough is open');
  readonly signal: AbortSignal;
  /** Nothing more will be sent: nothing is due. */
  readonly last: boolean;
  readonly #open: Set<ShardTarget>;
  readonly #openAtMost: number | undefined;
  readonly #done = new AbortController();

  constructor(
    targets: readonly ShardTarget[],
    { openAtMost, last = false }: Pick<VerifyKey, 'openAtMost' | 'last'>,
    signal: AbortSignal,
  ) {
    this.last = last;
    this.#open = new Set(targets.filter(({ outcome }) => outcome === undefined));
    this.#openAtMost = openAtMost;
    this.signal = firstOf(signal, this.#done.signal);
    setMaxListeners(0, this.signal); // each server of the shard waits on it
    this.#look();
  }

  /** An outcome was recorded: the target is open no longer. */
  settle(target: ShardTarget): void {
    this.#open.delete(target);
    this.#look();
  }

  #look(): void {
    if (this.#openAtMost !== undefined && this.#open.size <= this.#openAtMost) this.#done.abort(this.enough);
  }
}

/** The watching of one server within one shard. */
class ServerWatch {
  #all: readonly ShardTarget[] = [];
  readonly #pending = new Set<ShardTarget>();
  readonly #snapshots = new Set<ShardTarget>();

  constructor(
    private readonly deps: ShardDeps,
    private readonly scene: RunScene,
    private readonly claim: Claim,
    private readonly server: string,
    private readonly watch: ShardWatch,
    /** `within`: each target's own time; a number: one moment for all. */
    private readonly until: 'within' | number,
  ) {}

  async run(targets: readonly ShardTarget[]): Promise<void> {
    this.#all = targets;
    let server: ServerScene;
    try {
      server = this.scene.server(this.server);
    } catch (error) {
      await this.#settle(targets.map((target) => this.#unconfirmed(target, reasonOf(error).why)));
      return;
    }
    for (const target of targets) this.#pending.add(target);
    const every = this.scene.policy.verify.everyMs;
    const startedAt = this.deps.clock.now();
    let wait = Math.min(FIRST_LOOK_MS, every);
    while (this.#pending.size > 0) {
      await this.deps.clock.sleep(wait, this.watch.signal);
      const look = await listOnce(server, this.watch.signal);
      await this.#take(look, server);
      if (this.#leaveAlone()) break;
      const patient = this.until !== 'within' || this.deps.clock.now() - startedAt > PATIENT_AFTER_MS;
      // An outage is measured in time: who gives no list is asked ever more slowly, until the time of its targets is over.
      const next =
        look.kind === 'complete'
          ? Math.min(wait * BACK_OFF, every * (patient ? PATIENT_FACTOR : 1))
          : Math.min(Math.max(wait, every) * 2, SLOWEST_LOOK_MS);
      wait = Math.min(next, this.#nextDeadlineIn());
    }
  }

  /** Only due targets left: this server needs no more looks from here. */
  #leaveAlone(): boolean {
    const waiting = [...this.#pending].filter((target) => !this.watch.due.has(target));
    if (waiting.length === 0) return true;
    if (this.watch.due.size === 0) return false;
    const now = this.deps.clock.now();
    return !waiting.some((target) => this.#dueAt(target) > now && this.#dueAt(target) <= now + DUE_TOGETHER_MS);
  }

  /** The next moment at which something may have to be done about a target. */
  #dueAt(target: ShardTarget): number {
    const now = this.deps.clock.now();
    const act = this.#act(target);
    if (act.kind === 'wait') return act.until;
    return act.kind === 'check' && act.at > now ? act.at : (watchedUntil(target, this.claim) ?? now);
  }

  #nextDeadlineIn(): number {
    const now = this.deps.clock.now();
    const moments = [...this.#pending].map((target) => (this.until === 'within' ? this.#dueAt(target) : this.until));
    const next = Math.min(...moments.filter((moment) => moment > now));
    return Number.isFinite(next) ? Math.max(1, next - now) : Number.POSITIVE_INFINITY;
  }

  #act(target: ShardTarget): ReturnType<typeof nextAct> {
    const timeoutMs = this.scene.server(this.server).timeoutMs;
    const now = this.deps.clock.now();
    const act = nextAct(target, {
      now,
      claim: this.claim,
      timeoutMs,
      climb: this.scene.policy.climb,
      isWatching: true,
    });
    if (!this.watch.last || act.kind === 'wait' || act.kind === 'none') return act;
    const deadline = watchedUntil(target, this.claim) ?? now;
    return now < deadline ? { kind: 'wait', until: deadline } : { kind: 'none' };
  }

  async #take(look: ServerLook, server: ServerScene): Promise<void> {
    const evidence: Evidence[] = [];
    let inspects = 0;
    for (const target of [...this.#pending]) {
      const doubtful = look.kind === 'complete' && look.tasks.get(target.id)?.closesBy === 'detail';
      if (doubtful && (inspects += 1) > INSPECTS_PER_POLL) continue;
      const judged = await judgeTarget(target, look, server, this.watch.signal);
      evidence.push(...(await this.#judge(target, judged, server)));
    }
    await this.#settle(evidence);
  }

  async #judge(target: ShardTarget, judged: Judged, server: ServerScene): Promise<Evidence[]> {
    const now = this.deps.clock.now();
    if (judged.finding === 'ended') {
      this.#pending.delete(target);
      this.watch.due.delete(target);
      const settled = settleEnded(target, now, judged.endedAtMs);
      return [{ target: keyOnly(target), at: now, what: judged.what, ...settled }];
    }
    if (this.until !== 'within') {
      if (now >= this.until) this.#pending.delete(target);
      return [];
    }
    const act = this.#act(target);
    // A doubt that no list can settle (its target is gone or another's) ends with its time.
    const isPast =
      act.kind === 'check' &&
      act.at <= now &&
      judged.finding !== 'active' &&
      now >= (watchedUntil(target, this.claim) ?? now);
    if (act.kind === 'none' || isPast) {
      this.#pending.delete(target);
      const above = rungAbove(target);
      if (above !== undefined) this.watch.climbable[above] = (this.watch.climbable[above] ?? 0) + 1;
      return target.outcome === undefined ? [this.#unconfirmed(target, this.#stillThere(judged))] : [];
    }
    const isDue = act.kind === 'send' || (act.kind === 'check' && act.at <= now && judged.finding === 'active');
    if (isDue) this.watch.due.add(target);
    return this.#snapshotAtHalf(target, server, now);
  }

  #stillThere({ finding, what }: Judged): string {
    if (finding === 'gone') return `${what}; gone is not ended, it may run on unseen`;
    if (finding === 'replaced') return `${what} under another identity; the end of the planned task was not seen`;
    return `${what} when its time was over`;
  }

  /** Policy `failed`: log tail and metrics once, at half of `within`, of what has not ended. */
  async #snapshotAtHalf(target: ShardTarget, server: ServerScene, now: number): Promise<Evidence[]> {
    const deadline = watchedUntil(target, this.claim);
    const isHalf = deadline !== undefined && now >= deadline - target.within / 2;
    if (this.scene.policy.snapshot !== 'failed' || target.hasSnapshot || !isHalf || this.#snapshots.has(target))
      return [];
    this.#snapshots.add(target);
    return [await snapshotOf(this.deps, server, target, this.watch.signal, 'at half of its time')];
  }

  #unconfirmed(target: ShardTarget, what: string): Evidence {
    return { target: keyOnly(target), at: this.deps.clock.now(), what, outcome: 'unconfirmed' };
  }

  async #settle(evidence: readonly Evidence[]): Promise<void> {
    if (evidence.length > 0) await this.deps.shards.record(this.claim, evidence, new AbortController().signal);
    const settled = new Set(evidence.flatMap(({ outcome, target }) => (outcome === undefined ? [] : [target.id])));
    for (const target of this.#all) if (settled.has(target.id)) this.watch.settle(target); // ids are unique on one server
  }
}

function keyOnly({ server, id }: ShardTarget): { readonly server: string; readonly id: string } {
  return { server, id };
}
