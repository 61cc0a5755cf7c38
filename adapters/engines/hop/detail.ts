import { OffboilError } from '../../../domain/errors.js';
import type { StateClass, StepMetrics, TaskDetail, TaskRef } from '../../../domain/tasks.js';
import { readLog } from '../kettle/log-text.js';
import { shorten } from '../kettle/redact.js';
import { childOf, childrenOf, textOf, type XmlElement } from '../kettle/xml.js';
import { classifyHopStatus } from './dialects.js';
import { readHopTimes } from './list.js';

/** What a state proves; `waiting` and words that nobody has seen prove nothing. */
const PROVES: Readonly<Record<StateClass, TaskDetail['proves']>> = {
  waiting: 'nothing',
  active: 'running',
  ending: 'running',
  ended: 'ended',
  unknown: 'nothing',
};

/**
 * Reads `pipeline-status` or `workflow-status`. An unknown task is answered with HTTP 200 and a `webresult` of ERROR.
 * @throws OffboilError `REPLY_REJECTED` when there is no such task, `REPLY_INCOMPLETE` when the reply is about another one
 */
export async function readHopDetail(
  root: XmlElement,
  ref: TaskRef,
  source: { readonly timezone: string | undefined; readonly repliedAt: number },
): Promise<TaskDetail> {
  if (root.name === 'webresult') {
    const message = shorten(textOf(root, 'message') ?? '');
    throw new OffboilError(
      'REPLY_REJECTED',
      `${ref.server} knows no ${ref.kind} "${ref.name}" with the id ${ref.id}: ${message}`,
      { server: ref.server, id: ref.id },
    );
  }
  // The name is echoed from the request, so only the id tells which task the reply is about.
  const id = textOf(root, 'id')?.trim() ?? '';
  if (id !== ref.id)
    throw new OffboilError(
      'REPLY_INCOMPLETE',
      `${ref.server} answered about task "${id}" when asked about ${ref.id}.`,
      { server: ref.server, id: ref.id },
    );
  const word = textOf(root, 'status_desc')?.trim() ?? '';
  const state = classifyHopStatus(word);
  const result = childOf(root, 'result');
  const errors = count(result, 'nr_errors');
  // Both dates of a workflow are empty here; they stand in the list.
  const { endedAtMs } = readHopTimes(root, source);
  return {
    word,
    state,
    proves: PROVES[state],
    ...(errors === undefined ? {} : { errors }),
    ...(result === undefined ? {} : { stoppedFlag: textOf(result, 'is_stopped') === 'Y' }),
    ...(state === 'ended' && endedAtMs !== undefined ? { endedAtMs } : {}),
    steps: [
      ...childrenOf(childOf(root, 'transform_status_list'), 'transform_status').map(transformMetrics),
      ...childrenOf(childOf(root, 'action_status_list'), 'action_status').map(actionMetrics),
    ],
    logTail: (await readLog(textOf(root, 'logging_string') ?? '')).tail,
  };
}

function transformMetrics(entry: XmlElement): StepMetrics {
  const number = (name: string): number => count(entry, name) ?? 0;
  return {
    name: textOf(entry, 'transformName') ?? '',
    copy: number('copy'),
    status: textOf(entry, 'statusDescription') ?? '',
    read: number('linesRead'),
    written: number('linesWritten'),
    input: number('linesInput'),
    output: number('linesOutput'),
    updated: number('linesUpdated'),
    rejected: number('linesRejected'),
    errors: number('errors'),
  };
}

/** A workflow's action; its counters are those of what it ran, which may be a child that is in no list. */
function actionMetrics(entry: XmlElement): StepMetrics {
  const result = childOf(entry, 'result');
  const number = (name: string): number => count(result, name) ?? 0;
  return {
    name: textOf(entry, 'name') ?? '',
    copy: 0,
    status: textOf(entry, 'status') ?? '',
    read: number('lines_read'),
    written: number('lines_written'),
    input: number('lines_input'),
    output: number('lines_output'),
    updated: number('lines_updated'),
    rejected: number('lines_rejected'),
    errors: number('nr_errors'),
  };
}

function count(element: XmlElement | undefined, name: string): number | undefined {
  const text = textOf(element, name)?.trim() ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
