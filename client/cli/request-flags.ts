import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { StartInput } from '../index.js';
import { OffboilError } from '../../domain/errors.js';
import { type Session, userOf } from './session.js';
import type { TextId } from './texts/index.js';

/** One field of a selection: its flag, its name in the request, and its help. A new field is a new row. */
export interface SelectionField {
  readonly flag: string;
  readonly field: string;
  readonly value: string;
  /** `one` takes a single value, `many` may be given again. */
  readonly takes: 'one' | 'many';
  readonly help: TextId;
}

export const SELECTION_FIELDS: readonly SelectionField[] = [
  { flag: 'name', field: 'names', value: 'pattern', takes: 'many', help: 'help.name' },
  { flag: 'id', field: 'ids', value: 'server/id', takes: 'many', help: 'help.id' },
  { flag: 'server', field: 'servers', value: 'name', takes: 'many', help: 'help.server' },
  { flag: 'group', field: 'groups', value: 'name', takes: 'many', help: 'help.group' },
  { flag: 'tag', field: 'tags', value: 'name', takes: 'many', help: 'help.tag' },
  { flag: 'owner', field: 'owners', value: 'name', takes: 'many', help: 'help.owner' },
  { flag: 'source', field: 'sources', value: 'name', takes: 'many', help: 'help.source' },
  { flag: 'kind', field: 'kinds', value: 'kind', takes: 'many', help: 'help.kind' },
  { flag: 'state', field: 'states', value: 'state', takes: 'many', help: 'help.state' },
  { flag: 'priority', field: 'priorities', value: 'priority', takes: 'many', help: 'help.priority' },
  { flag: 'running-for', field: 'runningFor', value: 'duration', takes: 'one', help: 'help.runningFor' },
];

/** Flags of a request as commander gives them, by their camel-cased names. */
export type RequestFlags = Readonly<Record<string, unknown>>;

/** Request fields with a flag of the same name; a flag wins over the file. */
const PLAIN_FLAGS = ['reason', 'ticket', 'requestId', 'mode', 'policy', 'everything', 'emergency', 'dryRun'] as const;

const document = z.looseObject({
  requestedBy: z.string().optional(),
  policy: z.string().optional(),
  select: z.record(z.string(), z.unknown()).optional(),
  except: z.record(z.string(), z.unknown()).optional(),
});

/** A request as written, on its way to `parseRequest`, which alone judges it. */
export type WrittenRequest = z.infer<typeof document>;

/**
 * Puts a request together from a file and flags; a flag wins over the same field of the file.
 * @param file a path, `-` for stdin, or undefined
 * @throws OffboilError `USAGE_WRONG` for a file that cannot be read, `REQUEST_INVALID` for one that is no request
 */
export async function writeRequest(
  session: Session,
  file: string | undefined,
  flags: RequestFlags,
): Promise<WrittenRequest> {
  const written: WrittenRequest = file === undefined ? {} : await readRequestFile(session, file);
  Object.assign(
    written,
    Object.fromEntries(PLAIN_FLAGS.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]))),
  );
  const select = selectionOf(flags, (name) => name);
  const except = selectionOf(flags, (name) => `except${name.charAt(0).toUpperCase()}${name.slice(1)}`);
  if (Object.keys(select).length > 0) written.select = { ...written.select, ...select };
  if (Object.keys(except).length > 0) written.except = { ...written.except, ...except };
  if (typeof flags['requestedBy'] === 'string') written.requestedBy = flags['requestedBy'];
  written.requestedBy ??= userOf(session, undefined, '--requested-by');
  written['requestId'] ??= newRequestId(new Date());
  return written;
}

/** There is no silent default: the two situations are opposite, so a person says which it is. */
export async function askPolicy({ screen, say }: Session, written: WrittenRequest): Promise<void> {
  if (written.policy !== undefined) return;
  if (!screen.canAsk) throw new OffboilError('REQUEST_INVALID', say('stop.noPolicy'));
  const answers: Readonly<Record<string, string>> = {
    '1': 'contain',
    contain: 'contain',
    '2': 'careful',
    careful: 'careful',
  };
  const policy = answers[(await screen.ask(say('ask.policy'))) ?? ''];
  if (policy === undefined) throw new OffboilError('REQUEST_INVALID', say('stop.noPolicy'));
  written.policy = policy;
}

/** The judge is `parseRequest` in the client; until then the type is a claim of whoever wrote the request. */
export function asStartInput(written: WrittenRequest): StartInput {
  return written as unknown as StartInput; // every path from here leads into parseRequest, which reads it as unknown
}

/** An id that people can say on the telephone, and that sorts by time. */
export function newRequestId(now: Date, random: () => number = Math.random): string {
  const stamp = now.toISOString().slice(0, 16).replace(/[-:]/g, '').replace('T', '-');
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'; // none that is taken for another
  const tail = Array.from({ length: 4 }, () => letters.charAt(Math.floor(random() * letters.length))).join('');
  return `stop-${stamp}-${tail}`;
}

function selectionOf(flags: RequestFlags, flagName: (camelCased: string) => string): Record<string, unknown> {
  const selection: Record<string, unknown> = {};
  for (const { flag, field } of SELECTION_FIELDS) {
    const value = flags[flagName(flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()))];
    if (value !== undefined) selection[field] = value;
  }
  return selection;
}

async function readRequestFile(session: Session, file: string): Promise<WrittenRequest> {
  const { say } = session;
  let text = '';
  try {
    if (file === '-') for await (const chunk of session.stdin) text += String(chunk);
    else text = await readFile(file, 'utf8');
  } catch (error) {
    throw new OffboilError('USAGE_WRONG', say('usage.file', { file, why: whyOf(error) }), {}, { cause: error });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new OffboilError('REQUEST_INVALID', say('usage.json', { file, why: whyOf(error) }), {}, { cause: error });
  }
  const read = document.safeParse(parsed);
  if (read.success) return read.data;
  throw new OffboilError(
    'REQUEST_INVALID',
    `The request is refused, nothing was sent.\n${z.prettifyError(read.error)}`,
  );
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
