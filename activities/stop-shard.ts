import { keyOf } from '../domain/contracts/plan.js';
import { firstOf } from '../domain/deadline.js';
import { OffboilError } from '../domain/errors.js';
import type { Claim, Evidence, Reply, ShardKey, ShardTarget } from '../domain/ports.js';
import { settleEnded } from '../domain/stopping/judge.js';
import { deadlineOf, nextAct } from '../domain/stopping/next-act.js';
import type { Rung } from '../domain/tasks.js';
import type { HeldLease } from './lease.js';
import { byServer, judgeTarget, listUntil, reasonOf, type Judged, type ServerLook } from './look-at-server.js';
import { send } from './send.js';
import type { ActivityContext, RunScene, SendingEnd, ServerScene, ShardDeps, StopAnswer } from './shard-deps.js';
import { ShardWriter } from './shard-writer.js';
import { watchMeanwhile } from './verify-shard.js';

/** Discovery's list serves as the fresh list for so long (`design.md` §8.2). */
const SEEN_SERVES_MS = 1000;
/** Requests that provably did not leave (a refused connection) are tried so often before the server counts as gone. */
const UNSENT_ROUNDS = 3;
const BETWEEN_ROUNDS_MS = 500;

/** A target with the request that is due for it. */
interface Due {
  readonly target: ShardTarget;
  readonly rung: Rung;
  readonly n: number;
}

/** What came of a request. */
interface Came extends Due {
  readonly reply: Reply;
  readonly snapshot: Evidence | undefined;
}

/**
 * Sends what is due in one shard: first requests, repeats of lost ones, climbed rungs. Verifying is `verifyShard`'s work.
 * It keeps no state: a second run of the same key continues the first, from the ledger.
 * @throws OffboilError `CLAIM_LOST` when another worker has taken the shard
 */
export async function stopShard(deps: ShardDeps, key: ShardKey, context: ActivityContext): Promise<StopAnswer> {
  const scene = await deps.scene(key.runId, context.signal);
  const claim = await deps.shards.claim(key, deps.clock.now(), context.signal);
  const lease = deps.lease.hold(claim);
  try {
    const targets = await deps.shards.open(claim, context.signal);
    const servers = byServer(targets);
    // One slow or dead server holds up nobody: each has its own sliding window, and is looked at as soon as it is done.
    const sent = new Set<string>();
    const allSent = new AbortController();
    const watching =
      servers.size > 1 ? watchMeanwhile(deps, scene, claim, sent, firstOf(context.signal, allSent.signal)) : undefined;
    const writer = new ShardWriter(deps.shards, claim, deps.clock);
    const ends = await Promise.allSettled(
      [...servers].map(async ([server, own]) => {
        const end = await new ServerStop(deps, scene, claim, lease, writer, server, context.signal).run(own);
        sent.add(server);
        return end;
      }),
    );
    allSent.abort();
    await watching;
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const done = ends.filter((end) => end.status === 'fulfilled').map(({ value }) => value);
    const end = (['braked', 'paused'] as const).find((kind) => done.some((one) => one.end === kind)) ?? 'all';
    return {
      end,
      sent: done.reduce((sum, one) => sum + one.sent, 0),
      tally: await deps.shards.tally(key, context.signal),
    };
  } finally {
    lease.release();
  }
}

/** The sending to one server within one shard. */
class ServerStop {
  #sent = 0;
  readonly #since: number;

  constructor(
    private readonly deps: ShardDeps,
    private readonly scene: RunScene,
    private readonly claim: Claim,
    private readonly lease: HeldLease,
    private readonly writer: ShardWriter,
    private readonly server: string,
    private readonly signal: AbortSignal,
  ) {
    this.#since = deps.clock.monotonic();
  }

