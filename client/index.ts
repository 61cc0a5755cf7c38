/** The client SDK: start a run, follow it, answer it, read its report. It needs Temporal alone. */
import type { Client } from '@temporalio/client';
import {
  parseRequest,
  type RequestInput,
  requestSchema,
  type TerminationRequest,
} from '../domain/contracts/request.js';
import { OffboilError } from '../domain/errors.js';
import type {
  ListRunsAnswer,
  ListRunsInput,
  PlannedAnswer,
  RunInput,
  SurveyAnswer,
  SurveyInput,
} from '../workflows/messages.js';
import { TASK_QUEUE, workflowIdOf } from '../workflows/messages.js';
import { plainMarkdown } from '../domain/wording.js';
import { clipBytes } from './long-texts.js';
import { type ConnectOptions, connectTemporal } from './connect.js';
import { type PlanDocument, planDocumentSchema, type SurveyedTask, surveyDocumentSchema } from './plan-document.js';
import { requestHash } from './hashes.js';
import { isDone, remainderAfter, retryId, retryRequest, retryRoot, type Remainder } from './retry-request.js';
import { RunHandle } from './run-handle.js';
import { LIMITS, TemporalLine } from './temporal-line.js';

export type { ConnectOptions } from './connect.js';
export type { PlanDocument, SurveyedTask } from './plan-document.js';
export type { AnsweredBy, Delivered } from './deliver.js';
export type { SendOptions, WatchOptions } from './run-handle.js';
export type { Message, PlanSummary, Progress } from '../domain/contracts/messages.js';
export type { Report, RunResult } from '../domain/contracts/report.js';
export type { RequestInput } from '../domain/contracts/request.js';
export type { ErrorCode } from '../domain/errors.js';
export type { ListRunsAnswer, PlannedAnswer, SurveyAnswer } from '../workflows/messages.js';
export { OffboilError, requestHash, RunHandle };

/** A request that starts a run; its id makes the start idempotent. */
export type StartInput = RequestInput & { readonly requestId: string };

/** Under this key the starter notes the hash of its request, so that a second starter can compare without any worker. */
const HASH_MEMO = 'offboilRequestHash';
/** Temporal's documented limit of a summary. */
const SUMMARY_BYTES = 200;

export interface OffboilClientOptions extends ConnectOptions {
  /** Task queue of the workers; `offboil` unless told. */
  readonly taskQueue?: string;
}

/** Starts, follows and answers runs. Built by `connect`, or on a Temporal `Client` you already have. */
export class OffboilClient {
  readonly #line: TemporalLine;
  readonly #ownsConnection: boolean;

  /** @param client stays yours: `close` leaves it open */
  constructor(client: Client, options: { readonly taskQueue?: string; readonly ownsConnection?: boolean } = {}) {
    this.#line = new TemporalLine(client, options.taskQueue ?? TASK_QUEUE);
    this.#ownsConnection = options.ownsConnection ?? false;
  }

  /**
   * Connects as the Temporal CLI would: profile file, `TEMPORAL_*`, TLS, API key; what is given here wins.
   * @throws OffboilError `TEMPORAL_UNAVAILABLE`
   */
  static async connect(options: OffboilClientOptions = {}): Promise<OffboilClient> {
    const client = await connectTemporal(options);
    return new OffboilClient(client, {
      ownsConnection: true,
      ...(options.taskQueue === undefined ? {} : { taskQueue: options.taskQueue }),
    });
  }

  /** Where the client is connected to, for people. */
  get namespace(): string {
    return this.#line.client.options.namespace;
  }

  /**
   * Starts the run of this request, or attaches to it: as often as you like, with one effect.
   * A dry run starts nothing and answers its plan.
   * @throws OffboilError `REQUEST_INVALID` before anything leaves; `REQUEST_CONFLICT` when another request has this id
   */
  async start(request: StartInput & { readonly dryRun: true }): Promise<PlannedAnswer>;
  async start(request: StartInput & { readonly dryRun?: false }): Promise<RunHandle>;
  async start(request: StartInput): Promise<RunHandle | PlannedAnswer>;
  async start(request: StartInput): Promise<RunHandle | PlannedAnswer> {
    const parsed = parseRequest(request);
    return parsed.dryRun ? this.#plan(parsed) : this.#startRun(parsed);
  }

  /** What a request would do, planned on the estate as it is now. Reserves and sends nothing. */
  async plan(request: StartInput): Promise<PlannedAnswer> {
    return this.#plan(parseRequest({ ...request, dryRun: true }));
  }

