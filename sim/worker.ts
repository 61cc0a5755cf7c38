import { Lease } from '../activities/lease.js';
import type {
  ActivityContext,
  RunScene,
  ServerScene,
  ShardDeps,
  StopAnswer,
  VerifyAnswer,
} from '../activities/shard-deps.js';
import { lingerShard, verifyShard } from '../activities/verify-shard.js';
import { stopShard } from '../activities/stop-shard.js';
import { OffboilError } from '../domain/errors.js';
import { OUTCOME_FACTS, OUTCOMES } from '../domain/outcomes.js';
import type { Clock, ControlLedger, Database, Engine, ShardKey, ShardLedger } from '../domain/ports.js';
import { SimEngine } from './engine.js';
import type { SimLedger } from './memory-ledger.js';
import type { Knowledge } from './oracles.js';
import { clockOf, controlOf, databaseOf, type Process, shardLedgerOf, type Stage } from './ports.js';
import { RUN_ID, type Scenario } from './scenario.js';

/** The activities under test; the production code, unless a test plants a bug. */
export interface Bodies {
  readonly stopShard: typeof stopShard;
  readonly verifyShard: typeof verifyShard;
  readonly lingerShard: typeof lingerShard;
}
export const PRODUCTION: Bodies = { stopShard, verifyShard, lingerShard };

/** What a test may put around a port, to plant a bug outside of the production code. */
export interface Wrappers {
  readonly shards?: (shards: ShardLedger) => ShardLedger;
  readonly control?: (control: ControlLedger) => ControlLedger;
  readonly leaseClock?: (clock: Clock) => Clock;
  readonly engine?: (engine: Engine) => Engine;
  readonly database?: (database: Database) => Database;
}

/** Temporal gives an attempt up when its worker was silent for so long (`heartbeatTimeout` of the profile `stop`). */
export const HEARTBEAT_MS = 1500;
const RETRY_MS = 100;
const LINGER_MS = 1000;
/** Few, so that a story of some targets has several chunks. */
const CHUNK = 2;
/** More attempts or rounds than any story needs: beyond it the protocol turns in circles. */
const TOO_MANY = 60;

interface Worker {
  readonly process: Process;
  readonly lease: Lease;
  readonly clock: Clock;
}

/** The worker processes of a story, and what may befall them. */
export class Workers {
  readonly #all: Worker[] = [];
  #born = 0;

  constructor(
    private readonly stage: Stage,
    private readonly scenario: Scenario,
    private readonly ledger: SimLedger,
    private readonly wrappers: Wrappers,
  ) {
    for (let index = 0; index < scenario.workers; index += 1) this.#start();
  }

  /** A worker that lives and is not `other`; a new one where there is none. */
  pick(index: number, other?: Worker): Worker {
    const able = this.#all.filter((worker) => worker !== other && !worker.process.dead && !this.#isStalled(worker));
    return able[index % Math.max(1, able.length)] ?? this.#start();
  }

  /** The control row changed: each worker hears of it at a moment of its own. */
  notify(): void {
    for (const { process, lease } of this.#all) {
      this.stage.scheduler.park(1, process, () => {
        lease.nudge();
      });
    }
  }

  #isStalled({ process }: Worker): boolean {
    return process.stalledUntil > this.stage.scheduler.now;
  }

  #start(): Worker {
    const { clockOffsets } = this.scenario;
    const clockOffset = clockOffsets[this.#born % clockOffsets.length] ?? 0;
    this.#born += 1;
    const process: Process = { name: `worker ${this.#born}`, dead: false, stalledUntil: 0, clockOffset };
    const clock = clockOf(this.stage, process);
    const control = controlOf(this.stage, process, this.ledger.control);
    const lease = new Lease(this.wrappers.control?.(control) ?? control, this.wrappers.leaseClock?.(clock) ?? clock);
    const worker: Worker = { process, lease, clock };
    this.#all.push(worker);
    return worker;
  }
}

/** One attempt at one activity. */
interface Attempt {
  readonly worker: Worker;
  readonly activity: keyof Answers;
  readonly abort: AbortController;
  isCurrent: boolean;
}

interface Answers {
  readonly stopShard: StopAnswer;
  readonly verifyShard: VerifyAnswer;
  readonly lingerShard: VerifyAnswer;
}

