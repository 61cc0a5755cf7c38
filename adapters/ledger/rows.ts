import { z } from 'zod';
import type { Actor, BystanderVerdict, CompensationResult, Report } from '../../domain/contracts/report.js';
import type { Estate } from '../../domain/contracts/estate.js';
import type {
  ConfirmNeed,
  LeftTask,
  Plan,
  PlanFinding,
  PlannedTarget,
  TargetExtras,
} from '../../domain/contracts/plan.js';
import type { Policy } from '../../domain/contracts/policy.js';
import { runResultSchema } from '../../domain/contracts/report.js';
import type { TerminationRequest } from '../../domain/contracts/request.js';
import { OUTCOMES } from '../../domain/outcomes.js';
import type { FrozenPlan, PersonalAct, ServerObservation } from '../../domain/ports.js';
import { RUNGS, STATE_CLASSES, TASK_KINDS } from '../../domain/tasks.js';

/**
 * A document that only this ledger writes, from this very type, into a column of its own: not checked again on its way back,
 * which for a plan of 100,000 targets would cost more than reading it.
 */
function written<T>(): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'object' && value !== null);
}

export const absent = <S extends z.ZodType>(schema: S) => schema.nullable().transform((value) => value ?? undefined);

/** What stands beside the hashed plan. */
export interface PlanBeside {
  readonly left: readonly LeftTask[];
  readonly findings: readonly PlanFinding[];
  readonly notSeen: readonly string[];
  readonly confirm: ConfirmNeed;
}

/** What the workflow needs of a plan beside head and policy. */
export type PlanShape = Omit<FrozenPlan, 'planHash' | 'plannedAt' | 'policy' | 'confirm' | 'left' | 'findings'>;

/** The hashed plan without its targets. */
export interface PlanHead extends Omit<Plan, 'waves'> {
  readonly priorities: readonly Plan['waves'][number]['priority'][];
}

export const runRow = z.object({
  run_id: z.string(),
  request: written<TerminationRequest>(),
  request_hash: z.string(),
  dry_run: z.boolean(),
  started_at: z.number(),
  estate_hash: absent(z.string()),
  confirmed_at: absent(z.number()),
  passed_wave: absent(z.number()),
  passed_at: absent(z.number()),
  closed_at: absent(z.number()),
  result: absent(runResultSchema),
});

export const runWithReport = runRow.extend({ report: absent(written<Report>()), estate: absent(written<Estate>()) });

export const estateRow = z.object({ hash: z.string(), estate: written<Estate>() });

export const planRow = z.object({
  plan_hash: z.string(),
  planned_at: z.number(),
  policy: written<Policy>(),
  head: written<PlanHead>(),
  beside: written<PlanBeside>(),
  shape: written<PlanShape>(),
  group_members: z.record(z.string(), z.number()),
});
export type PlanRow = z.output<typeof planRow>;

export const targetRow = z.object({
  wave: z.number(),
  planned: written<PlannedTarget>(),
  extras: written<TargetExtras>(),
});

export const observationRow = z.object({
  server: z.string(),
  asked_at: z.number(),
  info: absent(written<NonNullable<ServerObservation['info']>>()),
  tasks: absent(written<NonNullable<ServerObservation['tasks']>>()),
  problem: absent(z.object({ code: z.string(), message: z.string() })),
});

const outcome = z.enum(OUTCOMES);
const replyKind = z.enum(['acknowledged', 'rejected', 'unanswered', 'unsent']);

export const openTargetRow = targetRow.extend({
  outcome: absent(outcome),
  outcome_at: absent(z.number()),
  again_at: absent(z.number()),
  again_rung: absent(z.enum(RUNGS)),
  ending_since: absent(z.number()),
  has_snapshot: z.boolean(),
  seen_at: absent(z.number()),
  seen_state: absent(z.enum(STATE_CLASSES)),
  attempts: z.array(
    z.object({
      n: z.number(),
      rung: z.enum(RUNGS),
      epoch: z.number(),
      intendedAt: z.number(),
      reply: absent(replyKind),
      repliedAt: absent(z.number()),
    }),
  ),
});

export const tallyRow = z.object({
  wave: z.number(),
  shard: z.number(),
  outcome: absent(outcome),
  late: z.boolean(),
  targets: z.number(),
  requested: z.number(),
});

export const targetFactsRow = targetRow.extend({
  outcome: absent(outcome),
  late: z.boolean(),
  at: absent(z.number()),
  rung: absent(z.enum(RUNGS)),
  requests: z.number(),
  evidence: z.array(z.object({ at: z.number(), what: z.string() })),
});

export const provenRow = z.object({ planned: written<PlannedTarget>(), at: z.number() });

export const checkRow = z.object({
  phase: z.enum(['before', 'after']),
  position: z.number(),
  name: z.string(),
  database: z.string(),
  targets: z.array(z.string()),
  verdict: z.enum(['green', 'red', 'inconclusive']),
  detail: z.string(),
});

export const personalActRow = z.object({ act: written<PersonalAct>() });
export const actRow = z.object({ actor: written<Actor>() });
export const compensationRow = z.object({ result: written<CompensationResult>() });
export const taskRefRow = z.object({ server: z.string(), id: z.string(), name: z.string(), kind: z.enum(TASK_KINDS) });
export const sampleRow = z.object({
  server: z.string(),
  id: z.string(),
  at: z.number(),
  rows: absent(z.number()),
  errors: z.number(),
  was_stopped: z.boolean(),
});
export const bystanderRow = z.object({ verdict: written<BystanderVerdict>() });
