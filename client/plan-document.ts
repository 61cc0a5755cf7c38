import { z } from 'zod';
import { PRIORITIES, STATE_CLASSES, TASK_KINDS } from '../domain/tasks.js';

// Loose on purpose: an older client must still show the plan of a newer worker. What is approved is the hash.

const target = { server: z.string(), id: z.string(), name: z.string() };

/** The whole plan as `readReport` gives it: what is hashed, and beside it what people read. */
export const planDocumentSchema = z.looseObject({
  planHash: z.string(),
  plan: z.looseObject({
    runId: z.string(),
    waves: z.array(
      z.looseObject({
        priority: z.enum(PRIORITIES),
        targets: z.array(
          z.looseObject({
            ...target,
            kind: z.enum(TASK_KINDS),
            startedAt: z.string().optional(),
            rungs: z.array(z.string()),
          }),
        ),
      }),
    ),
  }),
  confirm: z.enum(['none', 'count', 'approver', 'twoApprovers']).optional(),
  left: z.array(z.looseObject({ ...target, why: z.string() })).default([]),
  findings: z.array(z.looseObject({ level: z.enum(['info', 'warning']), text: z.string() })).default([]),
  notSeen: z.array(z.string()).default([]),
  /** By `<server>/<id>`: what people read of a target, beside what is hashed. */
  extras: z.record(z.string(), z.looseObject({ group: z.string().optional() })).default({}),
});
export type PlanDocument = z.infer<typeof planDocumentSchema>;

const surveyedTask = z.looseObject({
  ...target,
  kind: z.enum(TASK_KINDS),
  state: z.enum(STATE_CLASSES),
  word: z.string(),
  startedAt: z.string().optional(),
});
export type SurveyedTask = z.infer<typeof surveyedTask>;

/** A survey as `readReport` gives it: server by server, without tasks where a list could not be read. */
export const surveyDocumentSchema = z.looseObject({
  servers: z.array(z.looseObject({ server: z.string(), tasks: z.array(surveyedTask).optional() })),
});
