import { describe, expect, it } from 'vitest';
import type { Claim, Engine, ShardKey, ShardLedger } from '../../domain/ports.js';
import type { ObservedTask } from '../../domain/tasks.js';
import type { ViolationKind } from '../../sim/oracles.js';
import { simulate } from '../../sim/run.js';
import { seededTape } from '../../sim/tape.js';
import type { Wrappers } from '../../sim/worker.js';

const SEED = 7;
/** Each planted bug must be found within so many stories; a bug that needs more would slip through a change's own test run. */
const WITHIN_RUNS = 8000;

interface Planted {
  readonly bug: string;
  /** What it must be found as, one of them. */
  readonly found: readonly ViolationKind[];
  /** A fresh one for each story. Bugs lie in the ports: production code has no switch for them. */
  readonly plant: () => Wrappers;
}

const shardName = ({ runId, wave, shard }: ShardKey): string => `${runId}/${wave}/${shard}`;

/** An engine whose lists are made over. */
function withLists(engine: Engine, made: (tasks: ObservedTask[]) => ObservedTask[]): Engine {
  return {
    probe: (signal) => engine.probe(signal),
    list: async (signal) => made(await engine.list(signal)),
    inspect: (ref, signal) => engine.inspect(ref, signal),
    stop: (ref, step, signal) => engine.stop(ref, step, signal),
    start: (...start) => engine.start(...start),
  };
}

/** A ledger that takes every claim for the newest. */
function withoutEpochs(newest: Map<string, Claim>): (shards: ShardLedger) => ShardLedger {
  const asNewest = (claim: Claim): Claim => newest.get(shardName(claim)) ?? claim;
  return (shards) => ({
    claim: async (key, at, signal) => {
      const claim = await shards.claim(key, at, signal);
      newest.set(shardName(claim), claim);
      return claim;
    },
    open: (claim, signal) => shards.open(asNewest(claim), signal),
    intend: (claim, intents, at, signal) => shards.intend(asNewest(claim), intents, at, signal),
    answer: (claim, answers, signal) => shards.answer(asNewest(claim), answers, signal),
    record: (claim, evidence, signal) => shards.record(asNewest(claim), evidence, signal),
    tally: (key, signal) => shards.tally(key, signal),
  });
}

