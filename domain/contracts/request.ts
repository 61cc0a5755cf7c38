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

/** A word of the estate, in one Unicode form and without blanks at its ends: what looks alike is alike. */
export const word = z.string().normalize('NFC').trim().min(1);

const texts = z.array(z.string().min(1)).nonempty();
const words = z.array(word).nonempty();

/** AND across fields, OR within a list. */
const selectionFields = {
  names: texts.optional(),
  ids: texts.optional(),
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

/** Ids carry into workflow ids, file names and commands, so they are kept plain. Temporal's Schedules put a time with colons behind theirs. */
export const requestIdSchema = z
  .string()
  .regex(/^[\w][\w.:-]{0,99}$/, 'letters, digits, dot, dash, colon and underscore, at most 100');

/** What Temporal takes as an input is 2 MB; a request above this lists ids that a name, group or server would say. */
export const REQUEST_BYTES = 1_000_000;

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
  const written = requestObject(input);
  const given =
    !('requestId' in written) && idFromWorkflow !== undefined ? { requestId: idFromWorkflow, ...written } : written;
  const parsed = requestSchema.safeParse(given, { error: inOurWords });
  if (parsed.success) return parsed.data;
  throw refused(
    parsed.error.issues.map(({ message, path }) => (path.length === 0 ? message : `${pathText(path)}: ${message}`)),
  );
}

/**
 * What may be read as a request at all.
 * @throws OffboilError `REQUEST_INVALID` for what is no object, and for what is too large for Temporal to carry
 */
export function requestObject(input: unknown): Record<string, unknown> {
  if (!isRecord(input)) throw refused([`a request is an object of fields, and this is ${kindOf(input)}`]);
  const bytes = jsonBytes(input);
  if (bytes > REQUEST_BYTES) {
    const size = `${(bytes / 1_000_000).toFixed(1)} MB`;
    throw refused([
      `the request has ${size}, and one may have 1 MB; select by names, groups or servers in place of ids, or split it`,
    ]);
  }
  return input;
}

function refused(faults: readonly string[]): OffboilError {
  const shown = faults
    .slice(0, MOST_FAULTS)
    .map((fault) => `✖ ${fault.length > 500 ? `${fault.slice(0, 499)}…` : fault}`);
  const more = faults.length > MOST_FAULTS ? [`… and ${faults.length - MOST_FAULTS} more`] : [];
  return new OffboilError(
    'REQUEST_INVALID',
    ['The request is refused, nothing was sent.', ...shown, ...more].join('\n'),
  );
}

/** A message travels through histories and terminals: what is wrong a thousand times is told twenty times. */
const MOST_FAULTS = 20;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(input: unknown): string {
  if (typeof input === 'string') {
    return input.trimStart().startsWith('{') ? 'text that holds JSON: it was encoded twice' : 'text';
  }
  if (Array.isArray(input)) return 'a list; start one run for each request';
  return input === null || input === undefined ? 'nothing' : `a ${typeof input}`;
}

/** Bytes of the JSON in UTF-8, without building them: a workflow has no TextEncoder and no Buffer. */
function jsonBytes(value: unknown): number {
  const text = JSON.stringify(value);
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    bytes += unit >= 0xd800 && unit < 0xe000 ? 1 : unit < 0x800 ? 1 : 2; // half of a pair is two of its four bytes
  }
  return bytes;
}

/** What a field is for, told where it is missing. */
const MISSING: Readonly<Record<string, string>> = {
  requestId: 'give the request an id, such as INC-42',
  reason: 'say why: the auditor will ask (--reason)',
  requestedBy: 'say who asks (--requested-by)',
  policy: 'name a policy: contain (a source is bad) or careful (a planned stop) (--policy)',
};

/** zod's English is for programmers; a rule's own message is kept. */
const inOurWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return MISSING[pathText(issue.path ?? [])] ?? 'is missing';
      return `expected ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
    case 'unrecognized_keys':
      return `no field that is known here: ${issue.keys.join(', ')}`;
    case 'invalid_value':
      return `expected ${issue.values.map(String).join(', ')}`;
    case 'too_big':
      return `at most ${String(issue.maximum)} ${issue.origin === 'string' ? 'characters' : 'entries'}`;
    case 'too_small':
      return 'something, not nothing';
    default:
      return undefined;
  }
};

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object of fields',
};

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  );
}
