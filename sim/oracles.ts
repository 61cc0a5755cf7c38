import { keyOf } from '../domain/contracts/plan.js';
import { OUTCOME_FACTS, type Outcome } from '../domain/outcomes.js';
import type { Claim, ControlState, Evidence, Reply, ShardKey, ShardLedger } from '../domain/ports.js';
import type { ObservedTask, Rung, TargetKey, TaskRef } from '../domain/tasks.js';
import type { LedgerTarget } from './memory-ledger.js';
import type { Scenario } from './scenario.js';
import type { Scheduler } from './scheduler.js';
import { couldTell, isOpen, type TrueSession, type TrueTask } from './world.js';

/** What must never happen. The words of `design.md` §14. */
export type ViolationKind =
  | 'bystander touched'
  | 'shared session touched'
  | 'stop before the rollback'
  | 'given up too early'
  | 'false proof'
  | 'false outcome'
  | 'two final outcomes'
  | 'no outcome'
  | 'request without an intent'
  | 'request after the brake was answered'
  | 'request after the pause was answered'
  | 'request after a take-over'
  | 'needless repeat'
  | 'wrong identity'
  | 'request on a list that forbids it'
  | 'floor broken'
  | 'too many requests at once'
  | 'no end'
  | 'own error';

export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
  readonly step: number;
}

/** What one attempt at an activity knows, so that an oracle can tell what it acted upon. */
export interface Knowledge {
  readonly name: string;
  /** Wall clock minus true time of its process, at its start and now. */
  readonly startedWith: number;
  readonly clock: { offset(): number };
  claim: Claim | undefined;
  /** Latest list that reached it, by server, and when the server made it. */
  readonly lists: Map<string, { readonly madeAt: number; readonly tasks: ReadonlyMap<string, ObservedTask> }>;
}

/** A request that left; one on `rollback` is the end of one session. */
interface LeftRequest {
  readonly rung: Rung;
  readonly at: number;
  readonly session?: TrueSession;
  /** The answer that it was not done has come back. */
  wasRefused?: boolean;
}

/** An attempt as it was granted, with the first answer that was written to it. */
interface Intent {
  readonly n: number;
  readonly rung: Rung;
  answer?: Reply['kind'];
}

interface TargetRecord {
  readonly intents: Intent[];
  readonly left: LeftRequest[];
  final?: Outcome;
  outcome?: Outcome;
}

/** A brake or pause is answered so long after its control row, and from then on nothing leaves (`design.md` §8.9). */
const ANSWERED_AFTER_MS = 250;
/** Discovery's list serves for so long (`design.md` §8.2). */
const SEEN_SERVES_MS = 1000;
/** A server that cannot be reached is tried three times, half a second apart. */
const TRIED_FOR_MS = 1000;

/** Watches a story from outside, on the ground truth. It sees what is committed and what leaves, never what a worker believes. */
export class Oracles {
  readonly violations: Violation[] = [];
  readonly #scenario: Scenario;
  readonly #scheduler: Scheduler;
  readonly #targets = new Map<string, TargetRecord>();
  readonly #claims = new Map<string, { readonly epoch: number; readonly at: number }[]>();
  readonly #inFlight = new Map<string, number>();
  #askedAgainAt = Number.NEGATIVE_INFINITY;
  /** Since when a pause or brake is answered; undefined while all may go on. */
  #held: { readonly by: 'brake' | 'pause'; readonly answeredAt: number } | undefined;

  constructor(scenario: Scenario, scheduler: Scheduler) {
    this.#scenario = scenario;
    this.#scheduler = scheduler;
    for (const target of scenario.targets) this.#targets.set(keyOf(target), { intents: [], left: [] });
  }

