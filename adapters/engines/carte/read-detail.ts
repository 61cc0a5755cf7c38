import { OffboilError } from '../../../domain/errors.js';
import type { StateClass, StepMetrics, TaskDetail } from '../../../domain/tasks.js';
import type { Answered } from '../kettle/http.js';
import { readPastDate, type ServerTime } from '../kettle/dates.js';
import { readLog } from '../kettle/log-text.js';
import { shorten } from '../kettle/redact.js';
import { childOf, childrenOf, readXml, textOf, type XmlElement } from '../kettle/xml.js';
import type { CarteKind, Dialect } from './dialects.js';
import { classOf } from './status-words.js';

/** A detail, or the server's word that it has no such task (its own or, as 500, a probable one). */
export type DetailReply =
  | { readonly kind: 'detail'; readonly id: string; readonly detail: TaskDetail }
  | { readonly kind: 'none' }
  | { readonly kind: 'probablyNone' };

const SHAPES = { transformation: 'transstatus', job: 'jobstatus' } as const;

/** Reads `transStatus` or `jobStatus`. @throws OffboilError for anything but a whole detail or a plain "no such task" */
export async function readDetail(
  server: string,
  kind: CarteKind,
  dialect: Dialect,
  reply: Answered,
  time: ServerTime,
): Promise<DetailReply> {
  // From 7.0 on a lookup of an unknown transformation id fails with a NullPointerException, so with Jetty's page.
  if (reply.status === 500 && kind === 'transformation' && dialect.unknownTransIdIs === '500')
    return { kind: 'probablyNone' };
  const root = await readXml({ server, ...reply }, [SHAPES[kind], 'webresult']);
  if (root.name === 'webresult') return refused(server, reply.status, root);
  const word = textOf(root, 'status_desc')?.trim();
  if (word === undefined || word === '') {
    throw new OffboilError(
      'REPLY_INCOMPLETE',
      `${server} sent a detail without a status. Nothing is concluded from it.`,
      { server },
    );
  }
  const result = childOf(root, 'result');
  const rows = childrenOf(childOf(root, 'stepstatuslist'), 'stepstatus');
  const state = classOf(word);
  const errors = numberOf(result, 'nr_errors');
  const stopped = textOf(result, 'is_stopped')?.trim();
  const log = await readLog(textOf(root, 'logging_string') ?? '');
  return {
    kind: 'detail',
    id: textOf(root, 'id')?.trim() ?? '',
    detail: {
      word,
      state,
      proves: proofOf(kind, state, result, rows),
      ...(errors === undefined ? {} : { errors }),
      ...(stopped === undefined ? {} : { stoppedFlag: stopped.toUpperCase() === 'Y' }),
      ...startOf(kind, log.firstLine, time),
      steps: rows.map(stepOf),
      logTail: log.tail,
    },
  };
}

/** How the line begins that is written when a task is prepared, in the languages that were seen. */
const START_LINES = {
  transformation: ['Dispatching started for transformation', '为了转换解除补丁开始'],
  job: ['Start of job execution', '开始执行任务'],
} as const satisfies Record<CarteKind, readonly string[]>;

/**
 * The start by the first line of the log: `yyyy/MM/dd HH:mm:ss - NAME - TEXT`. Where that is another line (a low log level never
 * writes the first one, a full buffer has dropped it), the task started then or before.
 */
function startOf(kind: CarteKind, line: string, time: ServerTime): Pick<TaskDetail, 'startedAtMs' | 'startedBeforeMs'> {
  const [date = '', , ...words] = line.split(' - ');
  const at = readPastDate(date, time);
  if (at === undefined) return {};
  const text = words.join(' - ');
  return START_LINES[kind].some((begin) => text.startsWith(begin)) ? { startedAtMs: at } : { startedBeforeMs: at };
}

function refused(server: string, status: number, root: XmlElement): DetailReply {
  if (textOf(root, 'result')?.trim() !== 'ERROR') {
    throw new OffboilError('REPLY_INCOMPLETE', `${server} answered a question for a detail without one.`, { server });
  }
  const message = textOf(root, 'message') ?? '';
  // Told apart by the shape, not by the localised words: a missing task has a short message and 200 or 404, a failure another
  // code or a Java trace.
  if ((status === 200 || status === 404) && !/\n\s*at [\w$.<>/]+\(/.test(message)) return { kind: 'none' };
  throw new OffboilError('REPLY_REJECTED', `${server} did not tell the detail: ${shorten(message)}`, {
    server,
    status,
  });
}

/**
 * What a detail proves. A terminal word counts once the result is there too: the word can come first (found by eulogix), and up
 * to 8.0 a job that is just starting reads `Finished`, without a result.
 */
function proofOf(
  kind: CarteKind,
  state: StateClass,
  result: XmlElement | undefined,
  rows: readonly XmlElement[],
): TaskDetail['proves'] {
  const runs = rows.some(isRunning);
  switch (state) {
    case 'active':
    case 'ending':
      return 'running';
    case 'ended':
      if (runs) return 'running';
      return result === undefined ? 'nothing' : 'ended';
    case 'waiting':
      // Up to 7.0 a transformation that has ended normally reads `Waiting`: its steps have run and none runs any more.
      return kind === 'transformation' && result !== undefined && !runs && rows.length > 0 && hasRun(rows)
        ? 'ended'
        : 'nothing';
    case 'unknown':
      return 'nothing';
  }
}

/** A step's own word is localised. Its `priority` is not: buffer sizes such as `100/0` while its thread runs, else `-`. */
function isRunning(row: XmlElement): boolean {
  return /\d\s*\/\s*\d/.test(textOf(row, 'priority') ?? '');
}

/** Prepared and not started leaves every counter at nothing; English servers also say so in words when there were no rows. */
function hasRun(rows: readonly XmlElement[]): boolean {
  const counters = [
    'linesRead',
    'linesWritten',
    'linesInput',
    'linesOutput',
    'linesUpdated',
    'linesRejected',
    'errors',
    'seconds',
  ];
  if (rows.some((row) => counters.some((counter) => Number(textOf(row, counter) ?? 0) > 0))) return true;
  return rows.every((row) => textOf(row, 'statusDescription')?.trim() === 'Finished');
}

function stepOf(row: XmlElement): StepMetrics {
  return {
    name: textOf(row, 'stepname') ?? '',
    copy: numberOf(row, 'copy') ?? 0,
    status: textOf(row, 'statusDescription')?.trim() ?? '',
    read: numberOf(row, 'linesRead') ?? 0,
    written: numberOf(row, 'linesWritten') ?? 0,
    input: numberOf(row, 'linesInput') ?? 0,
    output: numberOf(row, 'linesOutput') ?? 0,
    updated: numberOf(row, 'linesUpdated') ?? 0,
    rejected: numberOf(row, 'linesRejected') ?? 0,
    errors: numberOf(row, 'errors') ?? 0,
  };
}

/** Counters are plain digits; `speed` and the like are display strings and never read. */
function numberOf(element: XmlElement | undefined, name: string): number | undefined {
  const text = textOf(element, name)?.trim();
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
