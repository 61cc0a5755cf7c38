import { z } from 'zod';
import { duration, durationAboveZero } from './request.js';

const share = z.string().regex(/^(?:100|\d{1,2})(?:\.\d+)?%$/, 'expected a share such as 20%');
const shareAboveZero = z
  .string()
  .regex(/^(?=.*[1-9])(?:100|\d{1,2})(?:\.\d+)?%$/, 'expected a share above zero such as 20%');
/** A step of a ramp, or a limit: a number of targets, or a share. */
const amount = z.union([z.number().int().min(1), shareAboveZero]);
const limit = z.union([z.number().int().min(0), share]);
export type Amount = z.infer<typeof amount>;

/** Every policy field, all optional; `extends` names the policy whose fields fill the gaps. `design.md` §10. */
export const policySchema = z.strictObject({
  extends: z.string().min(1).optional(),
  waves: z.tuple([amount], amount).optional(),
  settle: duration.optional(),
  confirm: z.enum(['none', 'count', 'approver']).optional(),
  validFor: duration.optional(),
  gate: z
    .strictObject({ failed: limit.optional(), unconfirmed: limit.optional(), wait: duration.optional() })
    .optional(),
  verify: z
    .strictObject({
      within: durationAboveZero.optional(),
      every: durationAboveZero.optional(),
      linger: duration.optional(),
    })
    .optional(),
  watchAfter: duration.optional(),
  climb: z.enum(['ask', 'auto']).optional(),
  snapshot: z.enum(['full', 'failed', 'none']).optional(),
  inFlight: z.number().int().min(1).max(10_000).optional(),
  budget: z.strictObject({ targets: z.number().int().min(1).optional(), share: share.optional() }).optional(),
  floors: z.array(z.strictObject({ group: z.string().min(1), keep: z.number().int().min(1) })).optional(),
});
export type PolicyInput = z.infer<typeof policySchema>;

/** A policy with every field filled; times in milliseconds. What is hashed as `policyHash`. */
export interface Policy {
  readonly name: string;
  readonly waves: readonly [Amount, ...Amount[]];
  readonly settleMs: number;
  readonly confirm: 'none' | 'count' | 'approver';
  readonly validForMs: number;
  readonly gate: { readonly failed?: Amount; readonly unconfirmed?: Amount; readonly waitMs: number };
  readonly verify: { readonly withinMs: number; readonly everyMs: number; readonly lingerMs: number };
  readonly watchAfterMs: number;
  readonly climb: 'ask' | 'auto';
  readonly snapshot: 'full' | 'failed' | 'none';
  readonly inFlight: number;
  readonly budget?: { readonly targets?: number; readonly share?: string };
  readonly floors: readonly { readonly group: string; readonly keep: number }[];
}
