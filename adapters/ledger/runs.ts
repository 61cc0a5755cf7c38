import { z } from 'zod';
import { keyOf } from '../../domain/contracts/plan.js';
import { OffboilError } from '../../domain/errors.js';
import type { OpenedRun, PassedGate, PersonalAct, RunLedger, RunRecord } from '../../domain/ports.js';
import { audit } from './audit.js';
import { readFrozen } from './plans.js';
import { json, type LedgerPool, type Sql } from './pool.js';
import { absent, estateRow, personalActRow, runRow, runWithReport } from './rows.js';

const COLUMNS =
  'run_id, request, request_hash, dry_run, started_at, estate_hash, confirmed_at, passed_wave, passed_at, closed_at, result';

export function createRunLedger(pool: LedgerPool): RunLedger {
  return {
    open: (run, at, signal) => pool.transaction('BEGIN', signal, (sql) => open(sql, run, at, signal)),

    adoptEstate: (runId, hash, estate, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        await sql.run(
          'INSERT INTO estates (hash, estate) VALUES ($1, $2) ON CONFLICT DO NOTHING',
          [hash, json(estate)],
          signal,
        );
        await sql.run(
          'UPDATE runs SET estate_hash = $2 WHERE run_id = $1 AND estate_hash IS NULL',
          [runId, hash],
          signal,
        );
        const [adopted] = await sql.rows(
          estateRow,
          'SELECT e.hash, e.estate FROM runs r JOIN estates e ON e.hash = r.estate_hash WHERE r.run_id = $1',
          [runId],
          signal,
        );
        if (adopted === undefined) throw unknownRun(runId);
        return adopted;
      }),

    read: (runId, signal) => readRun(pool, runId, signal),

    act: (runId, act, at, signal) => pool.transaction('BEGIN', signal, (sql) => writeAct(sql, runId, act, at, signal)),

    close: (runId, result, report, at, signal) =>
      pool.transaction('BEGIN', signal, async (sql) => {
        const isFirst = await sql.run(
          'UPDATE runs SET closed_at = $2, result = $3, report = $4 WHERE run_id = $1 AND closed_at IS NULL',
          [runId, at, json(result), report === undefined ? null : json(report)],
          signal,
        );
        if (isFirst === 0) return;
        await sql.run(
          `DELETE FROM reservations v USING targets t
            WHERE t.run_id = $1 AND v.server = t.server AND v.id = t.id AND v.run_id = t.run_id`,
          [runId],
          signal,
        );
        await audit(
          sql,
          {
            runId,
            at,
            action: 'run.closed',
            what: `closed as ${result.end}, exit code ${result.exitCode}: ${result.message}`,
          },
          signal,
        );
      }),

    async list(filter, limit, signal) {
      const rows = await pool.rows(
        runRow.extend({ planned: absent(z.number()) }),
        `SELECT r.*, p.targets AS planned FROM runs r LEFT JOIN plans p USING (run_id)
          WHERE NOT r.dry_run AND ($1::boolean IS NULL OR (r.closed_at IS NULL) = $1) AND r.started_at >= $2
          ORDER BY r.started_at DESC, r.run_id LIMIT $3`,
        [filter.open ?? null, filter.sinceMs ?? 0, limit],
        signal,
      );
      return rows.map((row) => ({
        runId: row.run_id,
        startedAt: iso(row.started_at),
        ...(row.result === undefined ? {} : { end: row.result.end, exitCode: row.result.exitCode }),
        requestedBy: row.request.requestedBy,
        reason: row.request.reason,
        planned: row.planned ?? 0,
      }));
    },
  };
}

type NewRun = Parameters<RunLedger['open']>[0];

/**
 * Decides what a start means. The row's lock makes two starts at once decide one after the other.
 * A dry run leaves a row that the next start of that id replaces, dry or not; over a real run it only looks.
 */
async function open(sql: Sql, run: NewRun, at: number, signal: AbortSignal): Promise<OpenedRun> {
  await sql.run(`SELECT pg_advisory_xact_lock(hashtextextended('offboil run ' || $1, 0))`, [run.runId], signal);
  await sql.run('DELETE FROM runs WHERE run_id = $1 AND dry_run', [run.runId], signal);
  const [known] = await sql.rows(
    runRow,
    `SELECT ${COLUMNS} FROM runs WHERE run_id = $1 FOR UPDATE`,
    [run.runId],
    signal,
  );
  if (known === undefined) return create(sql, run, at, signal);
  const base = {
    requestHash: known.request_hash,
    startedAt: iso(known.started_at),
    confirmed: known.confirmed_at !== undefined,
  };
  const plan = await readFrozen(sql, run.runId, signal);
  const control = await readControl(sql, run.runId, signal);
  const { passed_wave: wave, passed_at: passedAt } = known;
  const rest = {
    ...base,
    ...(plan === undefined ? {} : { plan }),
    ...(wave === undefined || passedAt === undefined ? {} : { passed: { wave, at: passedAt } }),
    control,
    acts: await readActs(sql, run.runId, signal),
  };
  if (known.request_hash !== run.requestHash) return { decision: 'conflict', ...rest };
  if (known.result !== undefined) return { decision: 'finished', result: known.result, ...rest };
  return { decision: 'continued', ...rest };
}

