import type { PlanSummary } from './messages.js';
import type { ConfirmNeed } from './plan.js';
import type { RunRow } from '../ports.js';

/** Answer of the short workflow `planRequest`: a dry run under an id of its own. */
export interface PlannedAnswer {
  /** Key under which `readReport` with part `plan` gives the whole. */
  readonly runId: string;
  readonly summary: PlanSummary;
  readonly targets: number;
  readonly confirm: ConfirmNeed;
  readonly notSeen: readonly string[];
}

/** Input of the short workflow `readReport`. Pages are slices of the JSON text, at most 1 MB each. */
export interface ReadInput {
  readonly runId: string;
  readonly part: 'request' | 'report' | 'plan' | 'survey';
  /** From 0. */
  readonly page: number;
}

export interface ReadPage {
  readonly pages: number;
  readonly text: string;
  /** `sha256:` of the whole text, so that a change between two pages is noticed. */
  readonly digest: string;
}

/** Input of the short workflow `surveyEstate`: what is there now. The tasks are read by `readReport` with part `survey`. */
export interface SurveyInput {
  readonly servers?: readonly string[];
}

export interface SurveyAnswer {
  readonly runId: string;
  readonly estateHash: string;
  readonly servers: readonly SurveyedServer[];
}

export interface SurveyedServer {
  readonly server: string;
  readonly product?: string;
  readonly version?: string;
  readonly dialect?: string;
  readonly tasks?: number;
  readonly active?: number;
  readonly problem?: { readonly code: string; readonly message: string };
}

/** Answer of the short workflow `identifyEstate`: which estate file one of the running workers has. */
export interface EstateIdentity {
  readonly estateHash: string;
  /** The worker that answered, as Temporal names it. */
  readonly worker: string;
}

/** Input of the short workflow `listRuns`, newest first, at most 200. */
export interface ListRunsInput {
  readonly open?: boolean;
  readonly sinceMs?: number;
}

export type ListRunsAnswer = readonly RunRow[];
