import { OffboilError } from '../../../domain/errors.js';
import type { ObservedTask } from '../../../domain/tasks.js';
import { readPastDate, type ServerTime } from '../kettle/dates.js';
import { childOf, childrenOf, decodeBody, readXml, textOf, type XmlElement } from '../kettle/xml.js';
import type { Answered } from '../kettle/http.js';
import type { CarteKind, Dialect } from './dialects.js';
import type { ListMarkers } from './infer-dialect.js';
import { classOf } from './status-words.js';

/** Up to 5.4 every Carte lists this one; it belongs to nobody. */
const BUILT_IN = 'Row generator test';

/** One entry of the list, before a dialect gives it its meaning. */
export interface ListEntry {
  readonly kind: CarteKind;
  readonly name: string;
  readonly id: string;
  readonly word: string;
  /** undefined: the entry has no such element; `''`: never started. */
  readonly logDate: string | undefined;
}

export interface StatusList {
  readonly entries: readonly ListEntry[];
  readonly markers: ListMarkers;
  /** How long the server's process runs. */
  readonly uptimeMs: number | undefined;
}

/**
 * Reads `status/?xml=Y` whole. One entry that cannot be read makes the list unreadable: from a list with holes nothing may be
 * concluded about what is missing.
 * @throws OffboilError
 */
export async function readStatus(server: string, reply: Answered): Promise<StatusList> {
  if (reply.status === 500) throw listBroken(server);
  const root = await readXml({ server, ...reply }, ['serverstatus']);
  const lists = [
    ['transformation', childOf(root, 'transstatuslist'), 'transstatus', 'transname'],
    ['job', childOf(root, 'jobstatuslist'), 'jobstatus', 'jobname'],
  ] as const;
  const entries = lists.flatMap(([kind, list, element, name]) => {
    // A server without jobs still sends an empty list of them.
    if (list === undefined) throw incomplete(server, `no list of ${kind}s`);
    return childrenOf(list, element).map((entry) => readEntry(server, kind, entry, name));
  });
  const isBuiltIn = (entry: ListEntry): boolean => entry.name === BUILT_IN && entry.word === 'Waiting';
  const shown = entries.length > 0;
  const uptime = textOf(root, 'uptime')?.trim() ?? '';
  return {
    entries,
    uptimeMs: /^\d{1,15}$/.test(uptime) ? Number(uptime) : undefined,
    markers: {
      hasSystemValues: childOf(root, 'memory_free') !== undefined,
      hasBuiltIn: entries.some(isBuiltIn),
      hasLogDate: shown ? entries.some((entry) => entry.logDate !== undefined) : undefined,
      hasHexReferences: shown ? /&#x[0-9a-f]+;/.test(decodeBody(reply.bytes, reply.contentType)) : undefined,
    },
  };
}

/** What the entries mean in a dialect. @param time without the zone of the server's JVM a start is not an instant */
export function observe(server: string, list: StatusList, dialect: Dialect, time: ServerTime): ObservedTask[] {
  const tasks: ObservedTask[] = [];
  for (const { kind, name, id, word, logDate } of list.entries) {
    // From 6.0 on a task of that name is somebody's.
    if (dialect.listsBuiltIn && kind === 'transformation' && name === BUILT_IN && word === 'Waiting') continue;
    const shown = dialect.start === 'none' || logDate === '' ? undefined : logDate;
    const start = dialect.start === 'list' ? shown : undefined;
    const instant = readPastDate(shown, time);
    const doubts: readonly string[] = dialect.doubts[kind];
    tasks.push({
      server,
      id,
      name,
      kind,
      word,
      state: classOf(word),
      closesBy: doubts.includes(word) ? 'detail' : 'list',
      ...(start === undefined ? {} : { startedAt: start }),
      ...(instant === undefined ? {} : start === undefined ? { startedBeforeMs: instant } : { startedAtMs: instant }),
    });
  }
  return tasks;
}

function readEntry(server: string, kind: CarteKind, entry: XmlElement, nameElement: string): ListEntry {
  const [name, id, word] = [
    textOf(entry, nameElement),
    textOf(entry, 'id')?.trim(),
    textOf(entry, 'status_desc')?.trim(),
  ];
  // A name may be empty (it is the one inside the .ktr); it may not be missing.
  if (name === undefined) throw incomplete(server, `a ${kind} without a name`);
  if (id === undefined || id === '') throw incomplete(server, `a ${kind} without an id`);
  if (word === undefined || word === '') throw incomplete(server, `a ${kind} without a status`);
  return { kind, name, id, word, logDate: textOf(entry, 'log_date')?.trim() };
}

function incomplete(server: string, what: string): OffboilError {
  return new OffboilError('REPLY_INCOMPLETE', `The list of ${server} has ${what}. Nothing is concluded from it.`, {
    server,
  });
}

/** From 8.1 on one object can break the list for everybody; otherwise it is a race that the next list does not have. */
function listBroken(server: string): OffboilError {
  return new OffboilError(
    'REPLY_NOT_CARTE', // asking again can help, and the code says so
    `${server} answers its status list with HTTP 500. If that stays so, a job that was stopped before it started breaks it ` +
      '(PDI 8.1 and later): remove or start that job by its id.',
    { server, status: 500 },
  );
}
