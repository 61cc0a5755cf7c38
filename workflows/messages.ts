/**
 * What callers and workflows share: names, ids, messages and the shapes of short workflows. Safe to import everywhere.
 */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Message, PlanSummary, Progress } from '../domain/contracts/messages.js';
import type { RequestInput } from '../domain/contracts/request.js';

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

/** Signals of the same meaning as the updates of these names, for places that can only signal. The updates: `messageSchemas`. */
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
  readonly continued?: { readonly runId: string };
};

export type {
  EstateIdentity,
  ListRunsAnswer,
  ListRunsInput,
  PlannedAnswer,
  ReadInput,
  ReadPage,
  SurveyAnswer,
  SurveyInput,
} from '../domain/contracts/documents.js';
