import { setTimeout as wait } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import {
  type Message,
  type MessageName,
  messageSchemas,
  type PlanSummary,
  type Progress,
} from '../domain/contracts/messages.js';
import { type Report, reportSchema, type RunResult, runResultSchema } from '../domain/contracts/report.js';
import { OffboilError } from '../domain/errors.js';
import { workflowIdOf } from '../workflows/messages.js';
import { type Delivered, deliver } from './deliver.js';
import { isDeadline, isOutage, toOffboilError } from './failures.js';
import { type PlanDocument, planDocumentSchema } from './plan-document.js';
import { bareResult, resultOfFailure, resultOfReport } from './run-result.js';
import { LIMITS, type TemporalLine } from './temporal-line.js';

/** Long polls are cut and asked again: a lost one would otherwise wait for ever (seen once in about 60 runs). */
const RESULT_POLL_MS = 5_000;
/** So long an outage of Temporal is sat out; a run goes on by itself meanwhile. */
const OUTAGE_MS = 120_000;
const OPEN_STATES: readonly string[] = ['RUNNING', 'CONTINUED_AS_NEW', 'PAUSED'];

export interface WatchOptions {
  /** Ends the watching, never the run. */
  readonly signal?: AbortSignal;
  /** Milliseconds between two looks; 500 unless told. */
  readonly everyMs?: number;
  /** Told when a look finds no answer, and with `undefined` when answers come again. */
  readonly onTrouble?: (trouble: OffboilError | undefined) => void;
}

export interface SendOptions {
  /** Told each time that no answer came and the message is asked again. */
  readonly onTrouble?: (trouble: OffboilError) => void;
}

/** One run, running or ended. Every method may be called from any process at any time. */
export class RunHandle {
  readonly workflowId: string;
  readonly #line: TemporalLine;
  readonly #workflow: WorkflowHandle;

  constructor(
    readonly requestId: string,
    line: TemporalLine,
  ) {
    this.workflowId = workflowIdOf(requestId);
    this.#line = line;
    this.#workflow = line.client.workflow.getHandle(this.workflowId);
  }

  /** Where the run stands. @throws OffboilError `RUN_UNKNOWN`, `WORKER_UNAVAILABLE`, `TEMPORAL_UNAVAILABLE` */
  async progress(): Promise<Progress> {
    return this.#fromWorker(LIMITS.queryMs, () => this.#workflow.query<Progress>('progress'));
  }

  /** Summary of the frozen plan, or null while there is none. */
  async planSummary(): Promise<PlanSummary | null> {
    return this.#fromWorker(LIMITS.queryMs, () => this.#workflow.query<PlanSummary | null>('plan'));
  }

