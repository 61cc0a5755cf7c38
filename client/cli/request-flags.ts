import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { readFile } from 'node:fs/promises';
import { requestObject } from '../../domain/contracts/request.js';
import { z } from 'zod';
import { OffboilError } from '../../domain/errors.js';
import { type Session, userOf } from './session.js';

/** The fields of a selection: flag, name in the request, what a value is. Its help is `help.<flag>`; each may be given again. */
const SELECTION_FIELDS = [
  ['name', 'names', 'pattern'],
  ['id', 'ids', 'server/id'],
  ['server', 'servers', 'name'],
  ['group', 'groups', 'name'],
  ['tag', 'tags', 'name'],
  ['owner', 'owners', 'name'],
  ['source', 'sources', 'name'],
  ['kind', 'kinds', 'kind'],
  ['state', 'states', 'state'],
  ['priority', 'priorities', 'priority'],
] as const;

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

/** Adds the flags of a request, the same to `plan` and `stop`. */
export function addRequestOptions(command: CommandUnknownOpts, { say }: Session): void {
  const addSelection = (prefix: string, helpOf: (help: string) => string): void => {
    for (const [flag, , value] of SELECTION_FIELDS) {
      command.option(`--${prefix}${flag} <${value}>`, helpOf(say(`help.${flag}`)), collect);
    }
    command.option(`--${prefix}running-for <duration>`, helpOf(say('help.runningFor')));
  };
  addSelection('', (help) => help);
  command.option('--everything', say('help.everything'));
  addSelection('except-', (what) => say('help.except', { what }));
  command
    .option('--reason <text>', say('help.reason'))
    .option('--requested-by <who>', say('help.requestedBy'))
    .option('--ticket <ticket>', say('help.ticket'))
    .option('--request-id <id>', say('help.requestId'))
    .option('--mode <mode>', say('help.mode'))
    .option('--policy <policy>', say('help.policy'))
    .option('--emergency', say('help.emergency'));
}

/** Gathers the values of a flag that may be given again. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

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
  const select = selectionOf(flags, '');
  const except = selectionOf(flags, 'except');
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

/** An id that people can say on the telephone, and that sorts by time. */
export function newRequestId(now: Date, random: () => number = Math.random): string {
  const stamp = now.toISOString().slice(0, 16).replace(/[-:]/g, '').replace('T', '-');
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'; // none that is taken for another
  const tail = Array.from({ length: 4 }, () => letters.charAt(Math.floor(random() * letters.length))).join('');
  return `stop-${stamp}-${tail}`;
}

function selectionOf(flags: RequestFlags, prefix: '' | 'except'): Record<string, unknown> {
  const given = (flag: string): unknown =>
    flags[prefix === '' ? flag : `except${flag.charAt(0).toUpperCase()}${flag.slice(1)}`];
  const fields = [...SELECTION_FIELDS, ['runningFor', 'runningFor'] as const];
  return Object.fromEntries(
    fields.map(([flag, field]) => [field, given(flag)] as const).filter(([, value]) => value !== undefined),
  );
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
  const read = document.safeParse(requestObject(parsed));
  if (read.success) return read.data;
  throw new OffboilError(
    'REQUEST_INVALID',
    `The request is refused, nothing was sent.\n${z.prettifyError(read.error)}`,
  );
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