  /** The whole of a plan that `plan` answered, by its `runId`. */
  async readPlan(planned: PlannedAnswer): Promise<PlanDocument> {
    return (await this.#line.read(planned.runId, 'plan', planDocumentSchema)).value;
  }

  /** The run of this request, whoever started it. Asks nobody yet. */
  handle(requestId: string): RunHandle {
    return new RunHandle(requestId, this.#line);
  }

  /** What runs now, server by server; the tasks are read by `readSurvey`. */
  async survey(input: SurveyInput = {}): Promise<SurveyAnswer> {
    return this.#line.short<SurveyAnswer>('surveyEstate', 'survey of the estate', input, LIMITS.surveyMs);
  }

  async readSurvey(survey: SurveyAnswer): Promise<readonly SurveyedTask[]> {
    const { value } = await this.#line.read(survey.runId, 'survey', surveyDocumentSchema);
    return value.servers.flatMap(({ tasks }) => tasks ?? []);
  }

  /** Runs from the ledger, newest first, at most 200. */
  async listRuns(filter: ListRunsInput = {}): Promise<ListRunsAnswer> {
    return this.#line.short<ListRunsAnswer>('listRuns', 'list of runs', filter, LIMITS.readMs);
  }

  /**
   * After the end of a run: starts `<RUN>.r2`, `.r3`, … over what no run of the family has proven.
   * Attaches to the newest one while it is open, and starts it again when its workflow is gone before its end.
   * @param by who asks
   * @throws OffboilError `MESSAGE_REFUSED` when the run is open (send `retry` to it) or nothing is left to prove
   */
  async startRetry(runId: string, by: string): Promise<RunHandle> {
    const root = retryRoot(runId);
    let left: Remainder | undefined;
    for (let generation = 1; ; generation += 1) {
      const id = retryId(root, generation);
      const handle = this.handle(id);
      if (await ifKnown(handle.isOpen())) {
        if (generation > 1) return handle;
        throw new OffboilError(
          'MESSAGE_REFUSED',
          `${id} has not ended. Nothing was started; send \`retry\` to it instead.`,
        );
      }
      const report = await ifKnown(handle.report());
      if (report !== undefined) {
        left = remainderAfter(left, report);
        continue;
      }
      const unfinished = await ifKnown(this.#line.read(id, 'request', requestSchema));
      if (unfinished?.value.dryRun === false) return this.#startRun(unfinished.value);
      if (left === undefined) throw new OffboilError('RUN_UNKNOWN', `No run ${root} is known. Nothing was started.`);
      if (isDone(left)) {
        throw new OffboilError(
          'MESSAGE_REFUSED',
          `Nothing is left to prove of ${root}: every target has ended. Nothing was started.`,
        );
      }
      const { value: first } = await this.#line.read(root, 'request', requestSchema);
      return this.#startRun(parseRequest(retryRequest(first, id, left, by)));
    }
  }

  /** Closes the connection that `connect` opened. */
  async close(): Promise<void> {
    if (this.#ownsConnection) await this.#line.client.connection.close();
  }

  async #startRun(parsed: TerminationRequest): Promise<RunHandle> {
    const hash = requestHash(parsed);
    const workflowId = workflowIdOf(parsed.requestId);
    await this.#line.temporal(`run ${parsed.requestId}`, () =>
      this.#line.client.workflow.start<(input: RunInput) => Promise<unknown>>('bulkTermination', {
        workflowId,
        taskQueue: this.#line.taskQueue,
        args: [parsed],
        // Temporal ids alone do not give one run per request; the first activity decides from the ledger.
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: clipBytes(plainMarkdown(`${parsed.requestedBy}: ${parsed.reason}`), SUMMARY_BYTES),
        memo: { [HASH_MEMO]: hash },
      }),
    );
    await this.#assertSameRequest(parsed.requestId, hash);
    return this.handle(parsed.requestId);
  }

  async #plan(request: TerminationRequest): Promise<PlannedAnswer> {
    return this.#line.short<PlannedAnswer>('planRequest', `plan of ${request.requestId}`, request, LIMITS.surveyMs);
  }

  /** While a run is open only the starter can notice that it attached to another request. */
  async #assertSameRequest(requestId: string, hash: string): Promise<void> {
    const handle = this.#line.client.workflow.getHandle(workflowIdOf(requestId));
    const described = await this.#line.temporal(`run ${requestId}`, () => handle.describe());
    // A run that a script started has no memo; its worker knows.
    const theirs = described.memo?.[HASH_MEMO] ?? (await this.#hashOf(requestId));
    if (theirs === undefined || theirs === hash) return;
    throw new OffboilError(
      'REQUEST_CONFLICT',
      `The open run ${requestId} was started with another request. It goes on unchanged, and nothing was started. ` +
        `Look at it with \`offboil watch ${requestId}\`, or give this request an id of its own.`,
      { requestId },
    );
  }

  /** The hash that the run itself tells, as soon as it has opened; undefined for one that ended before. */
  async #hashOf(requestId: string): Promise<string | undefined> {
    const onTrouble = (trouble: OffboilError | undefined): void => {
      if (trouble !== undefined) throw trouble;
    };
    for await (const progress of this.handle(requestId).watch({ everyMs: 100, onTrouble })) {
      if (progress.dryRun === true) {
        throw new OffboilError(
          'REQUEST_CONFLICT',
          `A dry run of ${requestId} is under way, started by hand. Nothing was started; start it again when that has ended.`,
          { requestId },
        );
      }
      if (progress.requestHash !== '') return progress.requestHash;
    }
    return undefined;
  }
}

/** The answer, or undefined when there is no such run. */
async function ifKnown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof OffboilError && error.code === 'RUN_UNKNOWN') return undefined;
    throw error;
  }
}
