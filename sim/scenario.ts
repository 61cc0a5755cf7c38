import { keyOf } from '../domain/contracts/plan.js';
import type { Policy } from '../domain/contracts/policy.js';
import type { ShardKey } from '../domain/ports.js';
import type { Rung, TargetKey } from '../domain/tasks.js';
import type { LedgerFloor, LedgerTarget } from './memory-ledger.js';
import type { Scheduler } from './scheduler.js';
import type { Tape } from './tape.js';
import { BEHAVIOURS, type Behaviour, TrueServer, TrueTask, World } from './world.js';

/** What goes wrong, or what a person does, at a chosen step. */
export const FAULT_KINDS = ['crash', 'stall', 'takeOver', 'brake', 'pause', 'clockJump', 'cancel'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly atStep: number;
  /** How long, how far or which one; each kind reads it in its own way. */
  readonly size: number;
}

/** One story's beginning: the world, the plan over it, and what will go wrong. */
export interface Scenario {
  readonly world: World;
  readonly shards: readonly ShardKey[];
  readonly targets: readonly LedgerTarget[];
  readonly floors: readonly LedgerFloor[];
  readonly policy: Policy;
  readonly faults: readonly Fault[];
  /** Worker processes at the start. */
  readonly workers: number;
  /** Wall clock of each new worker minus the true time, in turn. */
  readonly clockOffsets: readonly [number, ...number[]];
  /** A person's `retry` after all was verified. */
  readonly retries: number;
}

export const RUN_ID = 'SIM-1';
const TIMEOUT_MS = 600;
const CONNECTED_AGO_MS = 60_000;
const WITHIN_MS = 1500;
const RUNGS = [
  ...([['stop'], ['stop'], ['stop'], ['safe', 'stop'], ['safe']] as const),
  ...([['rollback'], ['stop', 'rollback'], ['rollback'], ['safe', 'stop'], ['safe']] as const),
] as const;

/** Draws a story's beginning; an empty tape gives one server, one obedient target, one worker and no fault. */
export function drawScenario(tape: Tape, scheduler: Scheduler): Scenario {
  const faults = drawFaults(tape);
  const world = new World(scheduler);
  const count = 1 + tape.below(3);
  for (let index = 0; index < count; index += 1) {
    const server = new TrueServer(`s${index + 1}`, !tape.rarely(4), tape.oneOf([2, 1, 4]), TIMEOUT_MS);
    if (tape.rarely(8)) {
      server.downFrom = scheduler.now + tape.byte() * 8;
      server.downUntil = server.downFrom + 200 + tape.byte() * 16;
    }
    world.servers.set(server.name, server);
  }
  const shardCount = tape.rarely(6) && count > 1 ? 2 : 1;
  const rungs = tape.oneOf<readonly [Rung, ...Rung[]]>(RUNGS);
  const seenAgo = tape.oneOf([100, 100, 5000]);
  const targets = drawTasks(tape, world, scheduler.now, { shardCount, rungs, seenAgo });
  const floors = tape.rarely(6) ? [{ group: 'g', keep: 1, seenActive: targets.length }] : [];
  return {
    world,
    shards: Array.from({ length: shardCount }, (_, shard) => ({ runId: RUN_ID, wave: 1, shard })),
    targets,
    floors,
    policy: policyOf(tape, floors),
    faults,
    workers: 1 + (tape.rarely(4) ? 1 : 0),
    clockOffsets: tape.oneOf([[0], [0], [0], [0, 1500, -1500], [0, -400, 400]]),
    retries: tape.rarely(4) ? 1 : 0,
  };
}

function drawFaults(tape: Tape): Fault[] {
  const count = tape.oneOf([0, 1, 1, 2, 3]);
  const faults = Array.from({ length: count }, () => ({
    kind: tape.oneOf(FAULT_KINDS),
    atStep: tape.byte(),
    size: tape.byte(),
  }));
  return faults.sort((a, b) => a.atStep - b.atStep);
}