  async run(targets: readonly ShardTarget[]): Promise<{ readonly end: SendingEnd; readonly sent: number }> {
    let server: ServerScene;
    try {
      server = this.scene.server(this.server);
    } catch (error) {
      await this.writer.record(
        targets.filter(untouched).map((target) => this.#evidence(target, reasonOf(error).why, 'failed')),
      );
      return { end: 'all', sent: 0 };
    }
    const acts = targets.map((target) => ({ target, act: this.#act(target, server) }));
    const due = acts.flatMap(({ target, act }) => (act.kind === 'send' ? [{ target, rung: act.rung, n: act.n }] : []));
    // Untouched targets go first, so that nothing stands still while a doubt waits for its time.
    let end = await this.#round(due, server, 1);
    // A doubt is waited for; a repeat whose time has not come is verification's to see.
    const now = this.deps.clock.now();
    const checks = acts.flatMap(({ target, act }) =>
      act.kind === 'check' && (act.at <= now || target.attempts.at(-1)?.reply === undefined) ? [{ target, act }] : [],
    );
    if (end === 'all' && checks.length > 0) {
      const at = Math.max(...checks.map(({ act }) => act.at));
      await this.deps.clock.sleep(Math.max(0, at - this.deps.clock.now()), this.signal);
      end = await this.#settleDoubts(
        checks.map(({ target, act }) => ({ target, rung: act.rung, n: act.n })),
        server,
      );
    }
    return { end, sent: this.#sent };
  }

  #act(target: ShardTarget, server: ServerScene): ReturnType<typeof nextAct> {
    return nextAct(target, {
      now: this.deps.clock.now(),
      claim: this.claim,
      timeoutMs: server.timeoutMs,
      climb: this.scene.policy.climb,
    });
  }

  /** Looks, notes what needs no request, sends the rest. */
  async #round(due: readonly Due[], server: ServerScene, round: number): Promise<SendingEnd> {
    if (due.length === 0) return 'all';
    const seenServes = round === 1 && due.every(({ target }) => this.#seenServes(target));
    const acting = seenServes ? due : await this.#lookBefore(due, server);
    const { end, unsent } = await this.#send(acting, server);
    if (end !== 'all' || unsent.length === 0) return end;
    if (round >= UNSENT_ROUNDS) {
      await this.writer.record(
        unsent.map(({ target, why }) => this.#evidence(target, why, untouched(target) ? 'unreachable' : 'unconfirmed')),
      );
      return 'all';
    }
    await this.deps.clock.sleep(BETWEEN_ROUNDS_MS, this.signal);
    return this.#round(
      unsent.map(({ target, rung, n }) => ({ target, rung, n: n + 1 })),
      server,
      round + 1,
    );
  }

  #seenServes({ seen, attempts }: ShardTarget): boolean {
    // what the first wave has done has changed the world that discovery saw
    if (this.claim.wave > 1 || attempts.length > 0 || seen?.state !== 'active') return false;
    const age = this.deps.clock.now() - seen.askedAt;
    return age >= 0 && age < SEEN_SERVES_MS; // another host's clock may be ahead of ours
  }

  /** A fresh list decides who acts: only a target with the planned identity that is active or, on a retry, ending. */
  async #lookBefore(due: readonly Due[], server: ServerScene): Promise<Due[]> {
    const look = await this.#list(due, server);
    if (look.kind === 'unreadable') {
      if (!this.#isHeld()) await this.writer.record(due.map(({ target }) => this.#unreadable(target, look)));
      return [];
    }
    const evidence: Evidence[] = [];
    const acting: Due[] = [];
    for (const one of due) {
      const judged = await judgeTarget(one.target, look, server, this.signal);
      const settled = this.#settleBefore(one, judged);
      if (settled === 'act') acting.push(one);
      else evidence.push(settled);
    }
    await this.writer.record(evidence);
    return acting;
  }

  /** A list for these targets: asked for until their time is over, counted from the beginning of this attempt. */
  #list(targets: readonly Due[], server: ServerScene): Promise<ServerLook> {
    const patienceMs = targets.reduce((longest, { target }) => Math.max(longest, target.within), 0);
    return listUntil(server, this.deps.clock, this.#since + patienceMs, () => this.#isHeld(), this.signal);
  }

  /** Held by a person: what is not read now is neither asked nor judged. */
  #isHeld(): boolean {
    const verdict = this.lease.verdict();
    return verdict === 'paused' || verdict === 'braked' || verdict === 'lost';
  }

  /** What a look right before a request means. */
  #settleBefore({ target, rung }: Due, judged: Judged): Evidence | 'act' {
    const { finding, what } = judged;
    switch (finding) {
      case 'active':
        return 'act';
      case 'ending':
        // Somebody's stop is under way: no request of ours within its time, unless a person or the policy climbs above it.
        if (target.attempts.length > 0 || target.again !== undefined || rung === 'rollback') return 'act';
        if ((deadlineOf(target, this.claim) ?? Number.POSITIVE_INFINITY) <= this.deps.clock.now()) return 'act';
        return {
          target,
          at: this.deps.clock.now(),
          what: `${what}: it was ending before the plan; nothing was sent`,
          ending: true,
        };
      case 'ended':
        return this.#ended(target, judged);
      case 'replaced':
        if (!untouched(target)) return this.#replacedAfter(target, judged);
        return this.#evidence(target, `${what} under another identity than planned; not touched`, 'replaced');
      case 'waiting':
        if (!untouched(target))
          return this.#evidence(target, `${what} after our request; its end was not seen`, 'unconfirmed');
        return this.#evidence(target, `${what}: it waits, there is nothing to stop; not touched`, 'protected');
      case 'gone':
        return this.#evidence(target, `${what}; gone is not ended, it may run on unseen`, 'unconfirmed');
      case 'unknown':
      case 'unreadable':
        return this.#evidence(target, `${what}; nothing was sent on what is not understood`, 'unconfirmed');
    }
  }

