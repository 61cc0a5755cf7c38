import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { z } from 'zod';
import { OffboilError } from '../domain/errors.js';
import type { ReadInput, ReadPage } from '../workflows/messages.js';
import { type Asked, isSilence, noWorker, toOffboilError } from './failures.js';
import { joinPages } from './long-texts.js';

/** Limits of one question, in milliseconds. Longer means: nobody is there to answer. */
export const LIMITS = {
  /** A query is answered by one workflow task. */
  queryMs: 10_000,
  describeMs: 10_000,
  /** A worker on a busy machine polls a few seconds after its start. */
  pollerMs: 10_000,
  /** Pages and lists of runs come from the ledger alone. */
  readMs: 60_000,
  /** Planning and surveying ask every server, each up to three times with its own request limit. */
  surveyMs: 300_000,
} as const;

const POLLER_EVERY_MS = 200;

/** Names of the short workflows, see `workflows/messages.ts`. */
export type ShortWorkflow = 'planRequest' | 'surveyEstate' | 'readReport' | 'listRuns';

/** The connection that client and handles share: every call bounded, every error ours. */
export class TemporalLine {
  constructor(
    readonly client: Client,
    readonly taskQueue: string,
  ) {}

  /** Runs one bounded call that Temporal answers by itself, and turns its errors into ours. */
  async temporal<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await this.#limited(LIMITS.describeMs, call);
    } catch (error) {
      throw toOffboilError(error, this.asked(what, 'temporal'));
    }
  }

  /** Runs one bounded call that a worker answers. Silence is blamed on the worker only while Temporal itself answers. */
  async worker<T>(what: string, limitMs: number, call: () => Promise<T>): Promise<T> {
    try {
      return await this.#limited(limitMs, call);
    } catch (error) {
      const silent = isSilence(error) && !(await this.#isTemporalUp());
      throw toOffboilError(error, this.asked(what, silent ? 'temporal' : 'worker'));
    }
  }

  asked(what: string, answeredBy: Asked['answeredBy']): Asked {
    return { what, taskQueue: this.taskQueue, answeredBy };
  }

  /**
   * Runs a short workflow under an id of its own and gives its answer.
   * @throws OffboilError `WORKER_UNAVAILABLE` at once when nobody polls the task queue, else after the limit
   */
  async short<A>(type: ShortWorkflow, subject: string, input: unknown, limitMs: number): Promise<A> {
    await this.assertPolled(subject);
    const workflowId = `offboil.${type}/${randomUUID()}`;
    return this.worker(subject, limitMs, async () => {
      const handle = await this.client.workflow.start<(input: unknown) => Promise<A>>(type, {
        workflowId,
        taskQueue: this.taskQueue,
        args: [input],
        workflowExecutionTimeout: limitMs, // nobody waits longer, and it must not run when a worker comes back next week
        staticSummary: subject,
      });
      return handle.result();
    });
  }

  /** Reads a long text page by page and checks it against its digest. */
  async read<T>(runId: string, part: ReadInput['part'], schema: z.ZodType<T>): Promise<{ value: T; digest: string }> {
    const subject = `${part} of ${runId}`;
    const page = async (number: number): Promise<ReadPage> =>
      this.short<ReadPage>('readReport', subject, { runId, part, page: number } satisfies ReadInput, LIMITS.readMs);
    const { text, digest } = await joinPages(subject, page);
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return { value: parsed.data, digest };
    throw new OffboilError(
      'INTERNAL',
      `The ${subject} has a form this client does not know: it was written by another version. ` +
        'Use the client of the version the workers run. Nothing was changed.',
      {},
      { cause: parsed.error },
    );
  }

  /**
   * Sees that somebody polls the task queue: asking would only run into its limit otherwise. A worker that starts just now,
   * or comes back to a Temporal server that did, is given a moment.
   * @throws OffboilError `WORKER_UNAVAILABLE`
   */
  async assertPolled(subject: string): Promise<void> {
    const until = Date.now() + LIMITS.pollerMs;
    while (!(await this.isPolled(subject))) {
      if (Date.now() > until) throw noWorker(this.asked(subject, 'worker'));
      await wait(POLLER_EVERY_MS);
    }
  }

  /** Whether anybody has polled the task queue lately. */
  async isPolled(subject: string): Promise<boolean> {
    const { namespace } = this.client.options;
    const { pollers } = await this.temporal(subject, () =>
      this.client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: this.taskQueue } }),
    );
    return pollers.length > 0;
  }

  async #limited<T>(limitMs: number, call: () => Promise<T>): Promise<T> {
    return this.client.connection.withDeadline(Date.now() + limitMs, call);
  }

  async #isTemporalUp(): Promise<boolean> {
    try {
      await this.#limited(2_000, () => this.client.workflowService.getSystemInfo({}));
      return true;
    } catch {
      return false; // whatever the reason, it did not answer
    }
  }
}
