import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { MessageName, Progress } from '../domain/contracts/messages.js';
import { OffboilError } from '../domain/errors.js';
import { canPass } from './failures.js';
import type { TemporalLine } from './temporal-line.js';

/** Times of one delivery, in milliseconds. Together they stay within 30 s, which people at a terminal still wait for. */
const TIMES = {
  /** One try. A brake may wait 2 s for the ledger and then for the sending activities; asking again only joins it. */
  tryMs: 6_000,
  betweenMs: 200,
  /** While somebody polls, or Temporal itself is away for a moment. */
  wholeMs: 30_000,
  /** While nobody polls: a worker on a busy machine polls a few seconds after its start. */
  unpolledMs: 10_000,
} as const;
/** So many tries before a signal is sent beside them. */
const TRIES_BEFORE_SIGNAL = 2;

/** These may also come as a signal, which Temporal keeps until a worker takes it. */
const KEPT: ReadonlySet<MessageName> = new Set(['pause', 'brake']);

/** What was answered: the first asking, a repeated one under the same id, one beside a signal, or the end of the run. */
export type AnsweredBy = 'update' | 'repeatedUpdate' | 'signal' | 'end';

/** Where the run stands after a message, and which way it got there. */
export type Delivered = Progress & { readonly answeredBy: AnsweredBy };

export interface Delivery {
  readonly line: TemporalLine;
  readonly workflow: WorkflowHandle;
  readonly requestId: string;
  readonly name: MessageName;
  /** Already checked. */
  readonly message: unknown;
  /** Told each time that no answer came and the message is asked again. */
  readonly onTrouble?: (trouble: OffboilError) => void;
}

/**
 * Brings a message to a run. An update that the worker drops (measured: the SDK does under load), that is rejected as
 * unprocessed or gets no answer in time is asked again under the same id, so that it happens once however often it is
 * asked; a brake or a pause is sent as a signal as well, and then asked again for its answer.
 * @throws OffboilError what the run answered; `WORKER_UNAVAILABLE` and `TEMPORAL_UNAVAILABLE` when nobody did, which say whether the order is kept
 */
export async function deliver(delivery: Delivery): Promise<Delivered> {
  const { line, workflow, requestId, name, message, onTrouble } = delivery;
  const what = `run ${requestId}`;
  const updateId = randomUUID();
  const begun = Date.now();
  let isSignalled = false;
  for (let tries = 1; ; tries += 1) {
    try {
      const progress = await line.worker(what, TIMES.tryMs, () =>
        workflow.executeUpdate<Progress, [unknown]>(name, { args: [message], updateId }),
      );
      return { ...progress, answeredBy: isSignalled ? 'signal' : tries === 1 ? 'update' : 'repeatedUpdate' };
    } catch (error) {
      const ended = tries > 1 && isEnded(error) ? await lastProgress(delivery) : undefined;
      if (ended !== undefined) return ended;
      if (!canPass(error)) throw error;
      const isPolled = await line.isPolled(what).catch(() => true); // nobody knows: Temporal itself is away
      if (!isSignalled && KEPT.has(name) && (tries >= TRIES_BEFORE_SIGNAL || !isPolled)) {
        isSignalled = await signal(delivery);
      }
      if (Date.now() - begun > (isPolled ? TIMES.wholeMs : TIMES.unpolledMs))
        throw unanswered(delivery, error, isSignalled);
      onTrouble?.(error);
      await wait(TIMES.betweenMs);
    }
  }
}

async function signal({ line, workflow, requestId, name, message }: Delivery): Promise<boolean> {
  try {
    await line.temporal(`run ${requestId}`, () => workflow.signal(name, message));
    return true;
  } catch (error) {
    if (canPass(error) || isEnded(error)) return false; // the next try meets it again
    throw error;
  }
}

function isEnded(error: unknown): boolean {
  return error instanceof OffboilError && error.code === 'MESSAGE_REFUSED' && error.fields['ended'] === 1;
}

/** An earlier try may have been the one that ended the run: then its end is the answer. */
async function lastProgress({ line, workflow, requestId }: Delivery): Promise<Delivered | undefined> {
  try {
    const query = (): Promise<Progress> => workflow.query<Progress>('progress');
    return { ...(await line.worker(`run ${requestId}`, TIMES.tryMs, query)), answeredBy: 'end' };
  } catch {
    return undefined; // then the refusal says it
  }
}

function unanswered({ requestId, name }: Delivery, cause: OffboilError, isSignalled: boolean): OffboilError {
  const unknown = `Nobody has answered "${name}" of ${requestId}: ${cause.message}`;
  const standing = isSignalled
    ? `The order "${name}" is kept: Temporal gives it to the first worker that comes, before anything else is sent. It is not answered yet, so look at it with \`offboil watch ${requestId}\`.`
    : `Whether it arrived is not known; look at the run with \`offboil watch ${requestId}\` and send it again.`;
  return new OffboilError(
    cause.code,
    `${unknown}\n${standing}`,
    { ...cause.fields, kept: isSignalled ? 1 : 0 },
    { cause },
  );
}
