import { canonicalJson } from '../domain/canonical-json.js';
import { keyOf } from '../domain/contracts/plan.js';
import { OffboilError } from '../domain/errors.js';
import type { Clock, ControlLedger, Engine, Reply, ShardLedger } from '../domain/ports.js';
import type { ObservedTask } from '../domain/tasks.js';
import type { Knowledge, Oracles } from './oracles.js';
import type { Owner, Scheduler, Unpark } from './scheduler.js';
import type { Tape } from './tape.js';
import type { TrueServer, World } from './world.js';

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
function legs(byte: number): readonly [number, number] {
  return byte < 160 ? LEGS[0] : (LEGS[byte % LEGS.length] ?? LEGS[0]);
}

/** A wait that ends when its signal is aborted. What the abort leaves behind is the given function's matter. */
function abortable<T>(
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
        reject(error as Error);
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
      abortable<void>(
        stage,
        signal,
        (resolve) => scheduler.park(Math.max(0, ms), process, resolve),
        (_resolve, reject) => {
          reject(signal.reason);
        },
      ),
  };
}

const LEDGER_DOWN = 250;
const ANSWER_LOST = 253;

/**
 * One call of the ledger: at some moment it takes effect, at a later one its answer is back. The effect is nobody's who may
 * crash: what was sent is committed also when the sender is dead.
 */
