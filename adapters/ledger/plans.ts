import { z } from 'zod';
import type { PlanDraft } from '../../domain/contracts/plan.js';
import { keyOf } from '../../domain/contracts/plan.js';
import { OffboilError } from '../../domain/errors.js';
import type { FrozenPlan, PlanLedger, ServerObservation } from '../../domain/ports.js';
import { reservedBy } from '../../domain/wording.js';
import { audit } from './audit.js';
import { json, type LedgerPool, type Sql } from './pool.js';
import {
  observationRow,
  type PlanBeside,
  type PlanHead,
  type PlanRow,
  planRow,
  type PlanShape,
  targetRow,
} from './rows.js';
import { type ShardShape, shardsOf } from './sharding.js';
import { evidenceColumns } from './shards.js';
import { tallyRun } from './tallies.js';

export function createPlanLedger(pool: LedgerPool): PlanLedger {
  return {
    async observe(runId, phase, seen, signal) {
      await pool.run(
        `INSERT INTO observations (run_id, phase, server, asked_at, info, tasks, problem) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (run_id, phase, server) DO UPDATE
         SET asked_at = excluded.asked_at, info = excluded.info, tasks = excluded.tasks, problem = excluded.problem`,
        [runId, phase, seen.server, seen.askedAt, orNull(seen.info), orNull(seen.tasks), orNull(seen.problem)],
        signal,
      );
    },

    async observations(runId, phase, signal) {
      const rows = await pool.rows(
        observationRow,
        'SELECT server, asked_at, info, tasks, problem FROM observations WHERE run_id = $1 AND phase = $2 ORDER BY server',
        [runId, phase],
        signal,
      );
      return rows.map(observationOf);
    },

    async reservedByOthers(runId, servers, signal) {
      const rows = await pool.rows(
        z.object({ server: z.string(), id: z.string(), run_id: z.string() }),
        'SELECT server, id, run_id FROM reservations WHERE server = ANY ($2) AND run_id <> $1',
        [runId, servers],
        signal,
      );
      return new Map(rows.map((row) => [keyOf(row), row.run_id]));
    },

    freeze: (runId, draft, frozen, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        const { shape, targets } = shapeOf(draft, frozen.sites);
        const { left, findings, notSeen, confirm } = draft;
        const { waves, ...rest } = draft.plan;
        const head: PlanHead = { ...rest, priorities: waves.map((wave) => wave.priority) };
        const beside: PlanBeside = { left, findings, notSeen, confirm };
        const isFirst = await sql.run(
          `INSERT INTO plans (run_id, plan_hash, planned_at, policy, head, beside, shape, group_members, targets)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
          [
            runId,
            frozen.planHash,
            frozen.at,
            json(frozen.policy),
            json(head),
            json(beside),
            json(shape),
            json(groupMembers(draft)),
            targets.length,
          ],
          signal,
        );
        if (isFirst === 1) {
          await insertTargets(sql, runId, targets, signal);
          const what = `plan ${frozen.planHash} frozen: ${targets.length} targets in ${waves.length} waves`;
          await audit(sql, { runId, at: frozen.at, action: 'plan.made', what }, signal);
        }
        const plan = await readFrozen(sql, runId, signal);
        if (plan === undefined) throw new OffboilError('INTERNAL', 'a plan that was just frozen cannot be read');
        return plan;
      }),

    confirm: (runId, planHash, at, signal) =>
      pool.transaction('BEGIN', signal, (sql) => confirm(sql, runId, planHash, at, signal)),

    tallies: (runId, signal) => tallyRun(pool, runId, signal),

    async read(runId, signal): Promise<PlanDraft | undefined> {
      const row = await readPlan(pool, runId, signal);
      if (row === undefined) return undefined;
      const targets = await pool.rows(
        targetRow,
        'SELECT wave, planned, extras FROM targets WHERE run_id = $1 ORDER BY position',
        [runId],
        signal,
      );
      const { priorities, ...head } = row.head;
      const waves = priorities.map((priority, index) => ({
        priority,
        targets: targets.filter(({ wave }) => wave === index + 1).map(({ planned }) => planned),
      }));
      return {
        plan: { ...head, waves },
        extras: new Map(targets.map(({ planned, extras }) => [keyOf(planned), extras])),
        ...row.beside,
        groupMembers: new Map(Object.entries(row.group_members)),
      };
    },
  };
}

/** The plan as the workflow needs it. */
export async function readFrozen(sql: Sql, runId: string, signal: AbortSignal): Promise<FrozenPlan | undefined> {
  const row = await readPlan(sql, runId, signal);
  if (row === undefined) return undefined;
  return {
    ...row.shape,
    planHash: row.plan_hash,
    plannedAt: row.planned_at,
    policy: row.policy,
    confirm: row.beside.confirm,
    left: row.beside.left.length,
    findings: row.beside.findings,
  };
}

export async function readPlan(sql: Sql, runId: string, signal: AbortSignal): Promise<PlanRow | undefined> {
  const text = 'SELECT plan_hash, planned_at, policy, head, beside, shape, group_members FROM plans WHERE run_id = $1';
  return (await sql.rows(planRow, text, [runId], signal))[0];
}

interface PlacedTarget {
  readonly position: number;
  readonly wave: number;
  readonly shard: number;
  readonly linger: number;
  readonly server: string;
  readonly id: string;
  readonly task_group: string | null;
  readonly planned: unknown;
  readonly extras: unknown;
}

/** Places each target in its wave's shard, and in the shard of wave 0 that looks after its server once the waves are over. */
function shapeOf(draft: PlanDraft, sites: ReadonlyMap<string, string>): { shape: PlanShape; targets: PlacedTarget[] } {
  const all = draft.plan.waves.flatMap((wave) => wave.targets);
  const linger = shardsOf(countsOf(all), sites);
  const lingerOf = indexOf(linger);
  const targets: PlacedTarget[] = [];
  const waves = draft.plan.waves.map(({ priority, targets: inWave }, index) => {
    const counts = countsOf(inWave);
    const shards = shardsOf(counts, sites);
    const shardOf = indexOf(shards);
    for (const planned of inWave) {
      const { server, id } = planned;
      const extras = draft.extras.get(keyOf(planned));
      if (extras === undefined) throw new OffboilError('INTERNAL', `the plan has no extras for ${keyOf(planned)}`);
      const places = {
        wave: index + 1,
        shard: shardOf.get(server) ?? 0,
        linger: lingerOf.get(server) ?? 0,
        position: targets.length,
      };
      targets.push({ ...places, server, id, task_group: extras.group ?? null, planned, extras });
    }
    return { priority, targets: inWave.length, servers: counts.size, shards };
  });
  const shape = {
    waves,
    linger,
    hasChecks: all.some((target) => target.checks.length > 0),
    hasCompensations: all.some((target) => target.compensate !== null),
    longestWithinMs: all.reduce((longest, target) => Math.max(longest, target.within), 0),
  };
  return { shape, targets };
}

function countsOf(targets: readonly { readonly server: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { server } of targets) counts.set(server, (counts.get(server) ?? 0) + 1);
  return counts;
}

function indexOf(shards: readonly ShardShape[]): Map<string, number> {
  return new Map(shards.flatMap(({ servers }, index) => servers.map((server): [string, number] => [server, index])));
}

/** Members of each group. Where the planner did not count, the targets alone: fewer than there are, so a floor holds all the more. */
function groupMembers(draft: PlanDraft): Record<string, number> {
  const members = new Map<string, number>();
  for (const { group } of draft.extras.values())
    if (group !== undefined) members.set(group, (members.get(group) ?? 0) + 1);
  return Object.fromEntries([...members, ...(draft.groupMembers ?? [])]);
}

/** One set, joined with discovery's states; a nested loop over two JSON lists would be quadratic, and the planner cannot know. */
async function insertTargets(
  sql: Sql,
  runId: string,
  targets: readonly PlacedTarget[],
  signal: AbortSignal,
): Promise<void> {
  await sql.run('SET LOCAL enable_nestloop = off', [], signal);
  await sql.run(
    `INSERT INTO targets (run_id, server, id, position, wave, shard, linger, task_group, planned, extras, seen_at, seen_state)
     SELECT $1, t.server, t.id, t.position, t.wave, t.shard, t.linger, t.task_group, t.planned, t.extras, s.asked_at, s.state
       FROM jsonb_to_recordset($2) AS t (server text, id text, position integer, wave integer, shard integer, linger integer,
                                         task_group text, planned jsonb, extras jsonb)
       LEFT JOIN (SELECT DISTINCT ON (o.server, x.id) o.server, x.id, o.asked_at, x.state
                    FROM observations o, jsonb_to_recordset(o.tasks) AS x (id text, state text)
                   WHERE o.run_id = $1 AND o.phase = 'discovery') s ON s.server = t.server AND s.id = t.id`,
    [runId, json(targets)],
    signal,
  );
  await sql.run('SET LOCAL enable_nestloop = on', [], signal);
  // Without fresh statistics the planner takes a run for a handful of targets and reads all of them for each chunk (measured).
  await sql.run('ANALYZE targets', [], signal);
}

async function confirm(
  sql: Sql,
  runId: string,
  planHash: string,
  at: number,
  signal: AbortSignal,
): Promise<{ protected: number }> {
  const plan = await readPlan(sql, runId, signal);
  if (plan?.plan_hash !== planHash) {
    throw new OffboilError(
      'PLAN_HASH_MISMATCH',
      `The plan of ${runId} is ${plan?.plan_hash ?? 'not frozen'}, not ${planHash}. Nothing was sent.`,
    );
  }
  const isFirst = await sql.run(
    'UPDATE runs SET confirmed_at = $2 WHERE run_id = $1 AND confirmed_at IS NULL AND closed_at IS NULL AND NOT dry_run',
    [runId, at],
    signal,
  );
  if (isFirst === 1) await reserve(sql, runId, planHash, at, signal);
  const [count] = await sql.rows(
    z.object({ protected: z.number() }),
    `SELECT count(*)::integer AS protected FROM evidence WHERE run_id = $1 AND outcome = 'protected' AND epoch IS NULL`,
    [runId],
    signal,
  );
  return { protected: count?.protected ?? 0 };
}

async function reserve(sql: Sql, runId: string, planHash: string, at: number, signal: AbortSignal): Promise<void> {
  // in one order for everybody: two confirms over the same targets wait for each other instead of locking each other out
  await sql.run(
    `INSERT INTO reservations (server, id, run_id)
     SELECT server, id, run_id FROM targets WHERE run_id = $1 ORDER BY server, id ON CONFLICT DO NOTHING`,
    [runId],
    signal,
  );
  const taken = await sql.rows(
    z.object({ server: z.string(), id: z.string(), holder: z.string() }),
    `SELECT t.server, t.id, v.run_id AS holder FROM targets t JOIN reservations v ON v.server = t.server AND v.id = t.id
      WHERE t.run_id = $1 AND v.run_id <> $1`,
    [runId],
    signal,
  );
  const evidence = taken.map(({ server, id, holder }) => ({
    target: { server, id },
    at,
    what: reservedBy(holder),
    outcome: 'protected' as const,
  }));
  if (evidence.length > 0) {
    await sql.run(
      'SELECT offboil_evidence($1, $1, NULL, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
      [runId, ...evidenceColumns(evidence)],
      signal,
    );
  }
  await audit(
    sql,
    {
      runId,
      at,
      action: 'plan.confirmed',
      what: `plan ${planHash} confirmed; reserved by other runs: ${taken.length}`,
    },
    signal,
  );
}

function orNull(value: unknown): string | null {
  return value === undefined ? null : json(value);
}

function observationOf(row: z.output<typeof observationRow>): ServerObservation {
  const { server, asked_at, info, tasks, problem } = row;
  return {
    server,
    askedAt: asked_at,
    ...(info === undefined ? {} : { info }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(problem === undefined ? {} : { problem }),
  };
}