async function create(sql: Sql, run: NewRun, at: number, signal: AbortSignal): Promise<OpenedRun> {
  await sql.run(
    'INSERT INTO runs (run_id, request, request_hash, dry_run, started_at) VALUES ($1, $2, $3, $4, $5)',
    [run.runId, json(run.request), run.requestHash, run.dryRun, at],
    signal,
  );
  const what = `${run.dryRun ? 'dry run' : 'run'} requested: ${run.request.reason}`;
  const actor = { by: run.request.requestedBy, assurance: 'asserted' as const };
  await audit(sql, { runId: run.runId, at, action: 'run.created', what, actor }, signal);
  return {
    decision: 'new',
    requestHash: run.requestHash,
    startedAt: iso(at),
    confirmed: false,
    control: await readControl(sql, run.runId, signal), // a brake may come before the run is opened
    acts: [],
  };
}

async function readControl(sql: Sql, runId: string, signal: AbortSignal): Promise<OpenedRun['control']> {
  const state = z.object({ state: z.enum(['go', 'paused', 'braked']) });
  return (await sql.rows(state, 'SELECT state FROM control WHERE run_id = $1', [runId], signal))[0]?.state ?? 'go';
}

async function readActs(sql: Sql, runId: string, signal: AbortSignal): Promise<OpenedRun['acts']> {
  const rows = await sql.rows(
    personalActRow,
    `SELECT act FROM approvals WHERE run_id = $1 AND kind IN ('approve', 'reject', 'pause', 'resume') ORDER BY seq`,
    [runId],
    signal,
  );
  return rows.map(({ act }) => act);
}

/** @throws OffboilError `RUN_UNKNOWN` */
export async function readRun(sql: Sql, runId: string, signal: AbortSignal): Promise<RunRecord> {
  const [row] = await sql.rows(
    runWithReport,
    'SELECT r.*, e.estate FROM runs r LEFT JOIN estates e ON e.hash = r.estate_hash WHERE r.run_id = $1',
    [runId],
    signal,
  );
  if (row === undefined) throw unknownRun(runId);
  const plan = await readFrozen(sql, runId, signal);
  return {
    runId,
    request: row.request,
    requestHash: row.request_hash,
    startedAt: iso(row.started_at),
    ...(row.estate_hash === undefined ? {} : { estateHash: row.estate_hash }),
    ...(row.estate === undefined ? {} : { estate: row.estate }),
    ...(plan === undefined ? {} : { plan }),
    ...(row.report === undefined ? {} : { report: row.report }),
    ...(row.result === undefined ? {} : { result: row.result }),
  };
}

async function writeAct(sql: Sql, runId: string, act: PersonalAct, at: number, signal: AbortSignal): Promise<void> {
  if (act.kind === 'note' || act.kind === 'refused') {
    const who = act.kind === 'note' ? { action: 'run.noted' } : { action: 'request.refused', actor: act.actor };
    await audit(sql, { runId, at, what: act.what, ...who }, signal);
    return;
  }
  if (act.kind === 'gate') return passGate(sql, runId, act, at, signal);
  await sql.run(
    'INSERT INTO approvals (run_id, at, kind, actor, act) VALUES ($1, $2, $3, $4, $5)',
    [runId, at, act.kind, json(act.actor), json(act)],
    signal,
  );
  if (act.kind === 'retry') await writeRetries(sql, runId, act, at, signal);
  if (act.kind === 'resolve') await answerCompensation(sql, runId, act, at, signal);
  await audit(sql, { runId, at, action: ACTIONS[act.kind], what: describe(act), actor: act.actor }, signal);
}

async function passGate(sql: Sql, runId: string, gate: PassedGate, at: number, signal: AbortSignal): Promise<void> {
  const isFirst = await sql.run(
    'UPDATE runs SET passed_wave = $2, passed_at = $3 WHERE run_id = $1 AND coalesce(passed_wave, 0) < $2',
    [runId, gate.wave, gate.at],
    signal,
  );
  if (isFirst === 0) return;
  await audit(sql, { runId, at, action: 'gate.passed', what: `passed the gate after wave ${gate.wave}` }, signal);
}

