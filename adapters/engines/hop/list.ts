import { OffboilError } from '../../../domain/errors.js';
import type { ObservedTask } from '../../../domain/tasks.js';
import { childOf, childrenOf, textOf, type XmlElement } from '../kettle/xml.js';
import { classifyHopStatus, RESTARTED_REMARK, WORKFLOW_LISTS } from './dialects.js';
import { hopClock } from './hop-clock.js';

/** A completely read status list. */
export interface HopList {
  readonly tasks: ObservedTask[];
  /** Name of the element that held the workflows; tells the generation of the server. */
  readonly workflowList: string;
  /** `Online`, or what the server says instead. */
  readonly statusWord: string;
}

interface ListSource {
  readonly server: string;
  /** IANA zone of the server's JVM, where declared. */
  readonly timezone: string | undefined;
  /** Our clock when the reply had come. */
  readonly repliedAt: number;
}

/** Reads `serverstatus`. @throws OffboilError `REPLY_INCOMPLETE` when one of the two lists, or id, name or word of an entry is missing */
export function readHopList(root: XmlElement, source: ListSource): HopList {
  const pipelines = childOf(root, 'pipeline_status_list');
  const workflowList = WORKFLOW_LISTS.find((name) => childOf(root, name) !== undefined);
  if (pipelines === undefined || workflowList === undefined)
    throw incomplete(source.server, 'its status lacks the list of pipelines or of workflows');
  const workflows = childOf(root, workflowList);
  return {
    tasks: [
      ...childrenOf(pipelines, 'pipeline-status').map((entry) => observed(entry, 'pipeline', source)),
      ...childrenOf(workflows, 'workflow-status').map((entry) => observed(entry, 'workflow', source)),
    ],
    workflowList,
    statusWord: textOf(root, 'statusdesc')?.trim() ?? '',
  };
}

function observed(entry: XmlElement, kind: 'pipeline' | 'workflow', source: ListSource): ObservedTask {
  const id = textOf(entry, 'id')?.trim() ?? '';
  const name = textOf(entry, kind === 'pipeline' ? 'pipeline_name' : 'workflowname') ?? '';
  const word = textOf(entry, 'status_desc')?.trim() ?? '';
  if (id === '' || name === '' || word === '')
    throw incomplete(source.server, `a ${kind} in its list lacks id, name or status`);
  const state = classifyHopStatus(word);
  const { startedAt, startedAtMs, endedAtMs, restarted } = readHopTimes(entry, source);
  return {
    server: source.server,
    id,
    name,
    kind,
    word,
    state,
    closesBy: 'list',
    ...(startedAt === '' ? {} : { startedAt }),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(state === 'ended' && endedAtMs !== undefined ? { endedAtMs } : {}),
    ...(kind === 'pipeline' && restarted && (state === 'active' || state === 'ending')
      ? { remark: RESTARTED_REMARK }
      : {}),
  };
}

/**
 * Start and end of a list entry or a pipeline's detail. A restart keeps the end of the earlier run (measured on 2.16.0): an end
 * before the start is no end of this run, and the sign of a restart under the same id.
 */
export function readHopTimes(
  entry: XmlElement,
  source: Pick<ListSource, 'timezone' | 'repliedAt'>,
): {
  readonly startedAt: string;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly restarted: boolean;
} {
  const at = hopClock(textOf(entry, 'log_date'), source);
  const startedAt = textOf(entry, 'execution_start_date')?.trim() ?? '';
  const startedAtMs = at(startedAt);
  const endedAtMs = at(textOf(entry, 'execution_end_date'));
  const restarted = startedAtMs !== undefined && endedAtMs !== undefined && endedAtMs < startedAtMs;
  return {
    startedAt,
    restarted,
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(endedAtMs === undefined || restarted ? {} : { endedAtMs }),
  };
}

function incomplete(server: string, what: string): OffboilError {
  return new OffboilError(
    'REPLY_INCOMPLETE',
    `${server} gave a list that proves nothing: ${what}. Nothing is concluded from it.`,
    { server },
  );
}