  /**
   * Attempts in doubt, after the time in which they could still arrive: only what a fresh list shows active is asked again.
   * Listing at once would repeat needlessly in a tenth of all take-overs (simulated).
   */
  async #settleDoubts(doubts: readonly Due[], server: ServerScene): Promise<SendingEnd> {
    const look = await this.#list(doubts, server);
    const inDoubt = doubts.filter(({ target }) => target.attempts.at(-1)?.reply === undefined);
    await this.writer.answer(
      inDoubt.map(({ target, n }) => ({
        target,
        n: n - 1,
        reply: { kind: 'unanswered', note: 'in doubt after an interruption' },
        at: this.deps.clock.now(),
      })),
    );
    if (look.kind === 'unreadable') {
      await this.writer.record(doubts.map(({ target }) => this.#unreadable(target, look)));
      return 'all';
    }
    const again: Due[] = [];
    const evidence: Evidence[] = [];
    for (const doubt of doubts) {
      const judged = await judgeTarget(doubt.target, look, server, this.signal);
      if (judged.finding === 'active') again.push(doubt);
      if (judged.finding === 'ended') evidence.push(this.#ended(doubt.target, judged));
      if (judged.finding === 'replaced') evidence.push(this.#replacedAfter(doubt.target, judged));
    }
    await this.writer.record(evidence);
    const { end, unsent } = await this.#send(again, server);
    await this.writer.record(unsent.map(({ target, why }) => this.#evidence(target, why, 'unconfirmed')));
    return end;
  }

  /** At most `perServer` requests at a time; replies are written a chunk at a time, as they come. */
  async #send(
    due: readonly Due[],
    server: ServerScene,
  ): Promise<{ readonly end: SendingEnd; readonly unsent: (Due & { readonly why: string })[] }> {
    const unsent: (Due & { why: string })[] = [];
    const written: Promise<void>[] = [];
    let came: Came[] = [];
    const write = (): void => {
      const writing = this.#write(came);
      came = [];
      writing.catch(() => undefined); // told when the lanes are done
      written.push(writing);
    };
    const intended = this.#intended(due);
    const lane = async (): Promise<void> => {
      for await (const one of intended) {
        const { reply, snapshot } = await send(this.deps, this.scene, server, this.lease, one, this.signal);
        if (reply.kind === 'unsent') unsent.push({ ...one, why: reply.note ?? 'nothing left' });
        else this.#sent += 1;
        came.push({ ...one, reply, snapshot });
        if (came.length >= this.deps.chunk) write();
      }
    };
    const lanes = Array.from({ length: Math.min(server.perServer, due.length) }, lane);
    // one that fails must not leave the others sending, nor their replies unwritten
    const ends: PromiseSettledResult<void>[] = await Promise.allSettled(lanes);
    write();
    ends.push(...(await Promise.allSettled(written)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.signal.throwIfAborted();
    const verdict = this.lease.verdict();
    if (verdict === 'lost') throw claimLost();
    return verdict === 'paused' || verdict === 'braked' ? { end: verdict, unsent: [] } : { end: 'all', unsent };
  }

  /**
   * What may be sent, one by one to whichever lane asks next. A chunk's intents are written before any of it leaves, and while
   * the chunk before it leaves: no slot waits for the ledger, and a crash leaves at most two chunks in doubt.
   */
  async *#intended(due: readonly Due[]): AsyncGenerator<Due, void> {
    const { chunk } = this.deps;
    let ahead: Promise<readonly Due[] | undefined> | undefined = this.#intend(due.slice(0, chunk));
    for (let from = chunk; ahead !== undefined; from += chunk) {
      const granted: readonly Due[] | undefined = await ahead;
      if (granted === undefined) return;
      ahead = from < due.length ? this.#intend(due.slice(from, from + chunk)) : undefined;
      ahead?.catch(() => undefined); // thrown when it is its turn
      yield* granted;
    }
  }

  /** @returns what may be sent; `undefined` when nothing more may be */
  async #intend(chunk: readonly Due[]): Promise<readonly Due[] | undefined> {
    const verdict = await this.lease.fresh(this.signal);
    if (verdict === 'lost') throw claimLost();
    if (verdict !== 'send') return undefined;
    const granted = await this.writer.intend(chunk);
    return chunk.filter(({ target }) => granted.has(keyOf(target)));
  }

  async #write(came: readonly Came[]): Promise<void> {
    if (came.length === 0) return;
    // One time for the set: a target's `within` counts from here, and must not be used up by the others' requests.
    const at = this.deps.clock.now();
    await this.writer.answer(came.map(({ target, n, reply }) => ({ target, n, reply, at })));
    await this.writer.record(
      came.flatMap(({ target, reply, snapshot }) => [
        ...(snapshot === undefined ? [] : [snapshot]),
        ...(reply.kind === 'rejected' ? [this.#evidence(target, reply.note ?? 'the server said no', 'refused')] : []),
      ]),
    );
  }

  #ended(target: ShardTarget, judged: Judged): Evidence {
    const settled = settleEnded(target, this.deps.clock.now(), judged.endedAtMs);
    return { target, at: this.deps.clock.now(), what: judged.what, ...settled };
  }

  #replacedAfter(target: ShardTarget, judged: Judged): Evidence {
    return this.#evidence(
      target,
      `${judged.what} under another identity; the end of the planned task was not seen`,
      'unconfirmed',
    );
  }

  #unreadable(target: ShardTarget, look: Extract<ServerLook, { kind: 'unreadable' }>): Evidence {
    const outcome = !untouched(target) ? 'unconfirmed' : look.code === 'AUTH_REFUSED' ? 'refused' : 'unreachable';
    return this.#evidence(target, look.why, outcome);
  }

  #evidence(target: ShardTarget, what: string, outcome: NonNullable<Evidence['outcome']>): Evidence {
    return { target: { server: target.server, id: target.id }, at: this.deps.clock.now(), what, outcome };
  }
}

/** No request for it may ever have left. */
function untouched({ attempts }: ShardTarget): boolean {
  return attempts.every(({ reply }) => reply === 'unsent');
}

function claimLost(): OffboilError {
  return new OffboilError('CLAIM_LOST', 'Another worker has taken this shard; nothing more was sent from here.');
}