const PLANTED: readonly Planted[] = [
  {
    bug: 'a ledger that lets old epochs write, with a worker that does not look at epochs',
    found: ['request after a take-over', 'needless repeat', 'false outcome', 'two final outcomes'],
    plant: () => ({
      shards: withoutEpochs(new Map()),
      control: (control) => ({
        ...control,
        look: async (keys, signal) => (await control.look(keys, signal)).map((seen) => ({ ...seen, epoch: 0 })),
      }),
    }),
  },
  {
    bug: 'a lease that never expires',
    found: [
      'request after the brake was answered',
      'request after the pause was answered',
      'request after a take-over',
    ],
    plant: () => ({ leaseClock: (clock) => ({ ...clock, monotonic: () => 0 }) }),
  },
  {
    bug: 'a worker that does not look at the control row',
    found: ['request after the brake was answered', 'request after the pause was answered'],
    plant: () => ({
      control: (control) => ({
        ...control,
        look: async (keys, signal) =>
          (await control.look(keys, signal)).map((seen) => ({ ...seen, control: 'go' as const })),
      }),
    }),
  },
  {
    bug: 'a second attempt without a fresh list',
    found: ['needless repeat', 'wrong identity', 'request on a list that forbids it'],
    plant: () => {
      const shown = new Map<string, ObservedTask>();
      // the first state of each task stands in every later list
      return {
        engine: (engine) =>
          withLists(engine, (tasks) =>
            tasks.map((task) => {
              const key = `${task.server}/${task.id}`;
              const first = shown.get(key) ?? task;
              shown.set(key, first);
              return first;
            }),
          ),
      };
    },
  },
  {
    bug: 'an attempt in doubt that is repeated at once',
    found: ['needless repeat'],
    plant: () => ({
      shards: (shards) => ({
        ...shards,
        open: async (claim, signal) =>
          (await shards.open(claim, signal)).map((target) => ({
            ...target,
            attempts: target.attempts.map((attempt) => ({ ...attempt, reply: attempt.reply ?? ('unsent' as const) })),
          })),
      }),
    }),
  },
  {
    bug: 'a vanished task that counts as ended',
    found: ['false proof'],
    plant: () => {
      const shown = new Map<string, ObservedTask>();
      return {
        engine: (engine) =>
          withLists(engine, (tasks) => {
            for (const task of tasks) shown.set(`${task.server}/${task.id}`, task);
            const server = tasks[0]?.server;
            const gone = [...shown.values()].filter(
              (task) => task.server === server && !tasks.some(({ id }) => id === task.id),
            );
            return [
              ...tasks,
              ...gone.map((task) => ({ ...task, word: 'gone', state: 'ended' as const, closesBy: 'list' as const })),
            ];
          }),
      };
    },
  },
  {
    bug: 'a list word that is believed where only the detail tells',
    found: ['false proof'],
    plant: () => ({
      engine: (engine) => withLists(engine, (tasks) => tasks.map((task) => ({ ...task, closesBy: 'list' as const }))),
    }),
  },
  {
    bug: 'an identity that is compared by id alone',
    found: ['bystander touched', 'wrong identity', 'false proof'],
    plant: () => {
      const names = new Map<string, Pick<ObservedTask, 'name' | 'startedAt'>>();
      return {
        shards: (shards) => ({
          ...shards,
          open: async (claim, signal) => {
            const targets = await shards.open(claim, signal);
            for (const { server, id, name, startedAt } of targets) {
              names.set(`${server}/${id}`, startedAt === undefined ? { name } : { name, startedAt });
            }
            return targets;
          },
        }),
        engine: (engine) =>
          withLists(engine, (tasks) => tasks.map((task) => ({ ...task, ...names.get(`${task.server}/${task.id}`) }))),
      };
    },
  },
  {
    bug: 'an intent that is not written before the request leaves',
    found: ['request without an intent'],
    plant: () => ({
      shards: (shards) => ({
        ...shards,
        intend: (_claim, intents) => Promise.resolve({ granted: intents.map(({ target }) => target), protected: [] }),
      }),
    }),
  },
  {
    bug: 'a request that leaves without a look at the lease',
    found: [
      'request after the brake was answered',
      'request after the pause was answered',
      'request after a take-over',
    ],
    plant: () => ({
      engine: (engine) => ({
        ...withLists(engine, (tasks) => tasks),
        stop: (ref, step, signal) => engine.stop(ref, { rung: step.rung, mayLeave: () => true }, signal),
      }),
    }),
  },
  {
    bug: 'a session that is ended without a look at the lease',
    found: [
      'request after the brake was answered',
      'request after the pause was answered',
      'request after a take-over',
    ],
    plant: () => ({
      database: (database) => ({
        ...database,
        endSession: (session, _mayLeave, signal) => database.endSession(session, () => true, signal),
      }),
    }),
  },
  {
    bug: 'sessions that are ended although others may own them',
    found: ['shared session touched', 'bystander touched'],
    plant: () => ({
      shards: (shards) => ({
        ...shards,
        open: async (claim, signal) =>
          (await shards.open(claim, signal)).map((target) => ({ ...target, sharesSessionsWith: [] })),
      }),
    }),
  },
  {
    bug: 'a task ended by force that counts as stopped',
    found: ['false outcome'],
    plant: () => ({
      shards: (shards) => ({
        ...shards,
        record: (claim, evidence, signal) =>
          shards.record(
            claim,
            evidence.map((one) => (one.outcome === 'stoppedByForce' ? { ...one, outcome: 'stopped' as const } : one)),
            signal,
          ),
      }),
    }),
  },
];

describe('the simulation finds', () => {
  it.each(PLANTED)('$bug', { timeout: 120_000 }, async ({ bug, found, plant }) => {
    for (let run = 0; run < WITHIN_RUNS; run += 1) {
      const { violations } = await simulate(seededTape(SEED, run), { wrappers: plant() });
      const violation = violations.find(({ kind }) => found.includes(kind));
      if (violation === undefined) continue;
      console.log(`planted: ${bug}: found in run ${run + 1} as "${violation.kind}"`);
      return;
    }
    expect.fail(`not found in ${WITHIN_RUNS} runs`);
  });
});