function drawTasks(
  tape: Tape,
  world: World,
  now: number,
  plan: { readonly shardCount: number; readonly rungs: readonly [Rung, ...Rung[]]; readonly seenAgo: number },
): LedgerTarget[] {
  const servers = [...world.servers.values()];
  const targets: LedgerTarget[] = [];
  const count = 1 + tape.below(5) + tape.oneOf([0, 0, 1, 2]);
  for (let index = 0; index < count; index += 1) {
    const at = tape.below(servers.length);
    const server = servers[at];
    if (server === undefined) continue;
    const task = drawTask(tape, server, index, plan.rungs);
    const life = tape.oneOf([300, 2, 1, 40, 700, 2500]);
    // The first is always a target; of the others about a fifth are bystanders.
    const isTarget = index === 0 || !tape.rarely(5);
    const seen = task.state; // what discovery saw, before the task's own life goes on
    if (!isTarget) world.bystanders.add(task);
    else {
      world.planned.set(keyOf(task.ref), task);
      targets.push({
        ...task.ref,
        ...(server.listHasStart ? { startedAt: task.startedAt } : {}),
        rungs: plan.rungs,
        within: WITHIN_MS,
        checks: [],
        compensate: null,
        group: 'g',
        sessions: [],
        hasSnapshot: false,
        seen: { askedAt: now - plan.seenAgo, state: seen },
        wave: 1,
        shard: at % plan.shardCount,
      });
    }
    if (plan.rungs.includes('rollback')) drawSessions(tape, world, task, now);
    world.add(server, task, life);
  }
  return targets.map((target) => ({ ...target, ...sessionsOf(world, target) }));
}

/** One session or two, under the task's own name or one that others have too. */
function drawSessions(tape: Tape, world: World, task: TrueTask, now: number): void {
  const applicationName = tape.rarely(6) ? 'etl' : task.ref.name;
  const count = 1 + (tape.rarely(4) ? 1 : 0);
  for (let index = 0; index < count; index += 1)
    world.connect(task, world.sessions.length + 1, now - CONNECTED_AGO_MS, applicationName, tape.rarely(8));
}

/** How the contract recognises a target's sessions, and the tasks that planning found to be recognised in the same way. */
function sessionsOf(world: World, target: TargetKey): Pick<LedgerTarget, 'sessions' | 'sharesSessionsWith'> {
  const name = world.sessions.find(({ task }) => keyOf(task.ref) === keyOf(target))?.applicationName;
  if (name === undefined) return { sessions: [] };
  const alike = world.sessions
    .filter(({ applicationName }) => applicationName === name)
    .map(({ task }) => keyOf(task.ref));
  const others = [...new Set(alike)].filter((key) => key !== keyOf(target));
  return {
    sessions: [{ database: 'warehouse', applicationName: name }],
    ...(others.length === 0 ? {} : { sharesSessionsWith: others }),
  };
}

function drawTask(tape: Tape, server: TrueServer, index: number, rungs: readonly Rung[]): TrueTask {
  const byte = tape.byte();
  const plain = rungs.includes('rollback') && byte >= 30 ? 'hangs' : 'halts';
  const behaviour: Behaviour = byte < 60 ? plain : (BEHAVIOURS[byte % BEHAVIOURS.length] ?? 'halts');
  const haltMs = behaviour === 'haltsSlowly' ? 1800 : tape.oneOf([40, 1, 300, 900]);
  const ref = { server: server.name, id: `t${index + 1}`, name: `load_${index + 1}`, kind: 'transformation' } as const;
  return new TrueTask(ref, `start-${index + 1}`, behaviour, haltMs);
}

function policyOf(tape: Tape, floors: readonly LedgerFloor[]): Policy {
  return {
    name: 'simulated',
    waves: ['100%'],
    settleMs: 0,
    confirm: 'none',
    validForMs: 900_000,
    gate: { waitMs: 0 },
    verify: { withinMs: WITHIN_MS, everyMs: 100, lingerMs: 1000 },
    watchAfterMs: 0,
    climb: tape.oneOf(['auto', 'ask']),
    snapshot: tape.oneOf(['none', 'none', 'failed', 'full']),
    inFlight: tape.oneOf([64, 1, 2]),
    floors: floors.map(({ group, keep }) => ({ group, keep })),
  };
}