/** Plays Temporal and the workflow for one shard: attempts, retries, take-overs; stop, verify, again while something is due. */
export class ShardRun {
  #attempt: Attempt | undefined;
  #again: (() => void) | undefined;
  #count = 0;
  #isBraked = false;
  #isCancelled = false;
  #isLast = false;
  isDone = false;

  constructor(
    private readonly stage: Stage,
    private readonly scenario: Scenario,
    private readonly ledger: SimLedger,
    private readonly workers: Workers,
    private readonly key: ShardKey,
    private readonly bodies: Bodies,
    private readonly wrappers: Wrappers,
    private readonly control: { readonly resumed: () => Promise<void>; readonly braked: () => boolean },
  ) {}

  async run(): Promise<void> {
    let retries = this.scenario.retries;
    for (let round = 0; ; round += 1) {
      if (round > TOO_MANY) {
        this.stage.oracles.report('no end', `shard ${this.key.shard} goes round for the ${round}th time`);
        break;
      }
      if (await this.#stopAndVerify()) continue;
      if (retries === 0 || this.#isOver()) break;
      retries -= 1;
      await this.stage.scheduler.perform(1, () => this.#askAgain());
    }
    if (!this.#isOver()) await this.#activity('lingerShard');
    this.isDone = true;
  }

  async #askAgain(): Promise<void> {
    this.stage.log(() => 'a person asks again for all that is not proven');
    await this.ledger.retry(RUN_ID, this.stage.scheduler.now);
    this.stage.oracles.askedAgain();
  }

  /** @returns whether there is more to send */
  async #stopAndVerify(): Promise<boolean> {
    const sending = this.#isOver() ? undefined : await this.#activity('stopShard');
    if (sending?.end === 'paused' && !this.#isOver()) {
      await this.control.resumed();
      return true;
    }
    if (sending?.end === 'braked') this.#isBraked = true;
    const seen = await this.#activity('verifyShard');
    if (this.#isOver()) {
      // Nothing is sent any more, and what was requested is followed to the end of its time.
      this.#isLast = true;
      await this.#activity('verifyShard');
      return false;
    }
    if (seen === undefined) return false;
    const open = OUTCOMES.some((outcome) => !OUTCOME_FACTS[outcome].final && (seen.tally.outcomes[outcome] ?? 0) > 0);
    return seen.due > 0 && (seen.tally.open > 0 || open);
  }

  #isOver(): boolean {
    return this.#isBraked || this.#isCancelled || this.control.braked();
  }

  /** Temporal's part: attempts until one answers. Cancelled it ends without an answer. */
  #activity<Name extends keyof Answers>(name: Name): Promise<Answers[Name] | undefined> {
    return new Promise((resolve) => {
      const start = (other?: Worker): void => {
        this.#count += 1;
        if (this.#count > TOO_MANY) {
          this.stage.oracles.report('no end', `shard ${this.key.shard} needs its ${this.#count}th attempt`);
          resolve(undefined);
          return;
        }
        const attempt: Attempt = {
          worker: this.workers.pick(this.key.shard, other),
          activity: name,
          abort: new AbortController(),
          isCurrent: true,
        };
        if (this.#attempt !== undefined) this.#attempt.isCurrent = false;
        this.#attempt = attempt;
        this.#again = () => {
          start(attempt.worker);
        };
        this.#body(name, attempt).then(
          (answer) => {
            if (attempt.isCurrent) resolve(answer);
          },
          (error: unknown) => {
            this.#failed(attempt, error, start, () => {
              resolve(undefined);
            });
          },
        );
      };
      start();
    });
  }

  #failed(attempt: Attempt, error: unknown, start: () => void, giveUp: () => void): void {
    const isOurs = error instanceof OffboilError || attempt.abort.signal.aborted;
    if (!isOurs)
      this.stage.oracles.report('own error', error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.stage.log(
      () =>
        `${attempt.worker.process.name}: the attempt fails, ${error instanceof OffboilError ? error.code : String(error)}`,
    );
    if (!attempt.isCurrent) return;
    if (this.#isCancelled && attempt.abort.signal.aborted) {
      giveUp();
      return;
    }
    this.stage.scheduler.park(RETRY_MS, undefined, () => {
      if (attempt.isCurrent) start();
    });
  }

  #body<Name extends keyof Answers>(name: Name, attempt: Attempt): Promise<Answers[Name]> {
    const { worker } = attempt;
    const knowledge: Knowledge = {
      name: `${worker.process.name} (${this.key.shard}.${this.#count})`,
      startedWith: worker.process.clockOffset,
      clock: { offset: () => worker.process.clockOffset },
      claim: undefined,
      lists: new Map(),
    };
    this.stage.log(() => `${knowledge.name} starts ${name}`);
    const deps = this.#deps(worker, knowledge);
    const context: ActivityContext = { signal: attempt.abort.signal };
    const bodies: { readonly [Each in keyof Answers]: () => Promise<Answers[Each]> } = {
      stopShard: () => this.bodies.stopShard(deps, this.key, context),
      verifyShard: () => this.bodies.verifyShard(deps, { ...this.key, last: this.#isLast }, context),
      lingerShard: () =>
        this.bodies.lingerShard(deps, { ...this.key, untilMs: worker.clock.now() + LINGER_MS }, context),
    };
    return bodies[name]();
  }

  #deps(worker: Worker, knowledge: Knowledge): ShardDeps {
    const shards = shardLedgerOf(this.stage, worker.process, knowledge, this.ledger.shards);
    return {
      shards: this.wrappers.shards?.(shards) ?? shards,
      lease: worker.lease,
      clock: worker.clock,
      slots: slots(),
      chunk: CHUNK,
      scene: () => Promise.resolve(this.#scene(worker.process, knowledge)),
    };
  }

  #scene(process: Process, knowledge: Knowledge): RunScene {
    const scenes = new Map<string, ServerScene>();
    const database = databaseOf(this.stage, process, knowledge);
    for (const server of this.scenario.world.servers.values()) {
      const engine: Engine = new SimEngine(this.stage, process, knowledge, server);
      scenes.set(server.name, {
        engine: this.wrappers.engine?.(engine) ?? engine,
        perServer: server.perServer,
        timeoutMs: server.timeoutMs,
      });
    }
    return {
      policy: this.scenario.policy,
      server: (name) => {
        const scene = scenes.get(name);
        if (scene === undefined) throw new OffboilError('INTERNAL', `no server ${name}`);
        return scene;
      },
      database: () => this.wrappers.database?.(database) ?? database,
    };
  }

  /** The process that runs this shard's attempt now, if any does. */
  get process(): Process | undefined {
    const attempt = this.#attempt;
    return attempt?.isCurrent !== true || this.isDone || attempt.worker.process.dead
      ? undefined
      : attempt.worker.process;
  }

  /** Temporal hears no heartbeat of the process any more, and starts another attempt. */
  lose(process: Process, afterMs: number, size: number): void {
    const attempt = this.#attempt;
    if (attempt?.isCurrent !== true || attempt.worker.process !== process) return;
    this.stage.scheduler.park(afterMs, undefined, () => {
      if (attempt.isCurrent) this.#again?.();
    });
    this.#tellOld(attempt, size);
  }

  /**
   * The workflow is cancelled: a brake (the caller commits its control row), verify what was requested, and the sending is told to end
   * besides. Without the row an attempt that was given up, and whose claim comes late, would still send (simulated).
   */
  cancel(): void {
    this.#isCancelled = true;
    if (this.#attempt?.activity === 'stopShard') this.#attempt.abort.abort(new Error('cancelled'));
  }

  /** In every second case Temporal's answer to a heartbeat tells the old attempt, some time later, that it is not wanted any more. */
  #tellOld(attempt: Attempt, size: number): void {
    if (size % 2 === 0) return;
    this.stage.scheduler.park(HEARTBEAT_MS + 300, attempt.worker.process, () => {
      if (!attempt.isCurrent) attempt.abort.abort(new Error('another attempt has begun'));
    });
  }
}

/** Requests at once per worker; the real one is bounded over all shards of a worker, this one per attempt. */
function slots(): ShardDeps['slots'] {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    run: async (inFlight, work) => {
      while (running >= inFlight) await new Promise<void>((resolve) => waiting.push(resolve));
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };
}
