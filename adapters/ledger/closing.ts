import { z } from 'zod';
import { keyOf } from '../../domain/contracts/plan.js';
import type { CheckResult } from '../../domain/contracts/report.js';
import { OUTCOME_FACTS, OUTCOMES } from '../../domain/outcomes.js';
import { OffboilError } from '../../domain/errors.js';
import type { ClosingLedger, RunFacts, TargetFacts } from '../../domain/ports.js';
import type { TargetKey } from '../../domain/tasks.js';
import { audit } from './audit.js';
import { readPlan } from './plans.js';
import { json, type LedgerPool, type Sql } from './pool.js';
import {
  actRow,
  bystanderRow,
  checkRow,
  compensationRow,
  provenRow,
  sampleRow,
  targetFactsRow,
  taskRefRow,
} from './rows.js';
import { readRun } from './runs.js';
import { evidenceColumns } from './shards.js';

export function createClosingLedger(pool: LedgerPool): ClosingLedger {
  return {
    skipOpen: (runId, scope, why, at, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        // whoever is about to write an intent waits here, and then finds the reservation gone
        await sql.run('SELECT FROM claims WHERE run_id = $1 ORDER BY wave, shard FOR UPDATE', [runId], signal);
        // a target that was unreachable stays so: only a person who names it may say otherwise
        const chosen =
          scope === 'unrequested'
            ? 'o.outcome IS NULL'
            : '(o.server, o.id) IN (SELECT * FROM unnest($2::text[], $3::text[]))';
        const names = scope === 'unrequested' ? [] : [scope.map(({ server }) => server), scope.map(({ id }) => id)];
        const targets = await sql.rows(
          z.object({ server: z.string(), id: z.string() }),
          `SELECT o.server, o.id FROM outcomes o WHERE o.run_id = $1 AND NOT o.final AND o.requests = 0 AND ${chosen}`,
          [runId, ...names],
          signal,
        );
        if (scope !== 'unrequested') await refuseOthers(sql, runId, scope, targets, signal);
        if (targets.length === 0) return 0;
        const evidence = targets.map((target) => ({ target, at, what: why, outcome: 'skipped' as const }));
        await sql.run(
          'SELECT offboil_evidence($1, $1, NULL, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
          [runId, ...evidenceColumns(evidence)],
          signal,
        );
        return targets.length;
      }),

    async recordCheck(runId, phase, position, row, signal) {
      await pool.run(
        `INSERT INTO checks (run_id, phase, position, name, database, query, targets, verdict, detail)
         SELECT $1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9
          WHERE $2 = 'after' OR NOT EXISTS (SELECT FROM attempts WHERE run_id = $1)
         ON CONFLICT DO NOTHING`,
        [runId, phase, position, row.name, row.database, row.query, json(row.targets), row.verdict, row.detail],
        signal,
      );
    },

    async recordedChecks(runId, phase, signal) {
      const rows = await pool.rows(
        z.object({ position: z.number() }),
        'SELECT position FROM checks WHERE run_id = $1 AND phase = $2',
        [runId, phase],
        signal,
      );
      return new Set(rows.map(({ position }) => position));
    },

    recordCompensation: ({ runId, wave, shard, epoch }, row, at, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        await sql.run('SELECT offboil_guard($1, $2, $3, $4)', [runId, wave, shard, epoch], signal);
        await sql.run(
          `INSERT INTO compensations (run_id, server, id, at, result) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (run_id, server, id) DO UPDATE SET at = excluded.at, result = excluded.result`,
          [runId, row.server, row.id, at, json(row)],
          signal,
        );
        const what = `${row.kind} of ${row.server}/${row.id}: ${row.state}${row.detail === '' ? '' : ` (${row.detail})`}`;
        await audit(sql, { runId, at, action: 'compensation.recorded', what }, signal);
      }),

    bystanders: (runId, servers, perServer, signal) =>
      pool.rows(
        taskRefRow,
        `SELECT server, id, name, kind FROM (
           SELECT o.server, x.task ->> 'id' AS id, x.task ->> 'name' AS name, x.task ->> 'kind' AS kind, x.position,
                  row_number() OVER (PARTITION BY o.server ORDER BY x.task ->> 'state' = 'waiting', x.position) AS n
             FROM observations o, jsonb_array_elements(o.tasks) WITH ORDINALITY AS x (task, position)
            WHERE o.run_id = $1 AND o.phase = 'discovery' AND o.server = ANY ($2) AND x.task ->> 'state' <> 'ended'
              AND NOT EXISTS (SELECT FROM targets t WHERE t.run_id = $1 AND t.server = o.server AND t.id = x.task ->> 'id')) b
          WHERE n <= coalesce($3, n) ORDER BY server, position`,
        [runId, servers, perServer ?? null],
        signal,
      ),

    async recordSamples(runId, phase, samples, signal) {
      await pool.run(
        `INSERT INTO samples (run_id, phase, server, id, at, rows, errors, was_stopped)
         SELECT $1, $2, s.server, s.id, s.at, s.rows, s.errors, s."wasStopped"
           FROM jsonb_to_recordset($3) AS s (server text, id text, at bigint, rows bigint, errors bigint, "wasStopped" boolean)`,
        [runId, phase, json(samples)],
        signal,
      );
    },

    async samples(runId, phase, signal) {
      const rows = await pool.rows(
        sampleRow,
        `SELECT DISTINCT ON (server, id) server, id, at, rows, errors, was_stopped FROM samples
          WHERE run_id = $1 AND phase = $2 ORDER BY server, id, seq ${phase === 'before' ? 'ASC' : 'DESC'}`,
        [runId, phase],
        signal,
      );
      return rows.map(({ was_stopped: wasStopped, rows: moved, ...row }) => ({
        ...row,
        ...(moved === undefined ? {} : { rows: moved }),
        wasStopped,
      }));
    },

    async recordBystanders(runId, verdicts, signal) {
      await pool.run(
        `INSERT INTO bystanders (run_id, server, id, verdict)
         SELECT DISTINCT ON (v ->> 'server', v ->> 'id') $1, v ->> 'server', v ->> 'id', v FROM jsonb_array_elements($2) AS v
         ON CONFLICT (run_id, server, id) DO UPDATE SET verdict = excluded.verdict`,
        [runId, json(verdicts)],
        signal,
      );
    },

    async proven(runId, group, signal) {
      const rows = await pool.rows(
        provenRow,
        `SELECT t.planned, o.at FROM outcomes o
           JOIN targets t ON t.run_id = o.run_id AND t.server = o.server AND t.id = o.id
          WHERE o.run_id = $1 AND o.linger = $2 AND o.final AND o.outcome = ANY ($3)
            AND NOT EXISTS (SELECT FROM compensations k
                             WHERE k.run_id = o.run_id AND k.server = o.server AND k.result ->> 'started' = o.id)`,
        [runId, group, OUTCOMES.filter((outcome) => OUTCOME_FACTS[outcome].proven)],
        signal,
      );
      return rows.map(({ planned, at }) => ({ target: planned, at }));
    },

    recordContradictions: (runId, rows, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        const [servers, ids] = [rows.map(({ target }) => target.server), rows.map(({ target }) => target.id)];
        const columns = [runId, servers, ids, rows.map(({ at }) => at), rows.map(({ what }) => what)];
        await sql.run(
          `WITH first AS (
             INSERT INTO contradictions (run_id, server, id, at)
             SELECT $1, i.server, i.id, i.at FROM unnest($2::text[], $3::text[], $4::bigint[]) AS i (server, id, at)
             ON CONFLICT DO NOTHING RETURNING server, id
           )
           INSERT INTO evidence (run_id, server, id, at, what, final, late, ending)
           SELECT $1, i.server, i.id, i.at, i.what, false, false, false
             FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS i (server, id, at, what)
             JOIN first f ON f.server = i.server AND f.id = i.id`,
          columns,
          signal,
        );
        for (const { target, at, what } of rows)
          await audit(sql, { runId, at, action: 'target.contradicted', what: `${keyOf(target)}: ${what}` }, signal);
      }),

    async recordCameBack(runId, rows, signal) {
      await pool.run(
        `INSERT INTO came_back (run_id, server, id, name, why)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING`,
        [
          runId,
          rows.map((row) => row.task.server),
          rows.map((row) => row.task.id),
          rows.map((row) => row.task.name),
          rows.map((row) => row.why),
        ],
        signal,
      );
    },

    facts: (runId, signal) =>
      pool.transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', signal, (sql) =>
        readFacts(sql, runId, signal),
      ),
  };
}

