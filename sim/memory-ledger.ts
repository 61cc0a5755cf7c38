import { keyOf } from '../domain/contracts/plan.js';
import { OffboilError } from '../domain/errors.js';
import { OUTCOME_FACTS, type Outcome, type Tally } from '../domain/outcomes.js';
import type {
  Attempt,
  Claim,
  ClosingLedger,
  ControlLedger,
  ControlState,
  Evidence,
  ShardKey,
  ShardLedger,
  ShardTarget,
} from '../domain/ports.js';
import type { Rung, TargetKey } from '../domain/tasks.js';

/** What a run's plan says about one target, as the ledger holds it after the confirm. */
export interface LedgerTarget extends Omit<
  ShardTarget,
  'attempts' | 'outcome' | 'outcomeAt' | 'again' | 'endingSince'
> {
  readonly wave: number;
  readonly shard: number;
}

/** A group's floor with the members that discovery saw active. */
export interface LedgerFloor {
  readonly group: string;
  readonly keep: number;
  readonly seenActive: number;
}

/** The part of the ledger that stopping and verifying need, whoever keeps it. */
export interface SimLedger {
  readonly shards: ShardLedger;
  readonly control: ControlLedger;
  readonly closing: Pick<ClosingLedger, 'skipOpen'>;
  /** A person's `retry` of all targets of the run that are not proven. */
  retry(runId: string, at: number): Promise<void>;
}

interface Row {
  readonly target: LedgerTarget;
  readonly attempts: (Attempt & { reply?: Attempt['reply']; repliedAt?: number })[];
  outcome?: Outcome;
  outcomeAt?: number;
  /** Attempts that stood when the outcome was recorded. */
  outcomeAfter?: number;
  late: boolean;
  /** A person's retry, with the number of attempts there were then. */
  again?: { readonly at: number; readonly after: number };
  endingSince?: number;
  hasSnapshot: boolean;
}

/** The ledger in memory, with the semantics that `domain/ports.ts` documents. Its calls are instant: parking is the port's work. */
export class MemoryLedger implements SimLedger {
  readonly shards: ShardLedger;
  readonly control: ControlLedger;
  readonly closing: Pick<ClosingLedger, 'skipOpen'>;
  readonly #rows = new Map<string, Row>();
  readonly #epochs = new Map<string, number>();
  readonly #floors: readonly LedgerFloor[];
  readonly #listeners = new Set<() => void>();
  #state: ControlState = 'go';