function ledgerCall<T>(
  stage: Stage,
  process: Process,
  name: string,
  signal: AbortSignal,
  effect: () => Promise<T>,
  seen: (value: T) => void = () => undefined,
): Promise<T> {
  const byte = stage.tape.byte();
  const [there, back] = byte >= LEDGER_DOWN ? [1, 30] : legs(byte);
  const unavailable = new OffboilError('LEDGER_UNAVAILABLE', 'The ledger does not answer.');
  return abortable<T>(
    stage,
    signal,
    (resolve, reject) => {
      let undo: Unpark = () => undefined;
      stage.scheduler.park(there, undefined, async () => {
        if (byte >= LEDGER_DOWN && byte < ANSWER_LOST) {
          countFault(stage, 'ledger unavailable');
          stage.log(() => `${name}: the ledger is not there`);
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
          if (byte >= ANSWER_LOST) countFault(stage, "lost answer of the ledger's commit");
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
  const call = <T>(name: string, signal: AbortSignal, effect: () => Promise<T>, seen?: (value: T) => void): Promise<T> =>
    ledgerCall(stage, process, `${knowledge.name} ${name}`, signal, effect, seen);
  const never = new AbortController().signal;
  return {
    claim: (key, at, signal) =>
      call('claim', signal, () => backing.claim(key, at, never), (claim) => {
        stage.oracles.claimed(knowledge, claim);
      }),
    open: (claim, signal) => call('open', signal, () => backing.open(claim, never)),
    intend: (claim, intents, at, signal) => {
      const rungs = new Map(intents.map(({ target, rung }) => [keyOf(target), rung]));
      return call('intend', signal, () => backing.intend(claim, intents, at, never), (answer) => {
        stage.oracles.intended(answer.granted, rungs);
        const what = 'a floor forbids it';
        stage.oracles.recorded(knowledge, answer.protected.map((target) => ({ target, at, what, outcome: 'protected' })));
      });
    },
    answer: (claim, answers, signal) => call(`answer ${answers.length}`, signal, () => backing.answer(claim, answers, never)),
    record: (claim, evidence, signal) => {
      const what = evidence.map((one) => `${keyOf(one.target)} ${one.outcome ?? (one.ending === true ? 'ending' : 'noted')}`);
      return call(`record ${what.join(', ')}`, signal, () => backing.record(claim, evidence, never), () => {
        stage.oracles.recorded(knowledge, evidence);
      });
    },
    tally: (key, signal) => call('tally', signal, () => backing.tally(key, never)),
  };
}

/** The control ledger as one process reaches it. */
export function controlOf(stage: Stage, process: Process, backing: ControlLedger): ControlLedger {
  const never = new AbortController().signal;
  return {
    look: (keys, signal) => ledgerCall(stage, process, `${process.name} look`, signal, () => backing.look(keys, never)),
    command: (runId, state, signal) => backing.command(runId, state, signal),
    listen: (changed) => backing.listen(changed),
  };
}

/** What becomes of a request or a list on its way. */
const LOST = 236;
const LATE = 242;
const REPLY_LOST = 248;
const CUT = 252;

/** A server as one attempt at an activity reaches it, over a network that loses, delays and cuts. */
export class SimEngine implements Engine {
  constructor(
    private readonly stage: Stage,
    private readonly process: Process,
    private readonly knowledge: Knowledge,
    private readonly server: TrueServer,
  ) {}

  probe(): never {
    throw new TypeError('no shard activity probes');
  }

  start(): never {
    throw new TypeError('no shard activity starts a task');
  }

  list(signal: AbortSignal): Promise<ObservedTask[]> {
    return this.#read('list', signal, (byte) => {
      if (byte >= CUT) {
        countFault(this.stage, 'cut list');
        throw new OffboilError('REPLY_INCOMPLETE', 'the list ends in the middle');
      }
      const tasks = this.stage.world.list(this.server);
      const madeAt = this.stage.scheduler.now;
      this.stage.log(() => `${this.server.name} lists ${tasks.map(({ id, name, state }) => `${id} ${name} ${state}`).join(', ')}`);
      const ended = [...this.server.listed.values()].filter((task) => task.ended);
      return {
        value: tasks,
        got: () => {
          for (const task of ended) task.shownEnded = true;
          this.knowledge.lists.set(this.server.name, { madeAt, tasks: new Map(tasks.map((task) => [task.id, task])) });
        },
      };
    });
  }

  inspect(ref: Parameters<Engine['inspect']>[0], signal: AbortSignal): ReturnType<Engine['inspect']> {
    return this.#read(`detail of ${ref.id}`, signal, () => {
      const detail = this.stage.world.detail(this.server, ref);
      const task = this.server.listed.get(ref.id);
      return {
        value: detail,
        got: () => {
          if (task !== undefined && detail.proves === 'ended') task.shownEnded = true;
        },
      };
    });
  }

  /** A read-only request: made at one moment, back at a later one, or lost. */
  #read<T>(what: string, signal: AbortSignal, make: (byte: number) => { value: T; got: () => void }): Promise<T> {
    const byte = this.stage.tape.byte();
    const { scheduler } = this.stage;
    const name = `${this.knowledge.name} asks ${this.server.name} for its ${what}`;
    const [there, back] = byte >= LOST ? [1, 1] : legs(byte);
    return abortable<T>(
      this.stage,
      signal,
      (resolve, reject) => {
        let undo: Unpark = () => undefined;
        const fail = (code: 'SERVER_TIMEOUT' | 'SERVER_UNREACHABLE', delay: number): void => {
          this.stage.log(() => `${name}: ${code}`);
          undo = scheduler.park(delay, this.process, () => {
            reject(new OffboilError(code, `${this.server.name} gives no list`));
          });
        };
        undo = scheduler.park(there, this.process, () => {
          if (this.server.isDown(scheduler.now)) {
            fail('SERVER_UNREACHABLE', 1);
            return;
          }
          if (byte >= LOST && byte < CUT) {
            countFault(this.stage, 'lost list');
            fail('SERVER_TIMEOUT', this.server.timeoutMs);
            return;
          }
          try {
            const { value, got } = make(byte);
            undo = scheduler.park(back, this.process, () => {
              got();
              resolve(value);
            });
          } catch (error) {
            this.stage.log(() => `${name}: ${String(error)}`);
            undo = scheduler.park(back, this.process, () => {
              reject(error);
            });
          }
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

  stop(ref: Parameters<Engine['stop']>[0], step: Parameters<Engine['stop']>[1], signal: AbortSignal): Promise<Reply> {
    const way = new StopOnItsWay(this.stage, this.process, this.knowledge, this.server, ref, step);
    return abortable<Reply>(
      this.stage,
      signal,
      (resolve) => way.start(resolve),
      (resolve) => {
        resolve(way.given());
      },
    );
  }
}

/** One stop request, from the wait for a socket to its reply. Its moments are apart: it leaves, it arrives, its reply is back. */
class StopOnItsWay {
  #hasLeft = false;
  #isOver = false;
  #undo: Unpark = () => undefined;
  #resolve: (reply: Reply) => void = () => undefined;

  constructor(
    private readonly stage: Stage,
    private readonly process: Process,
    private readonly knowledge: Knowledge,
    private readonly server: TrueServer,
    private readonly ref: Parameters<Engine['stop']>[0],
    private readonly step: Parameters<Engine['stop']>[1],
  ) {}

  start(resolve: (reply: Reply) => void): Unpark {
    this.#resolve = resolve;
    const byte = this.stage.tape.byte();
    this.#undo = this.stage.scheduler.park(byte >= LOST ? 1 : legs(byte)[0], this.process, () => {
      this.#leave(byte);
    });
    return () => {
      this.#undo();
    };
  }

  /** What a caller that aborts gets: what has not left never will. */
  given(): Reply {
    this.#end();
    return this.#hasLeft ? { kind: 'unanswered', note: 'given up' } : { kind: 'unsent', note: 'given up before it left' };
  }

  #leave(byte: number): void {
    const { scheduler } = this.stage;
    if (this.server.isDown(scheduler.now)) {
      this.#resolve({ kind: 'unsent', note: 'connection refused' });
      return;
    }
    if (!this.step.mayLeave()) {
      this.stage.log(() => `${this.#what()}: held back`);
      this.#resolve({ kind: 'unsent', note: 'held back' });
      return;
    }
    this.#hasLeft = true;
    this.stage.log(() => `${this.#what()}: it leaves`);
    this.stage.oracles.left(this.knowledge, this.ref, this.step.rung);
    this.stage.oracles.underWay(this.knowledge.name, this.server.name, 1, this.server.perServer);
    const basis = this.knowledge.lists.get(this.server.name)?.madeAt;
    if (byte < LOST || byte >= CUT) {
      scheduler.park(1, undefined, () => {
        this.#arrive(basis, false, legs(byte)[1]);
      });
      return;
    }
    if (byte < LATE) {
      countFault(this.stage, 'lost request');
      this.#giveUp(this.server.timeoutMs);
    } else if (byte < REPLY_LOST) {
      // The connection breaks, the caller knows nothing, and the request still arrives, up to the limit after it left.
      countFault(this.stage, 'late arrival');
      scheduler.park(this.server.timeoutMs - 1, undefined, () => {
        this.#arrive(basis, true, 1);
      });
      this.#giveUp(byte % 2 === 0 ? this.server.timeoutMs : 1);
    } else {
      countFault(this.stage, 'lost reply');
      scheduler.park(1, undefined, () => {
        this.#arrive(basis, true, 1);
      });
      this.#giveUp(this.server.timeoutMs);
    }
  }

  #arrive(basis: number | undefined, isReplyLost: boolean, back: number): void {
    if (this.server.isDown(this.stage.scheduler.now)) {
      this.stage.log(() => `${this.#what()}: the server went down before it arrived`);
      if (!isReplyLost) this.#giveUp(1);
      return;
    }
    const { reply, hit } = this.stage.world.stopArrives(this.server, this.ref, this.step.rung);
    this.stage.oracles.arrived(this.ref, hit, basis);
    this.stage.log(() => `${this.#what()}: it arrives, ${reply.kind}${isReplyLost ? ', the reply is lost' : ''}`);
    if (isReplyLost || this.#isOver) return;
    this.#undo = this.stage.scheduler.park(back, this.process, () => {
      this.#end();
      this.#resolve(reply);
    });
  }

  #giveUp(delay: number): void {
    this.#undo = this.stage.scheduler.park(delay, this.process, () => {
      this.stage.log(() => `${this.#what()}: no answer`);
      this.#end();
      this.#resolve({ kind: 'unanswered' });
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#undo();
    if (this.#hasLeft) this.stage.oracles.underWay(this.knowledge.name, this.server.name, -1, this.server.perServer);
  }

  #what(): string {
    return `${this.knowledge.name} → ${keyOf(this.ref)} ${this.step.rung}`;
  }
}