  /** A control row was committed. The person who asked is answered 250 ms later. */
  commanded(state: ControlState): void {
    if (this.#held?.by === 'brake') return;
    if (state === 'go') this.#held = undefined;
    else
      this.#held = { by: state === 'braked' ? 'brake' : 'pause', answeredAt: this.#scheduler.now + ANSWERED_AFTER_MS };
  }

  /** A person's `retry` of all that is not proven. */
  askedAgain(): void {
    this.#askedAgainAt = this.#scheduler.now;
  }

  claimed(knowledge: Knowledge, claim: Claim): void {
    knowledge.claim = claim;
    const name = shardName(claim);
    const claims = this.#claims.get(name) ?? [];
    claims.push({ epoch: claim.epoch, at: this.#scheduler.now });
    this.#claims.set(name, claims);
  }

  intended(granted: readonly TargetKey[], intents: Parameters<ShardLedger['intend']>[1]): void {
    const keys = new Set(granted.map(keyOf));
    for (const { target, n, rung } of intents)
      if (keys.has(keyOf(target))) this.#targets.get(keyOf(target))?.intents.push({ n, rung });
  }

  answered(answers: Parameters<ShardLedger['answer']>[1]): void {
    for (const { target, n, reply } of answers) {
      const intent = this.#targets.get(keyOf(target))?.intents.find((one) => one.n === n);
      if (intent !== undefined) intent.answer ??= reply.kind;
    }
  }

  /** The first byte of a request is written. */
  left(knowledge: Knowledge, ref: TaskRef, rung: Rung): void {
    const record = this.#targets.get(keyOf(ref));
    const task = this.#scenario.world.planned.get(keyOf(ref));
    if (record === undefined || task === undefined) {
      this.#violate('bystander touched', `${knowledge.name} asks ${keyOf(ref)} to stop, which is no target`);
      return;
    }
    const isRollback = rung === 'stop' && record.intents.at(-1)?.rung === 'rollback';
    if (isRollback && this.#scenario.world.sessions.some((session) => session.task === task && isOpen(session)))
      this.#violate(
        'stop before the rollback',
        `${knowledge.name} stops ${keyOf(ref)}, whose open session commits then`,
      );
    this.#checkLeft(knowledge, record, task, { rung, at: this.#scheduler.now });
  }

  /** The statement that ends a session is written. */
  sessionEndLeft(knowledge: Knowledge, session: TrueSession): LeftRequest {
    const { ref } = session.task;
    const request: LeftRequest = { rung: 'rollback', at: this.#scheduler.now, session };
    const what = `${knowledge.name} ends session ${session.pid} of ${keyOf(ref)}`;
    const record = this.#targets.get(keyOf(ref));
    if (record === undefined || this.#scenario.world.planned.get(keyOf(ref)) !== session.task) {
      this.#violate('bystander touched', `${what}, which is no target`);
      return request;
    }
    const target = this.#scenario.targets.find((one) => keyOf(one) === keyOf(ref));
    if (target?.sharesSessionsWith !== undefined)
      this.#violate('shared session touched', `${what}, of a name that others have too`);
    this.#checkLeft(knowledge, record, session.task, request);
    return request;
  }

  #checkLeft(knowledge: Knowledge, record: TargetRecord, task: TrueTask, request: LeftRequest): void {
    const { ref } = task;
    const { rung, session } = request;
    const { now } = this.#scheduler;
    const what = `${knowledge.name} asks ${keyOf(ref)} (${rung})`;
    // An intent to roll back covers one end of each session, and a stop behind them.
    const covers = (intent: Intent): boolean => intent.rung === rung || (rung === 'stop' && intent.rung === 'rollback');
    const before = record.left.filter((one) => one.rung === rung && one.session === session).length;
    if (record.intents.filter(covers).length <= before) this.#violate('request without an intent', what);
    if (this.#held !== undefined && now > this.#held.answeredAt) {
      const kind =
        this.#held.by === 'brake' ? 'request after the brake was answered' : 'request after the pause was answered';
      this.#violate(kind, `${what}, ${now - this.#held.answeredAt} ms after the answer`);
    }
    this.#checkClaim(knowledge, what);
    this.#checkBasis(knowledge, ref, what);
    this.#checkRepeat(knowledge, record, task, rung, what);
    record.left.push(request);
    this.#checkFloors(what);
  }

  #checkClaim(knowledge: Knowledge, what: string): void {
    const { claim } = knowledge;
    if (claim === undefined) return;
    const newer = this.#claims.get(shardName(claim))?.find(({ epoch }) => epoch > claim.epoch);
    if (newer !== undefined && this.#scheduler.now > newer.at + ANSWERED_AFTER_MS) {
      this.#violate(
        'request after a take-over',
        `${what}, ${this.#scheduler.now - newer.at} ms after epoch ${newer.epoch} was claimed`,
      );
    }
  }

  /** A request rests on a list that shows the planned identity, active or ending. */
  #checkBasis(knowledge: Knowledge, ref: TaskRef, what: string): void {
    const target = this.#scenario.targets.find((one) => keyOf(one) === keyOf(ref));
    if (target === undefined) return;
    const list = knowledge.lists.get(ref.server);
    if (list === undefined) {
      this.#checkSeen(knowledge, target, what);
      return;
    }
    const shown = list.tasks.get(ref.id);
    if (shown?.name !== target.name || (target.startedAt !== undefined && shown.startedAt !== target.startedAt)) {
      this.#violate(
        'wrong identity',
        `${what}, though its last list shows ${shown === undefined ? 'no such task' : shown.name}`,
      );
    } else if (
      shown.state === 'waiting' ||
      shown.state === 'unknown' ||
      (shown.state === 'ended' && shown.closesBy === 'list')
    ) {
      this.#violate('request on a list that forbids it', `${what}, though its last list shows it ${shown.state}`);
    }
  }

  /** Without a list of its own a request rests on discovery's, which serves for a second by the clock of the process. */
  #checkSeen({ claim, clock, startedWith }: Knowledge, { seen }: LedgerTarget, what: string): void {
    if (claim === undefined || clock.offset() !== startedWith) return; // it jumped meanwhile: the age cannot be told
    const age = claim.at - (seen?.askedAt ?? 0);
    if (age < SEEN_SERVES_MS && this.#scheduler.now + startedWith >= (seen?.askedAt ?? 0)) return;
    this.#violate('request on a list that forbids it', `${what} on a list ${age} ms old`);
  }

  #checkRepeat(knowledge: Knowledge, record: TargetRecord, task: TrueTask, rung: Rung, what: string): void {
    const last = record.left.at(-1);
    if (last === undefined || last.at < this.#askedAgainAt) return; // a person's own wish is never needless
    const server = this.#scenario.world.servers.get(task.ref.server);
    const listed = server?.listed.get(task.ref.id);
    const isBlurred =
      server !== undefined && listed !== undefined && listed !== task && !couldTell(server, task.ref, listed);
    if (task.reached.size === 0 || isBlurred) return;
    // A stop shows at once. A safe stop leaves the word as it is until all rows are through, so only an end that the list
    // could show makes another request needless; the same holds for a rung above the first.
    const madeAt = knowledge.lists.get(task.ref.server)?.madeAt ?? Number.NEGATIVE_INFINITY;
    const isPlainStop = rung === 'stop' && record.intents.at(-1)?.rung !== 'rollback';
    if ((isPlainStop && task.reached.has('stop')) || task.endedAt < madeAt) {
      this.#violate('needless repeat', `${what} again, though ${[...task.reached.keys()].join(' and ')} took effect`);
    }
  }

  #checkFloors(what: string): void {
    for (const { group, keep, seenActive } of this.#scenario.floors) {
      const members = this.#scenario.targets.filter((target) => target.group === group);
      const touched = members.filter((target) => (this.#targets.get(keyOf(target))?.left.length ?? 0) > 0).length;
      if (touched > 0 && seenActive - touched < keep)
        this.#violate('floor broken', `${what}: ${seenActive - touched} of ${group} left`);
    }
  }

  /** Requests under way from one process to one server. */
  underWay(process: string, server: string, change: 1 | -1, perServer: number): void {
    const key = `${process} ${server}`;
    const count = (this.#inFlight.get(key) ?? 0) + change;
    this.#inFlight.set(key, count);
    if (count > perServer * this.#scenario.shards.length)
      this.#violate('too many requests at once', `${count} from ${key}`);
  }

  /** A request arrived and found a task under its id and name. */
  arrived(ref: TaskRef, hit: TrueTask | undefined, listMadeAt: number | undefined): void {
    if (hit === undefined || hit === this.#scenario.world.planned.get(keyOf(ref))) return;
    const server = this.#scenario.world.servers.get(ref.server);
    const planned = this.#scenario.world.planned.get(keyOf(ref));
    const seen = this.#scenario.targets.find((target) => keyOf(target) === keyOf(ref))?.seen;
    const basis = listMadeAt ?? seen?.askedAt ?? 0; // without a list of its own it acted upon discovery's
    // What took the id after the list was made, or what no list of this server could tell apart, cannot be known.
    const unseen = planned !== undefined && planned.endedAt > basis;
    if (unseen || (server !== undefined && !couldTell(server, ref, hit))) return;
    this.#violate('bystander touched', `a stop for ${keyOf(ref)} reached another execution`);
  }

  recorded(knowledge: Knowledge, evidence: readonly Evidence[]): void {
    for (const { target, outcome, what } of evidence) {
      const record = this.#targets.get(keyOf(target));
      const task = this.#scenario.world.planned.get(keyOf(target));
      if (outcome === undefined || record === undefined || task === undefined) continue;
      if (record.final !== undefined) {
        if (record.final !== outcome) {
          this.#violate(
            'two final outcomes',
            `${keyOf(target)} is ${record.final}, then ${outcome} by ${knowledge.name}: ${what}`,
          );
        }
        continue;
      }
      this.#judge(
        knowledge,
        record,
        task,
        outcome,
        `${keyOf(target)} is called ${outcome} by ${knowledge.name}: ${what}`,
      );
      record.outcome = outcome;
      if (OUTCOME_FACTS[outcome].final) record.final = outcome;
    }
  }

  skipped(): void {
    for (const [key, record] of this.#targets) {
      if (record.final !== undefined) continue;
      if (record.left.length === 0) record.outcome = record.final = 'skipped';
      else if (record.outcome === undefined)
        this.#violate('no outcome', `${key} was requested and has none when the run ends`);
    }
  }

  #judge(knowledge: Knowledge, record: TargetRecord, task: TrueTask, outcome: Outcome, what: string): void {
    const left = record.left.length > 0;
    if (OUTCOME_FACTS[outcome].proven) this.#judgeProof(task, what);
    switch (outcome) {
      case 'alreadyEnded':
        if (record.left.some(({ wasRefused }) => wasRefused !== true))
          this.#violate('false outcome', `${what}, though a request of ours had left`);
        break;
      case 'unreachable':
        if (left) this.#violate('false outcome', `${what}, though a request of ours had left`);
        this.#judgePatience(knowledge, what);
        break;
      case 'stopped':
        if (record.intents.length === 0) this.#violate('false outcome', `${what}, though nothing was requested`);
        if (record.left.some(({ session }) => (session?.endedAt ?? Number.POSITIVE_INFINITY) <= task.endedAt))
          this.#violate('false outcome', `${what}, though its session was ended before`);
        break;
      case 'replaced':
        this.#judgeReplaced(knowledge, record, task, what);
        break;
      case 'protected':
        if (left) this.#violate('false outcome', `${what}, though a request of ours had left`);
        break;
      case 'stoppedByForce':
        if (
          !record.intents.some(
            ({ rung, answer }) => rung === 'rollback' && answer !== 'unsent' && answer !== 'rejected',
          )
        )
          this.#violate('false outcome', `${what}, though no force was used`);
        break;
      case 'refused':
      case 'unconfirmed':
      case 'failed':
      case 'skipped':
        break;
    }
  }

  #judgePatience({ claim }: Knowledge, what: string): void {
    if (claim === undefined) return;
    const since = this.#claims.get(shardName(claim))?.find(({ epoch }) => epoch === claim.epoch)?.at ?? 0;
    if (this.#scheduler.now - since < TRIED_FOR_MS)
      this.#violate('given up too early', `${what}, ${this.#scheduler.now - since} ms after the claim`);
  }

  /** Proven means: it has ended, and a list or detail that was read has shown so. */
  #judgeProof(task: TrueTask, what: string): void {
    if (!task.ended) {
      // Where no list could tell them apart, the end of the other one was seen instead; the plan says so.
      this.#violate('false proof', `${what}, but it goes on`);
      return;
    }
    const server = this.#scenario.world.servers.get(task.ref.server);
    const listed = server?.listed.get(task.ref.id);
    const blurred =
      server !== undefined && listed !== undefined && listed !== task && !couldTell(server, task.ref, listed);
    if (!task.shownEnded && !blurred) this.#violate('false proof', `${what}, but nothing that was read showed its end`);
  }

  #judgeReplaced(knowledge: Knowledge, record: TargetRecord, task: TrueTask, what: string): void {
    const listed = this.#scenario.world.servers.get(task.ref.server)?.listed.get(task.ref.id);
    if (listed === task) this.#violate('false outcome', `${what}, but it is still the planned one`);
    if (record.left.length > 0 && knowledge.claim !== undefined) {
      this.#violate('false outcome', `${what}: replaced means not touched, but a request of ours had left`);
    }
  }

  /** At the end of the story. */
  finished(): void {
    for (const [key, record] of this.#targets) {
      if (record.outcome === undefined) this.#violate('no outcome', `${key} has none when all is over`);
    }
  }

  report(kind: ViolationKind, what: string): void {
    this.#violate(kind, what);
  }

  #violate(kind: ViolationKind, what: string): void {
    this.violations.push({ kind, what, step: this.#scheduler.steps });
  }
}

function shardName({ runId, wave, shard }: ShardKey): string {
  return `${runId}/${wave}/${shard}`;
}
