import { canonicalJson } from '../domain/canonical-json.js';
import { keyOf } from '../domain/contracts/plan.js';
import { OffboilError } from '../domain/errors.js';
import type { Clock, ControlLedger, Database, ShardLedger } from '../domain/ports.js';
import type { Knowledge, Oracles } from './oracles.js';
import type { Owner, Scheduler, Unpark } from './scheduler.js';
import type { Tape } from './tape.js';
import type { World } from './world.js';

/** What all ports of one story share. */
export interface Stage {
  readonly tape: Tape;
  readonly scheduler: Scheduler;
  readonly world: World;
  readonly oracles: Oracles;
  /** Counts of faults by kind, for the proof's figures. */
  readonly faults: Map<string, number>;
  log(text: () => string): void;
  /** Undone when the story is over: listeners on signals that outlive it. */
  readonly leftovers: Set<() => void>;
}

/** A worker process as ports see it. */
export interface Process extends Owner {
  readonly name: string;
  /** Wall clock minus true time; a clock jump changes it. */
  clockOffset: number;
}

export function countFault(stage: Stage, kind: string): void {
  stage.faults.set(kind, (stage.faults.get(kind) ?? 0) + 1);
}

/** Milliseconds until something is done, and until its result is back. The first is the simplest. */
const LEGS = [
  [1, 1],
  [1, 20],
  [20, 1],
  [1, 180],
  [180, 1],
  [60, 60],
  [1, 400],
  [400, 1],
] as const;

/** In about seven of eight cases the simplest; one byte. */
export function legs(byte: number): readonly [number, number] {
  return byte < 160 ? LEGS[0] : (LEGS[byte % LEGS.length] ?? LEGS[0]);
}

