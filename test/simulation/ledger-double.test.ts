import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLedger, type OpenLedger } from '../../adapters/ledger/ledger.js';
import type { PlanDraft } from '../../domain/contracts/plan.js';
import { keyOf } from '../../domain/contracts/plan.js';
import { parseRequest } from '../../domain/contracts/request.js';
import type { Claim, ShardKey } from '../../domain/ports.js';
import type { TargetKey } from '../../domain/tasks.js';
import type { SimLedger } from '../../sim/memory-ledger.js';
import { simulate } from '../../sim/run.js';
import { RUN_ID, type Scenario } from '../../sim/scenario.js';
import { seededTape } from '../../sim/tape.js';
import { usePostgres } from '../support/postgres.js';

const SEED = 41;
const TAPES = 200;
const never = new AbortController().signal;
const postgres = usePostgres();

/**
 * The real ledger under the names of a story. Run, servers and groups get a mark of their own, because reservations and floors
 * are for the whole ledger and many stories share it.
 */
class MarkedLedger implements SimLedger {
  readonly shards: SimLedger['shards'];
  readonly control: SimLedger['control'];
  readonly closing: SimLedger['closing'];

  constructor(
    private readonly real: OpenLedger,
    private readonly mark: string,
    /** Shard numbers of the ledger, by those of the story. */
    private readonly numbers: readonly number[],
  ) {
    const { shards, control, closing } = real;
    this.shards = {
      claim: async (key, at, signal) => this.#back(await shards.claim(this.#key(key), at, signal)),
      open: async (claim, signal) =>
        (await shards.open(this.#key(claim), signal)).map((target) => ({
          ...target,
          ...this.#unmarked(target),
          ...(target.group === undefined ? {} : { group: 'g' }),
        })),
      intend: async (claim, intents, at, signal) => {
        const marked = intents.map((intent) => ({ ...intent, target: this.#marked(intent.target) }));
        const answer = await shards.intend(this.#key(claim), marked, at, signal);
        const back = (targets: readonly TargetKey[]): TargetKey[] => targets.map((target) => this.#unmarked(target));
        return { granted: back(answer.granted), protected: back(answer.protected) };
      },
      answer: (claim, answers, signal) =>
        shards.answer(
          this.#key(claim),
          answers.map((answer) => ({ ...answer, target: this.#marked(answer.target) })),
          signal,
        ),
      record: (claim, evidence, signal) =>
        shards.record(
          this.#key(claim),
          evidence.map((one) => ({ ...one, target: this.#marked(one.target) })),
          signal,
        ),
      tally: (key, signal) => shards.tally(this.#key(key), signal),
    };
    this.control = {
      look: (keys, signal) =>
        control.look(
          keys.map((key) => this.#key(key)),
          signal,
        ),
      command: (_runId, state, orderedAt, signal) => control.command(this.#runId, state, orderedAt, signal),
      listen: () => () => undefined, // the story tells the workers itself
    };
    this.closing = {
      skipOpen: (_runId, scope, why, at, signal) => closing.skipOpen(this.#runId, scope, why, at, signal),
    };
  }

  async retry(_runId: string, at: number): Promise<void> {
    const actor = { role: 'operator', by: 'somebody', assurance: 'asserted', at: new Date(at).toISOString() } as const;
    await this.real.runs.act(this.#runId, { kind: 'retry', actor }, at, never);
  }

  get #runId(): string {
    return `${RUN_ID}-${this.mark}`;
  }

  #key<T extends ShardKey>(key: T): T {
    return { ...key, runId: this.#runId, shard: this.numbers[key.shard] ?? key.shard };
  }

  #back(claim: Claim): Claim {
    return { ...claim, runId: RUN_ID, shard: this.numbers.indexOf(claim.shard) };
  }

  #marked({ server, id }: TargetKey): TargetKey {
    return { server: `${this.mark}-${server}`, id };
  }

  #unmarked({ server, id }: TargetKey): TargetKey {
    return { server: server.slice(this.mark.length + 1), id };
  }
}

/** A confirmed run in the real ledger with the targets of a story. */
async function prepare(ledger: OpenLedger, mark: string, scenario: Scenario): Promise<SimLedger> {
  const runId = `${RUN_ID}-${mark}`;
  const { targets, floors, policy } = scenario;
  const server = (name: string): string => `${mark}-${name}`;
  const request = parseRequest({
    requestId: runId,
    reason: 'simulated',
    requestedBy: 'ops',
    policy: 'contain',
    select: { names: ['*'] },
  });
  const at = Math.min(...targets.map(({ seen }) => seen?.askedAt ?? 0));
  await ledger.runs.open({ runId, request, requestHash: 'sha256:simulated', dryRun: false }, at, never);
  for (const name of scenario.world.servers.keys()) {
    const own = targets.filter((target) => target.server === name);
    const askedAt = own[0]?.seen?.askedAt;
    if (askedAt === undefined) continue;
    const tasks = own.map((target) => {
      const state = target.seen?.state ?? 'unknown';
      const { id, name: task, kind, startedAt } = target;
      return {
        server: server(name),
        id,
        name: task,
        kind,
        word: state,
        state,
        closesBy: 'list' as const,
        ...(startedAt === undefined ? {} : { startedAt }),
      };
    });
    await ledger.plans.observe(runId, 'discovery', { server: server(name), askedAt, tasks }, never);
  }
  const draft: PlanDraft = {
    plan: {
      schemaVersion: 1,
      runId,
      requestHash: 'sha256:simulated',
      policyHash: 'sha256:simulated',
      estateHash: 'sha256:simulated',
      waves: [
        {
          priority: 'low',
          targets: targets.map(({ id, name, kind, startedAt, rungs, within, server: on }) => ({
            server: server(on),
            id,
            name,
            kind,
            ...(startedAt === undefined ? {} : { startedAt }),
            rungs,
            within,
            checks: [],
            compensate: null,
          })),
        },
      ],
    },
    extras: new Map(
      targets.map((target) => [
        keyOf({ server: server(target.server), id: target.id }),
        {
          ...{ group: `${mark}-g`, hasContract: true, why: 'simulated', closesByDetailWhenStopped: false },
          sessions: target.sessions,
          ...(target.sharesSessionsWith === undefined ? {} : { sharesSessionsWith: target.sharesSessionsWith }),
        },
      ]),
    ),
    left: [],
    findings: [],
    notSeen: [],
    confirm: 'none',
    groupMembers: new Map(floors.map(({ seenActive }) => [`${mark}-g`, seenActive])),
  };
  const marked = { ...policy, floors: floors.map(({ keep }) => ({ group: `${mark}-g`, keep })) };
  const sites = new Map(targets.map(({ server: on, shard }) => [server(on), `site-${shard}`]));
  await ledger.plans.freeze(runId, draft, { planHash: `sha256:${mark}`, policy: marked, at, sites }, never);
  await ledger.plans.confirm(runId, `sha256:${mark}`, at, never);
  // The ledger numbers sites as they come in the plan; a story's shard without targets comes last.
  const order = [...new Set([...targets.map(({ shard }) => shard), ...scenario.shards.map(({ shard }) => shard)])];
  return new MarkedLedger(
    ledger,
    mark,
    scenario.shards.map(({ shard }) => order.indexOf(shard)),
  );
}

describe('the ledger in memory', () => {
  let opened: OpenLedger | undefined;
  beforeAll(async () => {
    opened = await openLedger(postgres.url);
    await opened.migrate(never);
  });
  afterAll(() => opened?.close());

  it(`tells the same stories as the one in PostgreSQL, on ${TAPES} tapes`, { timeout: 240_000 }, async () => {
    const real = opened;
    if (real === undefined) throw new TypeError('the ledger opens in beforeAll');
    for (let run = 0; run < TAPES; run += 1) {
      const inMemory = await simulate(seededTape(SEED, run), { log: true });
      const inPostgres = await simulate(seededTape(SEED, run), {
        log: true,
        openLedger: (scenario) => prepare(real, `m${run}`, scenario),
      });
      expect(inPostgres.log.join('\n'), `run ${run}`).toBe(inMemory.log.join('\n'));
      expect(inPostgres.violations, `run ${run}`).toEqual([]);
    }
  });
});
