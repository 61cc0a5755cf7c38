import { Oracles, type Violation } from './oracles.js';
import { MemoryLedger, type SimLedger } from './memory-ledger.js';
import { countFault, type Stage } from './ports.js';
import { drawScenario, RUN_ID, type Fault, type Scenario } from './scenario.js';
import { drained, Scheduler } from './scheduler.js';
import { seededTape, tapeOf, type Tape } from './tape.js';
import { HEARTBEAT_MS, PRODUCTION, ShardRun, Workers, type Bodies, type Wrappers } from './worker.js';

export interface SimOptions {
  /** Keep the story; costs time, so a seeded run keeps it only when told again. */
  readonly log?: boolean;
  readonly bodies?: Bodies;
  readonly wrappers?: Wrappers;
  /** Another ledger in place of the one in memory. */
  readonly openLedger?: (scenario: Scenario) => Promise<SimLedger>;
}

export interface SimResult {
  readonly violations: readonly Violation[];
  readonly log: readonly string[];
  readonly steps: number;
  /** The bytes that tell this story again. */
  readonly tape: readonly number[];
  readonly faults: ReadonlyMap<string, number>;
}

/** No story needs so many steps: beyond it something turns in circles. */
const MAX_STEPS = 6000;

/** Tells one story: the production code of the activities under the choices of one tape. */
export async function simulate(source: Tape | readonly number[], options: SimOptions = {}): Promise<SimResult> {
  const tape = 'byte' in source ? source : tapeOf(source);
  const scheduler = new Scheduler(tape);
  const scenario = drawScenario(tape, scheduler);
  const oracles = new Oracles(scenario, scheduler);
  const log: string[] = [];
  const begin = scheduler.now;
  const write = (text: () => string): void => {
    log.push(`${String(scheduler.now - begin).padStart(6)} ms  ${text()}`);
  };
  const stage: Stage = {
    tape,
    scheduler,
    world: scenario.world,
    oracles,
    faults: new Map(),
    leftovers: new Set(),
    log: options.log === true ? write : () => undefined,
  };
  if (options.log === true) for (const line of describe(scenario)) write(() => line);
  const ledger = (await options.openLedger?.(scenario)) ?? new MemoryLedger(scenario.targets, scenario.floors);
  await new Story(stage, scenario, ledger, options).tell();
  for (const forget of stage.leftovers) forget();
  return { violations: oracles.violations, log, steps: scheduler.steps, tape: tape.used, faults: stage.faults };
}

/** One story from its first step to the moment when nothing is left that could happen. */
class Story {
  readonly #workers: Workers;
  readonly #shards: ShardRun[];
  #faults: readonly Fault[];
  #isBraked = false;
  #isOver = false;
  #resumed: Promise<void> = Promise.resolve();

