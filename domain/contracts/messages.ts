import { z } from 'zod';
import type { OutcomeCounts } from '../outcomes.js';
import type { Priority } from '../tasks.js';
import { RUNGS, targetKeySchema } from '../tasks.js';
import type { ConfirmNeed, PlanFinding } from './plan.js';

const by = z.string().trim().min(1, 'say who').max(200);
const reason = z.string().trim().min(1, 'say why').max(2000);

/** Shapes of the messages, one object each (`design.md` §18). */
export const messageSchemas = {
  approve: z.strictObject({ by, planHash: z.string(), note: z.string().max(2000).optional() }),
  reject: z.strictObject({ by, planHash: z.string(), note: z.string().max(2000).optional() }),
  pause: z.strictObject({ by, reason }),
  resume: z.strictObject({ by, reason }),
  brake: z.strictObject({ by, reason }),
  skip: z.strictObject({ by, targets: z.array(targetKeySchema).nonempty() }),
  retry: z
    .strictObject({ by, targets: z.array(targetKeySchema).nonempty().optional(), rung: z.enum(RUNGS).optional() })
    .refine((message) => message.rung !== 'kill' || message.targets !== undefined, 'kill needs its targets by name'),
  resolve: z.strictObject({
    by,
    target: targetKeySchema,
    note: z.string().trim().min(1, 'say what was done').max(2000),
  }),
} as const;

export type MessageName = keyof typeof messageSchemas;
export type Message<N extends MessageName> = z.infer<(typeof messageSchemas)[N]>;

const schemaOf: { readonly [N in MessageName]: z.ZodType<Message<N>> } = messageSchemas;

/** Reads a message from outside; all faults at once. */
export function readMessage<N extends MessageName>(name: N, input: unknown): z.ZodSafeParseResult<Message<N>> {
  return schemaOf[name].safeParse(input);
}

export const PHASES = [
  'discover',
  'plan',
  'confirm',
  'wave',
  'paused',
  'halted',
  'linger',
  'check',
  'compensate',
  'watch',
  'report',
  'done',
] as const;
export type Phase = (typeof PHASES)[number];

/** Whatever a run waits for: one state with its reason and the commands that answer it. */
export interface Waits {
  readonly reason: string;
  /** ISO 8601, when the wait is over by itself. */
  readonly until?: string;
  readonly answers: readonly string[];
}

/** Where a run stands; the answer of every message and of the query `progress`. */
export interface Progress {
  readonly runId: string;
  readonly requestHash: string;
  /** It only plans; never *the* run of its request. */
  readonly dryRun?: true;
  readonly phase: Phase;
  readonly waits?: Waits;
  readonly planHash?: string;
  readonly wave: number;
  readonly waves: number;
  readonly planned: number;
  readonly requested: number;
  readonly proven: number;
  readonly unconfirmed: number;
  readonly outcomes: OutcomeCounts;
  readonly startedAt: string;
  readonly etaSeconds?: number;
}

/** Answer of the query `plan`; the whole is read by the workflow `readReport`. */
export interface PlanSummary {
  readonly planHash: string;
  readonly waves: readonly { readonly priority: Priority; readonly targets: number; readonly servers: number }[];
  readonly left: number;
  readonly findings: readonly PlanFinding[];
  /** Which consent it needs; a client that is not told reads it from the whole plan. */
  readonly confirm?: ConfirmNeed;
}
