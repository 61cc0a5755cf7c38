import { z } from 'zod';
import { OffboilError } from '../../domain/errors.js';
import { OUTCOME_FACTS } from '../../domain/outcomes.js';
import type { Attempt, Claim, Evidence, ShardKey, ShardLedger, ShardTarget } from '../../domain/ports.js';
import { json, type LedgerPool } from './pool.js';
import { openTargetRow } from './rows.js';
import { tallyShard } from './tallies.js';

const OPEN = `
SELECT t.wave, t.planned, t.extras, t.seen_at, t.seen_state,
       -- a request that left after a provisional outcome opens the target again
       CASE WHEN newer.seq > o.seq THEN NULL ELSE o.outcome END AS outcome,
       CASE WHEN newer.seq > o.seq THEN NULL ELSE o.at END AS outcome_at, again.at AS again_at, again.rung AS again_rung,
       (SELECT min(e.at) FROM evidence e WHERE e.run_id = t.run_id AND e.server = t.server AND e.id = t.id AND e.ending) AS ending_since,
       EXISTS (SELECT FROM snapshots s WHERE s.run_id = t.run_id AND s.server = t.server AND s.id = t.id) AS has_snapshot,
       coalesce((SELECT jsonb_agg(jsonb_build_object('n', a.n, 'rung', a.rung, 'epoch', a.epoch, 'intendedAt', a.at,
                                                     'reply', r.kind, 'repliedAt', r.at) ORDER BY a.n)
                   FROM attempts a
                   LEFT JOIN attempts r ON r.run_id = a.run_id AND r.server = a.server AND r.id = a.id AND r.n = a.n AND r.is_reply
                  WHERE a.run_id = t.run_id AND a.server = t.server AND a.id = t.id AND NOT a.is_reply), '[]') AS attempts
  FROM outcomes o
  JOIN targets t ON t.run_id = o.run_id AND t.server = o.server AND t.id = o.id
  LEFT JOIN LATERAL (SELECT max(a.seq) AS seq FROM attempts a
                       LEFT JOIN attempts r ON r.run_id = a.run_id AND r.server = a.server AND r.id = a.id AND r.n = a.n AND r.is_reply
                      WHERE o.seq IS NOT NULL AND a.run_id = t.run_id AND a.server = t.server AND a.id = t.id AND NOT a.is_reply
                        AND r.kind IS DISTINCT FROM 'unsent') newer ON true
  LEFT JOIN LATERAL (SELECT x.at, x.rung FROM retries x
                      WHERE x.run_id = t.run_id AND x.server = t.server AND x.id = t.id AND x.seq > coalesce(o.seq, 0)
                        -- answered by an attempt that may have left; by order, because the clocks of two hosts differ
                        AND x.seq > coalesce(newer.seq, 0)
                      ORDER BY x.seq DESC LIMIT 1) again ON true
 WHERE o.run_id = $1 AND NOT o.final`;

const newest = z.object({ epoch: z.number() });
const intended = z.object({ server: z.string(), id: z.string(), verdict: z.enum(['granted', 'protected']) });