/**
 * Targets named, else all that have a provisional outcome: unconfirmed, unreachable, refused and failed. On a rung only those
 * whose plan permits it.
 * @throws OffboilError `MESSAGE_REFUSED` when one that was named, or all, cannot be asked so
 */
async function writeRetries(
  sql: Sql,
  runId: string,
  { targets, rung }: PersonalAct & { kind: 'retry' },
  at: number,
  signal: AbortSignal,
): Promise<void> {
  const named =
    targets === undefined
      ? 'o.outcome IS NOT NULL'
      : '(o.server, o.id) IN (SELECT * FROM unnest($4::text[], $5::text[]))';
  const keys = targets === undefined ? [] : [targets.map(({ server }) => server), targets.map(({ id }) => id)];
  const asked = await sql.run(
    `INSERT INTO retries (run_id, server, id, at, rung)
     SELECT o.run_id, o.server, o.id, $2, $3::text
       FROM outcomes o JOIN targets t ON t.run_id = o.run_id AND t.server = o.server AND t.id = o.id
      WHERE o.run_id = $1 AND NOT o.final AND ($3::text IS NULL OR t.planned -> 'rungs' ? $3::text) AND ${named}`,
    [runId, at, rung ?? null, ...keys],
    signal,
  );
  const wanted = targets === undefined ? (rung === undefined ? 0 : 1) : new Set(targets.map(keyOf)).size;
  if (asked >= wanted) return;
  const on = rung === undefined ? '' : ` on rung ${rung}`;
  throw new OffboilError(
    'MESSAGE_REFUSED',
    `${targets === undefined ? 'No target without proof' : `Not each of ${names(targets)}`} can be asked again${on}: it must be a target of ${runId} that has not ended${rung === undefined ? '' : ', and its plan must permit that rung'}. Nothing changed.`,
  );
}

/**
 * What a person did about a manual compensation. Said again (a lost answer), it stands as said last.
 * @throws OffboilError `TARGET_UNKNOWN` when no manual compensation of that target is there
 */
async function answerCompensation(
  sql: Sql,
  runId: string,
  { target, note, actor }: PersonalAct & { kind: 'resolve' },
  at: number,
  signal: AbortSignal,
): Promise<void> {
  const answered = await sql.run(
    `UPDATE compensations SET at = $4, result = result || $5
      WHERE run_id = $1 AND server = $2 AND id = $3
        AND result ->> 'kind' = 'manual' AND result ->> 'state' IN ('unanswered', 'done')`,
    [runId, target.server, target.id, at, json({ state: 'done', detail: note, by: actor.by })],
    signal,
  );
  if (answered > 0) return;
  throw new OffboilError(
    'TARGET_UNKNOWN',
    `No manual compensation of ${names([target])} waits in ${runId}. Nothing changed. "offboil watch ${runId}" names those that wait.`,
  );
}

/** What a person did to a run that is there. */
type AnsweredAct = Exclude<PersonalAct, { kind: 'note' | 'refused' | 'gate' }>;

const ACTIONS: Readonly<Record<AnsweredAct['kind'], string>> = {
  approve: 'plan.approved',
  reject: 'plan.rejected',
  pause: 'run.paused',
  resume: 'run.resumed',
  brake: 'brake.pulled',
  cancel: 'run.cancelled',
  skip: 'target.skipped',
  retry: 'target.retried',
  resolve: 'compensation.resolved',
};

function describe(act: AnsweredAct): string {
  switch (act.kind) {
    case 'approve':
    case 'reject':
      return `${act.kind === 'approve' ? 'approved' : 'rejected'} plan ${act.planHash}${act.note === undefined ? '' : `: ${act.note}`}`;
    case 'resume': {
      if (act.accepted === undefined) return `resume: ${act.reason}`;
      const { failed, unconfirmed } = act.accepted;
      return `resume, with ${failed} failed and ${unconfirmed} unconfirmed accepted: ${act.reason}`;
    }
    case 'pause':
    case 'brake':
    case 'cancel':
      return `${act.kind}: ${act.reason}`;
    case 'skip':
      return `skip ${names(act.targets)}`;
    case 'retry':
      return `retry ${act.targets === undefined ? 'all that is not proven' : names(act.targets)}${act.rung === undefined ? '' : ` on rung ${act.rung}`}`;
    case 'resolve':
      return `resolved ${names([act.target])}: ${act.note}`;
  }
}

function names(targets: readonly { readonly server: string; readonly id: string }[]): string {
  return targets.map(({ server, id }) => `${server}/${id}`).join(', ');
}

function unknownRun(runId: string): OffboilError {
  return new OffboilError('RUN_UNKNOWN', `The ledger has no run ${runId}. "offboil runs" lists those it has.`);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