  constructor(
    private readonly stage: Stage,
    scenario: Scenario,
    private readonly ledger: SimLedger,
    options: SimOptions,
  ) {
    const wrappers = options.wrappers ?? {};
    this.#workers = new Workers(stage, scenario, ledger, wrappers);
    this.#faults = scenario.faults;
    const control = { resumed: () => this.#resumed, braked: () => this.#isBraked };
    this.#shards = scenario.shards.map(
      (key) =>
        new ShardRun(stage, scenario, ledger, this.#workers, key, options.bodies ?? PRODUCTION, wrappers, control),
    );
  }

  async tell(): Promise<void> {
    const { scheduler, oracles } = this.stage;
    const all = Promise.all(this.#shards.map((shard) => shard.run())).then(
      async () => {
        await scheduler.perform(1, () => this.#skipOpen());
        this.#isOver = true;
      },
      (error: unknown) => {
        oracles.report('own error', error instanceof Error ? (error.stack ?? error.message) : String(error));
        this.#isOver = true;
      },
    );
    do {
      if (await this.#befall()) await drained(); // what followed from a fault, or began before the first step, is parked now
      if (scheduler.steps > MAX_STEPS) {
        oracles.report('no end', `${MAX_STEPS} steps were not enough`);
        return;
      }
    } while (await scheduler.step());
    if (!this.#isOver) oracles.report('no end', 'nothing is left to happen, and the run is not over');
    else await all;
    oracles.finished();
  }

  /** @returns whether anything may have followed */
  async #befall(): Promise<boolean> {
    const before = this.#faults.length;
    for (
      let fault = this.#faults[0];
      fault !== undefined && fault.atStep <= this.stage.scheduler.steps;
      fault = this.#faults[0]
    ) {
      this.#faults = this.#faults.slice(1);
      if (fault.kind === 'brake' || fault.kind === 'cancel') await this.#brake(fault.kind);
      else if (fault.kind === 'pause') await this.#pause(fault.size);
      else this.#befallProcess(fault);
    }
    return this.stage.scheduler.steps === 0 || this.#faults.length < before;
  }

  /** Something happens to the process that runs one of the shards; all that it runs is concerned. */
  #befallProcess({ kind, size }: Fault): void {
    const shard = this.#shards[size % this.#shards.length];
    const process = shard?.process;
    if (shard === undefined || process === undefined) return;
    const { scheduler } = this.stage;
    countFault(this.stage, kind);
    this.stage.log(() => `fault: ${kind} of ${process.name} (${size})`);
    const lose = (afterMs: number): void => {
      for (const one of this.#shards) one.lose(process, afterMs, size);
    };
    switch (kind) {
      case 'crash':
        scheduler.kill(process);
        lose(HEARTBEAT_MS);
        break;
      case 'stall':
        process.stalledUntil = scheduler.now + 100 + size * 16;
        if (process.stalledUntil > scheduler.now + HEARTBEAT_MS) lose(HEARTBEAT_MS);
        break;
      case 'takeOver':
        lose(1);
        break;
      case 'clockJump':
        process.clockOffset += (size % 2 === 0 ? 1 : -1) * (200 + size * 20);
        break;
      case 'cancel':
      case 'brake':
      case 'pause':
        break; // not a worker's: the control rows'
    }
  }

  /** Cancelling is braking, and the sending is told to end besides. */
  async #brake(kind: 'brake' | 'cancel'): Promise<void> {
    if (this.#isBraked || this.#shards.every(({ isDone }) => isDone)) return;
    this.#isBraked = true;
    await this.#command('braked');
    if (kind !== 'cancel') return;
    countFault(this.stage, kind);
    for (const shard of this.#shards) shard.cancel();
  }

  async #pause(size: number): Promise<void> {
    if (this.#isBraked || this.#shards.every(({ isDone }) => isDone)) return;
    await this.#command('paused');
    this.#resumed = this.stage.scheduler.perform(50 + size * 8, () => this.#command('go'));
  }

  async #skipOpen(): Promise<void> {
    await this.ledger.closing.skipOpen(RUN_ID, 'unrequested', 'the run is over', this.stage.scheduler.now, never);
    this.stage.oracles.skipped();
  }

  async #command(state: 'go' | 'paused' | 'braked'): Promise<void> {
    if (state === 'go' && this.#isBraked) return;
    if (state !== 'go') countFault(this.stage, state);
    await this.ledger.control.command(RUN_ID, state, this.stage.scheduler.now, never);
    this.stage.oracles.commanded(state);
    this.stage.log(() => `the control row says ${state}`);
    this.#workers.notify();
  }
}

const never = new AbortController().signal;

/** The cast of a story, in a few lines. */
function describe({ world, targets, faults, policy, floors }: Scenario): string[] {
  const planned = new Set(targets.map(({ server, id }) => `${server}/${id}`));
  const lines = [...world.servers.values()].map((server) => {
    const tasks = [...server.listed.values()].map(
      ({ ref, behaviour }) => `${ref.id} ${behaviour}${planned.has(`${server.name}/${ref.id}`) ? '' : ' (bystander)'}`,
    );
    return `${server.name}${server.listHasStart ? '' : ' (no start times)'}: ${tasks.join(', ')}`;
  });
  const rungs = targets[0]?.rungs.join(', ') ?? '';
  lines.push(`rungs ${rungs}; climb ${policy.climb}; snapshot ${policy.snapshot}; floors ${floors.length}`);
  if (faults.length > 0)
    lines.push(`faults: ${faults.map(({ kind, atStep, size }) => `${kind} at step ${atStep} (${size})`).join(', ')}`);
  return lines;
}

export interface ManyResult {
  readonly runs: number;
  readonly steps: number;
  readonly failures: readonly { readonly run: number; readonly result: SimResult }[];
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
}

export interface ManyPlan {
  readonly seed: number;
  readonly runs: number;
  /** Ends early after so many failing runs; more of the same helps nobody. */
  readonly enough?: number;
  readonly onProgress?: (done: number) => void;
}

/** Tells many stories from one seed and stops early when enough of them went wrong. */
export async function simulateMany(plan: ManyPlan, options: SimOptions = {}): Promise<ManyResult> {
  const begin = performance.now();
  const failures: { run: number; result: SimResult }[] = [];
  const faults: Record<string, number> = {};
  let [steps, run] = [0, 0];
  for (; run < plan.runs && failures.length < (plan.enough ?? 5); run += 1) {
    const result = await simulate(seededTape(plan.seed, run), options);
    steps += result.steps;
    for (const [kind, count] of result.faults) faults[kind] = (faults[kind] ?? 0) + count;
    if (result.violations.length > 0) failures.push({ run, result });
    // The scheduler never leaves the microtask queue, so a turn of the event loop is given here (signals, reporters).
    if (run % 50 === 49) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      plan.onProgress?.(run + 1);
    }
  }
  return { runs: run, steps, failures, faults, seconds: (performance.now() - begin) / 1000 };
}