async function readFacts(sql: Sql, runId: string, signal: AbortSignal): Promise<RunFacts> {
  const run = await readRun(sql, runId, signal);
  const plan = await readPlan(sql, runId, signal);
  const acts = await sql.rows(actRow, 'SELECT actor FROM approvals WHERE run_id = $1 ORDER BY seq', [runId], signal);
  const compensations = await sql.rows(
    compensationRow,
    'SELECT result FROM compensations WHERE run_id = $1 ORDER BY server, id',
    [runId],
    signal,
  );
  const bystanders = await sql.rows(
    bystanderRow,
    'SELECT verdict FROM bystanders WHERE run_id = $1 ORDER BY server, id',
    [runId],
    signal,
  );
  return {
    run,
    targets: await readTargets(sql, runId, signal),
    left: plan?.beside.left ?? [],
    notSeen: plan?.beside.notSeen ?? [],
    unreadServers: await sql.rows(
      z.object({ server: z.string(), code: z.string(), message: z.string() }),
      `SELECT server, problem ->> 'code' AS code, problem ->> 'message' AS message FROM observations
        WHERE run_id = $1 AND phase = 'discovery' AND problem IS NOT NULL ORDER BY server`,
      [runId],
      signal,
    ),
    actors: [
      { role: 'requester', by: run.request.requestedBy, assurance: 'asserted', at: run.startedAt },
      ...acts.map(({ actor }) => actor),
    ],
    checks: await readChecks(sql, runId, signal),
    compensations: compensations.map(({ result }) => result),
    bystanders: bystanders.map(({ verdict }) => verdict),
    cameBack: await readCameBack(sql, runId, signal),
    timeline: await readTimeline(sql, runId, signal),
  };
}

