import { z } from 'zod';
import { OUTCOMES } from '../outcomes.js';
import { LEFT_CODES } from './plan.js';
import { TASK_KINDS } from '../tasks.js';

export const ENDS = ['completed', 'incomplete', 'refused', 'braked', 'cancelled', 'error'] as const;
export type RunEnd = (typeof ENDS)[number];

const outcomeCounts = z.partialRecord(z.enum(OUTCOMES), z.number().int());
const target = { server: z.string(), id: z.string(), name: z.string() };

/** One stored observation, as the report shows it. */
const evidence = z.strictObject({ at: z.string(), what: z.string() });

const actor = z.strictObject({
  role: z.string(),
  by: z.string(),
  assurance: z.enum(['asserted', 'principal', 'signed']),
  at: z.string(),
});
export type Actor = z.infer<typeof actor>;

/** The result of the workflow; never a list of targets. `design.md` §18. */
export const runResultSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: z.string(),
  end: z.enum(ENDS),
  exitCode: z.number().int(),
  code: z.string().optional(),
  message: z.string(),
  planned: z.number().int(),
  outcomes: outcomeCounts,
  planHash: z.string().optional(),
  reportDigest: z.string().optional(),
});
export type RunResult = z.infer<typeof runResultSchema>;

const bystander = z.strictObject({
  ...target,
  kind: z.enum(TASK_KINDS),
  verdict: z.enum(['undisturbed', 'ended', 'disturbed', 'unknown']),
  sampled: z.boolean(),
  why: z.string(),
});
export type BystanderVerdict = z.infer<typeof bystander>;

const checkResult = z.strictObject({
  name: z.string(),
  database: z.string(),
  targets: z.array(z.string()),
  before: z.enum(['green', 'red', 'inconclusive', 'notRun']),
  after: z.enum(['green', 'red', 'inconclusive', 'notRun']),
  detail: z.string(),
});
export type CheckResult = z.infer<typeof checkResult>;

const compensationResult = z.strictObject({
  ...target,
  kind: z.enum(['rerun', 'manual']),
  state: z.enum(['done', 'failed', 'unanswered', 'notDone']),
  detail: z.string(),
  by: z.string().optional(),
  /** Id of the task that a rerun started on the same server. */
  started: z.string().optional(),
});
export type CompensationResult = z.infer<typeof compensationResult>;

/** The report of a run: all facts, each derived from the ledger. Additive changes only. */
export const reportSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: z.string(),
  end: z.enum(ENDS),
  exitCode: z.number().int(),
  code: z.string().optional(),
  message: z.string(),
  mode: z.string(),
  policy: z.string(),
  emergency: z.boolean(),
  reason: z.string(),
  ticket: z.string().optional(),
  actors: z.array(actor),
  requestHash: z.string(),
  planHash: z.string().optional(),
  policyHash: z.string().optional(),
  estateHash: z.string().optional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  targets: z.number().int(),
  outcomes: outcomeCounts,
  results: z.array(
    z.strictObject({
      ...target,
      kind: z.enum(TASK_KINDS),
      outcome: z.enum(OUTCOMES),
      late: z.boolean().optional(),
      at: z.string(),
      requests: z.number().int(),
      rung: z.string().optional(),
      evidence: z.array(evidence),
      note: z.string().optional(),
    }),
  ),
  left: z.array(z.strictObject({ ...target, code: z.enum(LEFT_CODES), why: z.string() })),
  bystanders: z.strictObject({
    total: z.number().int(),
    undisturbed: z.number().int(),
    ended: z.number().int(),
    disturbed: z.number().int(),
    unknown: z.number().int(),
    notSampled: z.number().int(),
    list: z.array(bystander),
  }),
  checks: z.array(checkResult),
  compensations: z.array(compensationResult),
  needsYou: z.array(z.string()),
  /** Servers that the selection covers and that could not be read. */
  unread: z.array(z.strictObject({ server: z.string(), code: z.string(), message: z.string() })),
  notSeen: z.array(z.string()),
  cameBack: z.array(z.strictObject({ ...target, why: z.string() })),
  timeline: z.array(z.strictObject({ at: z.string(), what: z.string(), by: z.string().optional() })),
});
export type Report = z.infer<typeof reportSchema>;