/** A wait that ends when its signal is aborted. What the abort leaves behind is the given function's matter. */
export function abortable<T>(
  stage: Stage,
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => Unpark,
  whenAborted: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      whenAborted(resolve, reject);
      return;
    }
    let undo: Unpark = () => undefined;
    const aborted = (): void => {
      stage.leftovers.delete(forget);
      undo();
      whenAborted(resolve, reject);
    };
    const forget = (): void => {
      signal.removeEventListener('abort', aborted);
    };
    const settled = (): void => {
      stage.leftovers.delete(forget);
      forget();
    };
    stage.leftovers.add(forget);
    signal.addEventListener('abort', aborted, { once: true });
    undo = start(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

/** The clock of one process: the wall clock may be wrong and may jump, the monotonic one never does. */
export function clockOf(stage: Stage, process: Process): Clock {
  const { scheduler } = stage;
  return {
    now: () => scheduler.now + process.clockOffset,
    monotonic: () => scheduler.now,
    sleep: (ms, signal) =>
      abortable<undefined>(
        stage,
        signal,
        (resolve) =>
          scheduler.park(Math.max(0, ms), process, () => {
            resolve(undefined);
          }),
        (_resolve, reject) => {
          reject(signal.reason);
        },
      ),
  };
}

const DOWN = 250;
const ANSWER_LOST = 253;

/** A database that answers calls, and how it is called when it does not. */
interface Remote {
  readonly name: string;
  readonly code: 'LEDGER_UNAVAILABLE' | 'DATABASE_UNAVAILABLE';
}
const LEDGER: Remote = { name: 'ledger', code: 'LEDGER_UNAVAILABLE' };
const DATABASE: Remote = { name: 'database', code: 'DATABASE_UNAVAILABLE' };

/**
 * One call of a database: at some moment it takes effect, at a later one its answer is back. The effect is nobody's who may
 * crash: what was sent is committed also when the sender is dead.
 */
function remoteCall<T>(
  stage: Stage,
  process: Process,
  remote: Remote,
  name: string,
  signal: AbortSignal,
  effect: () => Promise<T>,
  seen: (value: T) => void = () => undefined,
): Promise<T> {
  const byte = stage.tape.byte();
  const [there, back] = byte >= DOWN ? [1, 30] : legs(byte);
  const unavailable = new OffboilError(remote.code, `The ${remote.name} does not answer.`);
  return abortable<T>(
    stage,
    signal,
    (resolve, reject) => {
      let undo: Unpark = () => undefined;
      stage.scheduler.park(there, undefined, async () => {
        if (byte >= DOWN && byte < ANSWER_LOST) {
          countFault(stage, `${remote.name} unavailable`);
          stage.log(() => `${name}: the ${remote.name} is not there`);
          undo = stage.scheduler.park(back, process, () => {
            reject(unavailable);
          });
          return;
        }
        let settle: () => void;
        try {
          const value = await effect();
          stage.log(() => `${name} → ${value === undefined ? 'done' : canonicalJson(value)}`);
          seen(value);
          settle = () => {
            if (byte >= ANSWER_LOST) reject(unavailable);
            else resolve(value);
          };
          if (byte >= ANSWER_LOST) countFault(stage, `lost answer of the ${remote.name}'s commit`);
        } catch (error) {
          stage.log(() => `${name} → ${error instanceof OffboilError ? error.code : String(error)}`);
          settle = () => {
            reject(error);
          };
        }
        undo = stage.scheduler.park(back, process, settle);
      });
      return () => {
        undo();
      };
    },
    (_resolve, reject) => {
      reject(signal.reason);
    },
  );
}

/** The shard ledger as one attempt at an activity reaches it. */
export function shardLedgerOf(stage: Stage, process: Process, knowledge: Knowledge, backing: ShardLedger): ShardLedger {
  const call = <T>(
    name: string,
    signal: AbortSignal,
    effect: () => Promise<T>,
    seen?: (value: T) => void,
  ): Promise<T> => remoteCall(stage, process, LEDGER, `${knowledge.name} ${name}`, signal, effect, seen);
  const never = new AbortController().signal;
  return {
    claim: (key, at, signal) =>
      call(
        'claim',
        signal,
        () => backing.claim(key, at, never),
        (claim) => {
          stage.oracles.claimed(knowledge, claim);
        },
      ),
    open: (claim, signal) => call('open', signal, () => backing.open(claim, never)),
    intend: (claim, intents, at, signal) => {
      return call(
        'intend',
        signal,
        () => backing.intend(claim, intents, at, never),
        (answer) => {
          stage.oracles.intended(answer.granted, intents);
          const what = 'a floor forbids it';
          stage.oracles.recorded(
            knowledge,
            answer.protected.map((target) => ({ target, at, what, outcome: 'protected' })),
          );
        },
      );
    },
    answer: (claim, answers, signal) =>
      call(
        `answer ${answers.length}`,
        signal,
        () => backing.answer(claim, answers, never),
        () => {
          stage.oracles.answered(answers);
        },
      ),
    record: (claim, evidence, signal) => {
      const what = evidence.map(
        (one) => `${keyOf(one.target)} ${one.outcome ?? (one.ending === true ? 'ending' : 'noted')}`,
      );
      return call(
        `record ${what.join(', ')}`,
        signal,
        () => backing.record(claim, evidence, never),
        () => {
          stage.oracles.recorded(knowledge, evidence);
        },
      );
    },
    tally: (key, signal) => call('tally', signal, () => backing.tally(key, never)),
  };
}

/** The control ledger as one process reaches it. */
export function controlOf(stage: Stage, process: Process, backing: ControlLedger): ControlLedger {
  const never = new AbortController().signal;
  return {
    look: (keys, signal) =>
      remoteCall(stage, process, LEDGER, `${process.name} look`, signal, () => backing.look(keys, never)),
    command: (runId, state, orderedAt, signal) => backing.command(runId, state, orderedAt, signal),
    listen: (changed) => backing.listen(changed),
  };
}

/** The database of all tasks as one attempt at an activity reaches it. */
export function databaseOf(stage: Stage, process: Process, knowledge: Knowledge): Database {
  const { world, oracles } = stage;
  const clock = clockOf(stage, process);
  return {
    probe(): never {
      throw new TypeError('no shard activity probes');
    },
    query(): never {
      throw new TypeError('no shard activity queries');
    },
    sessions: ({ applicationName }, signal) =>
      remoteCall(stage, process, DATABASE, `${knowledge.name} sessions of ${applicationName}`, signal, () =>
        Promise.resolve(world.sessionsOf(applicationName)),
      ),
    endSession: async (named, mayLeave, signal) => {
      const session = world.sessionOf(named);
      if (session === undefined) throw new TypeError('a session that never was');
      const byte = stage.tape.byte();
      await clock.sleep(byte < 128 ? 1 : 2 * byte, signal); // for a connection
      if (!mayLeave()) return 'heldBack';
      const request = oracles.sessionEndLeft(knowledge, session);
      const what = `${knowledge.name} → end of session ${session.pid} of ${keyOf(session.task.ref)}`;
      const answer = await remoteCall(stage, process, DATABASE, what, signal, () =>
        Promise.resolve(world.sessionEnds(session)),
      );
      if (answer === 'refused') request.wasRefused = true;
      return answer;
    },
  };
}
