/**
 * What callers and workflows share: names, ids, messages and the shapes of short workflows. Safe to import everywhere.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Message, MessageName, PlanSummary, Progress } from '../domain/contracts/messages.js';
import type { RequestInput } from '../domain/contracts/request.js';
import type { TargetKey } from '../domain/tasks.js';

export const TASK_QUEUE = 'offboil';

/** Activities of servers at a site run on a queue of their own, so that a worker can stand inside each network zone. */
export function siteQueue(queue: string, site: string | undefined): string {
  return site === undefined ? queue : `${queue}.${site}`;
}

const WORKFLOW_ID_PREFIX = 'offboil/';

export function workflowIdOf(requestId: string): string {
  return `${WORKFLOW_ID_PREFIX}${requestId}`;
}

/** The request id that a workflow id carries, or undefined for a foreign one. */
export function requestIdOf(workflowId: string): string | undefined {
  return workflowId.startsWith(WORKFLOW_ID_PREFIX) ? workflowId.slice(WORKFLOW_ID_PREFIX.length) : undefined;
}

export const SEARCH_ATTRIBUTES = ['OffboilPhase', 'OffboilRequestedBy', 'OffboilTicket'] as const;

type MessageUpdate<N extends MessageName> = ReturnType<typeof defineUpdate<Progress, [Message<N>], N>>;

/** Every update answers the progress snapshot. */
function updateOf<N extends MessageName>(name: N): MessageUpdate<N> {
  return defineUpdate<Progress, [Message<N>], N>(name);
}

/** Consent to the plan with this hash. An update only: a signal cannot refuse a wrong hash. */
export const approve = updateOf('approve');
export const reject = updateOf('reject');
/** A person's reversible hold: nothing leaves after the answer, until `resume`. */
export const pause = updateOf('pause');
/** Ends a pause or answers a halt: the run goes on. */
export const resume = updateOf('resume');
/** A person's final order to send nothing more in this run. Nothing leaves after the answer. */
export const brake = updateOf('brake');
/** Leaves targets out that have had no request yet. */
export const skip = updateOf('skip');
/** Asks again: all unconfirmed, unreachable, refused and failed targets, or those named; with `rung` it climbs. */
export const retry = updateOf('retry');
/** Answers a manual compensation: what a person did. */
export const resolve = updateOf('resolve');

export const pauseSignal = defineSignal<[Message<'pause'>]>('pause');
export const resumeSignal = defineSignal<[Message<'resume'>]>('resume');
export const brakeSignal = defineSignal<[Message<'brake'>]>('brake');

/** Where the run stands. */
export const progress = defineQuery<Progress>('progress');
/** Summary of the frozen plan, or null while there is none. */
export const plan = defineQuery<PlanSummary | null>('plan');

/** Close types of a run that is not done and proven; `details[0]` is the `RunResult`. */
export const CLOSE_TYPES = {
  incomplete: 'INCOMPLETE',
  refused: 'REFUSED',
  braked: 'BRAKED',
  error: 'ERROR',
  cancelled: 'CANCELED',
} as const;

/** Input of `bulkTermination`: the request itself. What continue-as-new adds is believed only if the ledger has that run. */
export type RunInput = RequestInput & {
  readonly continued?: { readonly runId: string; readonly forced?: boolean };
};

export type {
  ListRunsAnswer,
  ListRunsInput,
  PlannedAnswer,
  ReadInput,
  ReadPage,
  SurveyAnswer,
  SurveyInput,
  SurveyedServer,
} from '../domain/contracts/documents.js';

/** A target as people write it: `<server>/<id>`. */
export function formatTarget(target: TargetKey): string {
  return `${target.server}/${target.id}`;
}
