import { keyOf } from '../domain/contracts/plan.js';
import { OffboilError } from '../domain/errors.js';
import type { Engine, Reply } from '../domain/ports.js';
import type { ObservedTask } from '../domain/tasks.js';
import type { Knowledge } from './oracles.js';
import { abortable, countFault, legs, type Process, type Stage } from './ports.js';
import type { Unpark } from './scheduler.js';
import type { TrueServer } from './world.js';

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
      this.stage.log(
        () => `${this.server.name} lists ${tasks.map(({ id, name, state }) => `${id} ${name} ${state}`).join(', ')}`,
      );
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
    return this.#hasLeft
      ? { kind: 'unanswered', note: 'given up' }
      : { kind: 'unsent', note: 'given up before it left' };
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