async function readTargets(sql: Sql, runId: string, signal: AbortSignal): Promise<TargetFacts[]> {
  const rows = await sql.rows(
    targetFactsRow,
    `SELECT t.wave, t.planned, t.extras, o.outcome, o.late, o.at, o.rung, o.requests,
            coalesce((SELECT jsonb_agg(jsonb_build_object('at', x.at, 'what', x.what) ORDER BY x.seq)
                        FROM (SELECT e.seq, e.at, e.what FROM evidence e
                               WHERE e.run_id = t.run_id AND e.server = t.server AND e.id = t.id
                              UNION ALL
                              SELECT a.seq, a.at, CASE WHEN a.is_reply THEN 'answer ' || a.n || ': ' || a.kind || coalesce(', ' || a.note, '')
                                                       ELSE 'request ' || a.n || ': ' || a.rung END FROM attempts a
                               WHERE a.run_id = t.run_id AND a.server = t.server AND a.id = t.id) x), '[]') AS evidence
       FROM targets t JOIN outcomes o ON o.run_id = t.run_id AND o.server = t.server AND o.id = t.id
      WHERE t.run_id = $1 ORDER BY t.position`,
    [runId],
    signal,
  );
  return rows.map(({ planned, extras, wave, outcome, late, at, rung, requests, evidence }) => ({
    target: { ...planned, ...extras },
    wave,
    ...(outcome === undefined ? {} : { outcome }),
    late,
    ...(at === undefined ? {} : { at }),
    ...(rung === undefined ? {} : { rung }),
    requests,
    evidence,
  }));
}

/** Before and after of one check side by side; what ran only once is said. */
async function readChecks(sql: Sql, runId: string, signal: AbortSignal): Promise<CheckResult[]> {
  const rows = await sql.rows(
    checkRow,
    // "before" first, so that the later detail wins
    'SELECT phase, position, name, database, targets, verdict, detail FROM checks WHERE run_id = $1 ORDER BY phase DESC, position',
    [runId],
    signal,
  );
  const results = new Map<number, CheckResult>();
  for (const { phase, position, name, database, targets, verdict, detail } of rows) {
    const known = results.get(position) ?? { name, database, targets, before: 'notRun', after: 'notRun', detail };
    results.set(position, { ...known, [phase]: verdict, targets, detail });
  }
  return [...results.values()];
}

/** Active unless the newest look of the watch shows it ended. */
function readCameBack(sql: Sql, runId: string, signal: AbortSignal): Promise<RunFacts['cameBack']> {
  return sql.rows(
    z.object({ server: z.string(), id: z.string(), name: z.string(), why: z.string(), active: z.boolean() }),
    `SELECT c.server, c.id, c.name, c.why,
            NOT EXISTS (SELECT FROM observations o, jsonb_to_recordset(o.tasks) AS x (id text, name text, state text)
                         WHERE o.run_id = c.run_id AND o.phase = 'watch' AND o.server = c.server
                           AND x.id = c.id AND x.name = c.name AND x.state = 'ended') AS active
       FROM came_back c WHERE c.run_id = $1 ORDER BY c.server, c.id`,
    [runId],
    signal,
  );
}

/** The run's own audit chain, in words. Shards' chains hold every request and are too long for people. */
async function readTimeline(sql: Sql, runId: string, signal: AbortSignal): Promise<RunFacts['timeline']> {
  const record = z.object({
    actor: z.object({ user: z.string(), auth: z.string() }),
    action: z.string(),
    what: z.string().optional(),
  });
  const rows = await sql.rows(
    z.object({ at: z.number(), record: z.string() }),
    'SELECT at, record FROM audit WHERE chain = $1 ORDER BY seq',
    [runId],
    signal,
  );
  return rows.map((row) => {
    const { actor, action, what } = record.parse(JSON.parse(row.record));
    return { at: row.at, what: what ?? action, ...(actor.auth === 'system' ? {} : { by: actor.user }) };
  });
}

/**
 * Whoever names targets to skip is told when one is none, or can be skipped no more; what is skipped already, is.
 * @throws OffboilError `TARGET_UNKNOWN`; nothing changed
 */
async function refuseOthers(
  sql: Sql,
  runId: string,
  named: readonly TargetKey[],
  skippable: readonly TargetKey[],
  signal: AbortSignal,
): Promise<void> {
  const skipped = await sql.rows(
    z.object({ server: z.string(), id: z.string() }),
    `SELECT server, id FROM outcomes WHERE run_id = $1 AND outcome = 'skipped'`,
    [runId],
    signal,
  );
  const known = new Set([...skippable, ...skipped].map(keyOf));
  const others = [...new Set(named.map(keyOf))].filter((key) => !known.has(key));
  if (others.length === 0) return;
  throw new OffboilError(
    'TARGET_UNKNOWN',
    `Not skipped: ${others.join(', ')}. Each must be a target of ${runId} that has had no request and no end. Nothing changed.`,
  );
}
