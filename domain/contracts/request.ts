import { z } from 'zod';
import { OffboilError } from '../errors.js';
import { PRIORITIES, TASK_KINDS } from '../tasks.js';

/** `500ms`, `10s`, `5m`, `2h`: parsed to milliseconds. */
export const duration = durationOf(/^\d+(?:\.\d+)?(ms|s|m|h)$/, 'expected a duration such as 500ms, 10s, 5m or 2h');

/** A duration that cannot be nothing: the time somebody is given, or the beat of a loop. */
export const durationAboveZero = durationOf(
  /^(?=.*[1-9])\d+(?:\.\d+)?(ms|s|m|h)$/,
  'expected a duration above zero such as 500ms, 10s, 5m or 2h',
);

/** A bare number is told the same as a text that is no duration. */
function durationOf(pattern: RegExp, expected: string) {
  return z.string({ error: expected }).regex(pattern, expected);
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a duration that already passed the contract. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match?.[1] === undefined)
    throw new OffboilError('REQUEST_INVALID', `"${text}" is no duration; expected 10s, 5m or 2h`);
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]; // the pattern allows these four units only
}

const words = z.array(z.string().min(1)).nonempty();

/** AND across fields, OR within a list. */
const selectionFields = {
  names: words.optional(),
  ids: words.optional(),
  servers: words.optional(),
  groups: words.optional(),
  tags: words.optional(),
  owners: words.optional(),
  sources: words.optional(),
  priorities: z.array(z.enum(PRIORITIES)).nonempty().optional(),
  states: z
    .array(z.enum(['waiting', 'active', 'ending', 'unknown']))
    .nonempty()
    .optional(),
  kinds: z.array(z.enum(TASK_KINDS)).nonempty().optional(),
  runningFor: duration.optional(),
  contract: z.enum(['none', 'any']).optional(),
};

const selection = z.strictObject(selectionFields);
export type Selection = z.infer<typeof selection>;

export const MODES = ['graceful', 'rollback', 'forced'] as const;
export type Mode = (typeof MODES)[number];

/** Ids carry into workflow ids, file names and commands, so they are kept plain. */
export const requestIdSchema = z
  .string()
  .regex(/^[\w][\w.-]{0,99}$/, 'letters, digits, dot, dash and underscore, at most 100');

/** What to stop and why, as a caller gives it. Strict: an unknown field is a spelling mistake at 02:10. */
export const requestSchema = z
  .strictObject({
    requestId: requestIdSchema,
    reason: z.string().trim().min(1, 'say why: the auditor will ask').max(2000),
    requestedBy: z.string().trim().min(1, 'say who asks').max(200),
    ticket: z.string().trim().min(1).max(200).optional(),
    select: selection.optional(),
    everything: z.boolean().default(false),
    except: selection.optional(),
    mode: z.enum(MODES).default('graceful'),
    policy: z.string().min(1, 'name a policy: contain (a source is bad) or careful (a planned stop)'),
    emergency: z.boolean().default(false),
    dryRun: z.boolean().default(false),
  })
  // Told beside what is wrong in other fields: all faults at once.
  .refine((request) => request.everything || chooses(request.select), {
    path: ['select'],
    message: 'choose something: an empty selection never means everything (that is "everything": true)',
    when: isObject,
  })
  .refine((request) => !(request.everything && chooses(request.select)), {
    path: ['everything'],
    message: 'everything and select exclude each other; use except to leave tasks out',
    when: isObject,
  })
  .refine((request) => request.except === undefined || chooses(request.except), {
    path: ['except'],
    message: 'an empty except leaves nothing out; drop it',
    when: isObject,
  });

function isObject({ value }: { readonly value: unknown }): boolean {
  return typeof value === 'object' && value !== null;
}

function chooses(selection: unknown): boolean {
  return typeof selection === 'object' && selection !== null && Object.keys(selection).length > 0;
}

/** A request after defaults. */
export type TerminationRequest = z.infer<typeof requestSchema>;
/** A request as callers write it. `requestId` may be left out where the workflow id already holds it. */
export type RequestInput = Omit<z.input<typeof requestSchema>, 'requestId'> & { readonly requestId?: string };

/**
 * Reads a request from outside.
 * @param input anything; `requestId` may be given beside it when the workflow id carries it
 * @throws OffboilError `REQUEST_INVALID` with every fault, not only the first
 */
export function parseRequest(input: unknown, idFromWorkflow?: string): TerminationRequest {
  const given =
    typeof input === 'object' && input !== null && !('requestId' in input) && idFromWorkflow !== undefined
      ? { requestId: idFromWorkflow, ...input }
      : input;
  const parsed = requestSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new OffboilError(
    'REQUEST_INVALID',
    `The request is refused, nothing was sent.\n${z.prettifyError(parsed.error)}`,
  );
}