  constructor(targets: readonly LedgerTarget[], floors: readonly LedgerFloor[]) {
    for (const target of targets) {
      this.#rows.set(keyOf(target), { target, attempts: [], late: false, hasSnapshot: target.hasSnapshot });
    }
    this.#floors = floors;
    this.shards = {
      claim: (key, at) => promised(() => this.#claim(key, at)),
      open: (claim) => promised(() => this.#open(claim)),
      intend: (claim, intents, at) => promised(() => this.#intend(claim, intents, at)),
      answer: (claim, answers) =>
        promised(() => {
          this.#guard(claim);
          for (const { target, n, reply, at } of answers) this.#answer(target, n, reply.kind, at);
        }),
      record: (claim, evidence) =>
        promised(() => {
          this.#guard(claim);
          for (const one of evidence) this.#note(one);
        }),
      tally: (key) => promised(() => this.#tally(key)),
    };
    this.control = {
      look: (keys) =>
        promised(() => keys.map((key) => ({ control: this.#state, epoch: this.#epochs.get(shardOf(key)) ?? 0 }))),
      command: (_runId, state) =>
        promised(() => {
          if (this.#state !== 'braked') this.#state = state;
          for (const changed of this.#listeners) changed();
        }),
      listen: (changed) => {
        this.#listeners.add(changed);
        return () => this.#listeners.delete(changed);
      },
    };
    this.closing = { skipOpen: (_runId, scope, why, at) => promised(() => this.#skipOpen(scope, why, at)) };
  }

  retry(_runId: string, at: number): Promise<void> {
    for (const row of this.#rows.values()) {
      if (row.outcome !== undefined && !OUTCOME_FACTS[row.outcome].final)
        row.again = { at, after: row.attempts.length };
    }
    return Promise.resolve();
  }

  #claim(key: ShardKey, at: number): Claim {
    const epoch = (this.#epochs.get(shardOf(key)) ?? 0) + 1;
    this.#epochs.set(shardOf(key), epoch);
    return { runId: key.runId, wave: key.wave, shard: key.shard, epoch, at };
  }

  #guard(claim: Claim): void {
    if (this.#epochs.get(shardOf(claim)) === claim.epoch) return;
    throw new OffboilError('CLAIM_LOST', 'Another worker has taken this shard; nothing was written.');
  }

  #of(key: ShardKey): Row[] {
    return [...this.#rows.values()].filter(({ target }) => target.wave === key.wave && target.shard === key.shard);
  }

  #open(claim: Claim): ShardTarget[] {
    this.#guard(claim);
    return this.#of(claim)
      .filter((row) => !isFinal(row))
      .map(({ target: { wave: _wave, shard: _shard, ...target }, ...row }) => ({
        ...target,
        attempts: row.attempts.map((attempt) => ({ ...attempt })),
        hasSnapshot: row.hasSnapshot,
        ...standing(row),
        ...askedAgain(row),
        ...(row.endingSince === undefined ? {} : { endingSince: row.endingSince }),
      }));
  }

  #intend(
    claim: Claim,
    intents: readonly { readonly target: TargetKey; readonly n: number; readonly rung: Rung }[],
    at: number,
  ): { granted: TargetKey[]; protected: TargetKey[] } {
    this.#guard(claim);
    const answer = { granted: [] as TargetKey[], protected: [] as TargetKey[] };
    for (const { target, n, rung } of intents) {
      const row = this.#rows.get(keyOf(target));
      if (row === undefined || isFinal(row)) continue;
      const key = { server: target.server, id: target.id };
      const before = row.attempts.find((attempt) => attempt.n === n);
      if (before !== undefined) {
        // the same claim may ask twice, when the answer to its commit was lost
        if (before.epoch === claim.epoch && before.reply === undefined) answer.granted.push(key);
        continue;
      }
      if (this.#breaksFloor(row)) {
        this.#note({ target: key, at, what: 'a floor forbids it', outcome: 'protected' });
        answer.protected.push(key);
        continue;
      }
      row.attempts.push({ n, rung, epoch: claim.epoch, intendedAt: at });
      answer.granted.push(key);
    }
    return answer;
  }

  #breaksFloor(row: Row): boolean {
    const floor = this.#floors.find(({ group }) => group === row.target.group);
    if (floor === undefined || row.attempts.length > 0) return false;
    const requested = [...this.#rows.values()].filter(
      ({ target, attempts }) => target.group === floor.group && attempts.length > 0,
    );
    return floor.seenActive - requested.length - 1 < floor.keep;
  }

  #answer(target: TargetKey, n: number, reply: NonNullable<Attempt['reply']>, at: number): void {
    const attempt = this.#rows.get(keyOf(target))?.attempts.find((one) => one.n === n);
    if (attempt === undefined || attempt.reply !== undefined) return; // append-only: the first answer stays
    attempt.reply = reply;
    attempt.repliedAt = at;
  }

  #note(evidence: Evidence): void {
    const row = this.#rows.get(keyOf(evidence.target));
    if (row === undefined) return;
    if (evidence.ending === true) row.endingSince ??= evidence.at;
    if (evidence.snapshot !== undefined) row.hasSnapshot = true;
    if (evidence.outcome === undefined || isFinal(row)) return;
    row.outcome = evidence.outcome;
    row.outcomeAt = evidence.at;
    row.outcomeAfter = row.attempts.length;
    row.late = evidence.late ?? false;
    delete row.again; // answered: a retry counts only while it is newer than the outcome
  }

  #skipOpen(scope: 'unrequested' | readonly TargetKey[], why: string, at: number): number {
    const named = scope === 'unrequested' ? undefined : new Set(scope.map(keyOf));
    const rows = [...this.#rows.values()].filter(
      (row) => !isFinal(row) && (named === undefined ? !isRequested(row) : named.has(keyOf(row.target))),
    );
    for (const row of rows) this.#note({ target: row.target, at, what: why, outcome: 'skipped' });
    return rows.length;
  }

  #tally(key: ShardKey): Tally {
    const rows = this.#of(key);
    const outcomes: Partial<Record<Outcome, number>> = {};
    for (const { outcome } of rows) if (outcome !== undefined) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    return {
      targets: rows.length,
      requested: rows.filter(isRequested).length,
      open: rows.filter(({ outcome }) => outcome === undefined).length,
      outcomes,
      late: rows.filter(({ late }) => late).length,
    };
  }
}

function isFinal({ outcome }: Row): boolean {
  return outcome !== undefined && OUTCOME_FACTS[outcome].final;
}

/** The outcome, unless a request that left after it has opened the target again. */
function standing({
  outcome,
  outcomeAt,
  outcomeAfter = 0,
  attempts,
}: Omit<Row, 'target'>): Pick<ShardTarget, 'outcome' | 'outcomeAt'> {
  if (outcome === undefined || outcomeAt === undefined) return {};
  return attempts.slice(outcomeAfter).some(({ reply }) => reply !== 'unsent') ? {} : { outcome, outcomeAt };
}

/** A retry that neither a newer outcome nor a newer attempt that may have left has answered; by order, clocks differ. */
function askedAgain({ again, attempts }: Pick<Row, 'again' | 'attempts'>): Pick<ShardTarget, 'again'> {
  if (again === undefined || attempts.slice(again.after).some(({ reply }) => reply !== 'unsent')) return {};
  return { again: { at: again.at } };
}

/** Has at least one request that may have left. */
function isRequested({ attempts }: Row): boolean {
  return attempts.some(({ reply }) => reply !== 'unsent');
}

function shardOf({ runId, wave, shard }: ShardKey): string {
  return `${runId}/${wave}/${shard}`;
}

/** The effect at once, its result or error as a promise. */
function promised<T>(effect: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(effect()); // what it throws rejects the promise
  });
}