export function createShardLedger(pool: LedgerPool): ShardLedger {
  return {
    async claim(key, at, signal): Promise<Claim> {
      const [row] = await pool.rows(
        newest,
        `INSERT INTO claims (run_id, wave, shard, epoch, at) VALUES ($1, $2, $3, 1, $4)
         ON CONFLICT (run_id, wave, shard) DO UPDATE SET epoch = claims.epoch + 1, at = excluded.at RETURNING epoch`,
        [key.runId, key.wave, key.shard, at],
        signal,
      );
      if (row === undefined) throw new OffboilError('INTERNAL', 'an insert that returns gave no row');
      return { runId: key.runId, wave: key.wave, shard: key.shard, epoch: row.epoch, at };
    },

    async open(claim, signal) {
      await pool.run('SELECT offboil_guard($1, $2, $3, $4)', keyOfClaim(claim), signal);
      const where = claim.wave === 0 ? 'AND o.linger = $2' : 'AND o.shard = $2 AND o.wave = $3';
      const values = claim.wave === 0 ? [claim.runId, claim.shard] : [claim.runId, claim.shard, claim.wave];
      const rows = await pool.rows(openTargetRow, `${OPEN} ${where} ORDER BY o.position`, values, signal);
      return rows.map(shardTarget);
    },

    async intend(claim, intents, at, signal) {
      const rows = await pool.rows(
        intended,
        'SELECT * FROM offboil_intend($1, $2, $3, $4, $5, $6, $7, $8, $9)',
        [
          ...keyOfClaim(claim),
          at,
          intents.map(({ target }) => target.server),
          intents.map(({ target }) => target.id),
          intents.map(({ n }) => n),
          intents.map(({ rung }) => rung),
        ],
        signal,
      );
      const those = (verdict: 'granted' | 'protected') =>
        rows.filter((row) => row.verdict === verdict).map(({ server, id }) => ({ server, id }));
      return { granted: those('granted'), protected: those('protected') };
    },

    async answer(claim, answers, signal) {
      if (answers.length === 0) return;
      await pool.run(
        'SELECT offboil_answer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
        [
          ...keyOfClaim(claim),
          answers.map(({ target }) => target.server),
          answers.map(({ target }) => target.id),
          answers.map(({ n }) => n),
          answers.map(({ reply }) => reply.kind),
          answers.map(({ reply }) => reply.note ?? null),
          answers.map(({ at }) => at),
        ],
        signal,
      );
    },

    async record(claim, evidence, signal) {
      if (evidence.length === 0) return;
      await pool.run(
        'SELECT offboil_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb[])',
        [
          ...keyOfClaim(claim),
          ...evidenceColumns(evidence),
          evidence.map(({ snapshot }) => (snapshot === undefined ? null : json(snapshot))),
        ],
        signal,
      );
    },

    tally: (key, signal) => tallyShard(pool, key.runId, key.wave, key.shard, signal),
  };
}

function keyOfClaim(claim: ShardKey & Pick<Claim, 'epoch'>): (string | number)[] {
  return [claim.runId, claim.wave, claim.shard, claim.epoch];
}

/** Evidence as the columns that the ledger's functions take; what an outcome settles is written beside it. */
export function evidenceColumns(evidence: readonly Evidence[]): unknown[][] {
  return [
    evidence.map(({ target }) => target.server),
    evidence.map(({ target }) => target.id),
    evidence.map(({ at }) => at),
    evidence.map(({ what }) => what),
    evidence.map(({ outcome }) => outcome ?? null),
    evidence.map(({ outcome }) => outcome !== undefined && OUTCOME_FACTS[outcome].final),
    evidence.map(({ late }) => late ?? false),
    evidence.map(({ rung }) => rung ?? null),
    evidence.map(({ ending }) => ending ?? false),
  ];
}

function shardTarget(row: z.output<typeof openTargetRow>): ShardTarget {
  const { planned, extras, outcome, outcome_at, again_at, again_rung, ending_since, seen_at, seen_state } = row;
  return {
    ...planned,
    ...(extras.group === undefined ? {} : { group: extras.group }),
    sessions: extras.sessions,
    ...(extras.sharesSessionsWith === undefined ? {} : { sharesSessionsWith: extras.sharesSessionsWith }),
    attempts: row.attempts.map(attemptOf),
    ...(outcome === undefined ? {} : { outcome }),
    ...(outcome_at === undefined ? {} : { outcomeAt: outcome_at }),
    ...(again_at === undefined
      ? {}
      : { again: { at: again_at, ...(again_rung === undefined ? {} : { rung: again_rung }) } }),
    ...(ending_since === undefined ? {} : { endingSince: ending_since }),
    hasSnapshot: row.has_snapshot,
    ...(seen_at === undefined || seen_state === undefined ? {} : { seen: { askedAt: seen_at, state: seen_state } }),
  };
}

function attemptOf(row: z.output<typeof openTargetRow>['attempts'][number]): Attempt {
  const { n, rung, epoch, intendedAt, reply, repliedAt } = row;
  return {
    n,
    rung,
    epoch,
    intendedAt,
    ...(reply === undefined ? {} : { reply }),
    ...(repliedAt === undefined ? {} : { repliedAt }),
  };
}