  /** The whole plan, every target with its rungs, and what was left out and why. */
  async plan(): Promise<PlanDocument> {
    return (await this.#line.read(this.requestId, 'plan', planDocumentSchema)).value;
  }

  /** True while the workflow is open in Temporal. @throws OffboilError `RUN_UNKNOWN` */
  async isOpen(): Promise<boolean> {
    const described = await this.#fromTemporal(() => this.#workflow.describe());
    return OPEN_STATES.includes(described.status.name);
  }

  /**
   * Yields each change of the progress until the run has ended or the signal fires. Outages are sat out:
   * the run does not need us, and neither does the next look.
   */
  async *watch(options: WatchOptions = {}): AsyncGenerator<Progress, void, void> {
    const { signal, everyMs = 500, onTrouble } = options;
    let shown = '';
    let troubledSince: number | undefined;
    while (signal?.aborted !== true) {
      const look = await this.#look();
      if ('progress' in look) {
        if (troubledSince !== undefined) onTrouble?.(undefined);
        troubledSince = undefined;
        const text = JSON.stringify(look.progress);
        if (text !== shown) yield look.progress;
        shown = text;
      } else {
        if (troubledSince === undefined) onTrouble?.(look.trouble);
        troubledSince ??= Date.now();
        if (look.trouble.code === 'TEMPORAL_UNAVAILABLE' && Date.now() - troubledSince > OUTAGE_MS) throw look.trouble;
      }
      if (look.ended) return;
      await pause(everyMs, signal);
    }
  }

  /** Consent to the plan with this hash. */
  async approve(message: Message<'approve'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('approve', message, options);
  }
  async reject(message: Message<'reject'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('reject', message, options);
  }
  /** A reversible hold: nothing leaves after the answer, until `resume`. Never lost, like `brake`. */
  async pause(message: Message<'pause'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('pause', message, options);
  }
  async resume(message: Message<'resume'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('resume', message, options);
  }
  /** The final order to send nothing more in this run; nothing leaves after the answer. */
  async brake(message: Message<'brake'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('brake', message, options);
  }
  async skip(message: Message<'skip'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('skip', message, options);
  }
  async retry(message: Message<'retry'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('retry', message, options);
  }
  async resolve(message: Message<'resolve'>, options?: SendOptions): Promise<Delivered> {
    return this.#send('resolve', message, options);
  }

  /**
   * Waits for the end and gives the one typed result, however the workflow closed: refused, braked, incomplete,
   * cancelled, terminated and timed-out runs are results, not exceptions.
   * @param signal ends the waiting, never the run
   * @throws OffboilError `RUN_UNKNOWN`, `TEMPORAL_UNAVAILABLE`; the signal's reason when it fires
   */
  async result(signal?: AbortSignal): Promise<RunResult> {
    let downSince: number | undefined;
    for (;;) {
      signal?.throwIfAborted();
      try {
        const deadline = Date.now() + RESULT_POLL_MS;
        return runResultSchema.parse(
          await this.#line.client.connection.withDeadline(deadline, () => this.#workflow.result()),
        );
      } catch (error) {
        if (error instanceof WorkflowFailedError) {
          const result = resultOfFailure(error, this.requestId);
          return result === 'cancelled' ? await this.#resultOfCancelled() : result;
        }
        if (error instanceof z.ZodError) throw foreignResult(this.workflowId, error);
        if (isDeadline(error)) continue; // it runs still
        const ours = toOffboilError(error, this.#line.asked(`run ${this.requestId}`, 'temporal'));
        if (ours instanceof OffboilError && ours.code === 'RUN_UNKNOWN') return this.#resultFromReport();
        downSince ??= Date.now();
        if (!isOutage(ours) || Date.now() - downSince > OUTAGE_MS) throw ours;
        await pause(1_000, signal);
      }
    }
  }

  /** The whole report, read in pages, checked against its digest and its contract. @throws OffboilError `RUN_UNKNOWN` */
  async report(): Promise<Report> {
    return (await this.#line.read(this.requestId, 'report', reportSchema)).value;
  }

  async #fromWorker<T>(limitMs: number, call: () => Promise<T>): Promise<T> {
    return this.#line.worker(`run ${this.requestId}`, limitMs, call);
  }

  async #fromTemporal<T>(call: () => Promise<T>): Promise<T> {
    return this.#line.temporal(`run ${this.requestId}`, call);
  }

  async #send<N extends MessageName>(name: N, message: Message<N>, options: SendOptions = {}): Promise<Delivered> {
    const checked = messageSchemas[name].safeParse(message);
    if (!checked.success) {
      throw new OffboilError(
        'MESSAGE_INVALID',
        `The message "${name}" is refused, nothing was sent.\n${z.prettifyError(checked.error)}`,
      );
    }
    const to = { line: this.#line, workflow: this.#workflow, requestId: this.requestId };
    return deliver({ ...to, name, message: checked.data, ...options });
  }

  /** One look: the query, and where it says nothing final, Temporal's own word on whether the run is open. */
  async #look(): Promise<({ progress: Progress } | { trouble: OffboilError }) & { ended: boolean }> {
    try {
      const progress = await this.progress();
      if (progress.phase === 'done') return { progress, ended: true };
      if (await this.isOpen()) return { progress, ended: false };
      return { progress: await this.progress(), ended: true };
    } catch (error) {
      if (!isOutage(error)) throw error;
      return { trouble: error, ended: error.code === 'WORKER_UNAVAILABLE' && (await this.#hasClosed()) };
    }
  }

  /** With no worker the query is silent, but Temporal knows whether the run has ended. */
  async #hasClosed(): Promise<boolean> {
    try {
      return !(await this.isOpen());
    } catch (error) {
      if (isOutage(error)) return false;
      throw error;
    }
  }

  /** The ledger's word: for cancelled runs, and for those that Temporal no longer keeps. */
  async #resultFromReport(): Promise<RunResult> {
    const { value, digest } = await this.#line.read(this.requestId, 'report', reportSchema);
    return resultOfReport(value, digest);
  }

  async #resultOfCancelled(): Promise<RunResult> {
    try {
      return await this.#resultFromReport();
    } catch (error) {
      if (!(error instanceof OffboilError)) throw error;
      return bareResult(
        this.requestId,
        { end: 'cancelled', exitCode: 4 },
        `The run was cancelled, and its report cannot be read now: ${error.message}`,
      );
    }
  }
}

function foreignResult(workflowId: string, cause: z.ZodError): OffboilError {
  return new OffboilError(
    'INTERNAL',
    `The workflow ${workflowId} ended with something that is no result of a run: it is not Offboil's, or of another version.`,
    {},
    { cause },
  );
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}
