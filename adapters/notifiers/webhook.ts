import { createHmac } from 'node:crypto';
import axios, { isAxiosError } from 'axios';
import { DeadlinePassed, withDeadline } from '../../domain/deadline.js';
import { type ErrorCode, OffboilError } from '../../domain/errors.js';
import type { Clock, Notifier } from '../../domain/ports.js';
import type { Secret } from '../../domain/secret.js';

const WITHIN_MS = 5000;
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends notices as Standard Webhooks do, so that receivers can use existing libraries. Body: the event's type and its own fields.
 * @param options `name` as in the estate, for messages; the address never shows, since many hold a token in their path
 */
export function createWebhook(options: {
  readonly name: string;
  readonly url: Secret;
  readonly secret?: Secret;
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
}): Notifier {
  const { name, url, secret, clock } = options;
  return {
    async send(event, signal) {
      const id = `msg_${event.id}`; // the same when it is sent again, so that the receiver can drop it
      const timestamp = String(Math.floor(clock.now() / 1000));
      const fields = typeof event.body === 'object' ? event.body : { body: event.body };
      const body = JSON.stringify({ type: event.type, ...fields });
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        ...(secret === undefined ? {} : { 'webhook-signature': signatureOf(secret, id, timestamp, body) }),
      };
      const status = await withDeadline(clock, WITHIN_MS, signal, (limit) =>
        post(name, url, body, headers, limit),
      ).catch((error: unknown) => {
        if (!(error instanceof DeadlinePassed)) throw error;
        throw failure('SERVER_TIMEOUT', name, 'did not answer within 5 s');
      });
      if (status >= 200 && status < 300) return;
      const later = status === 429 || status >= 500;
      throw new OffboilError(
        later ? 'SERVER_UNREACHABLE' : 'REPLY_REJECTED',
        `The notifier ${name} answered HTTP ${status}. The notice "${event.type}" was not taken; the run goes on.`,
        { notifier: name, status },
      );
    },
  };
}

/** Signature of the exact bytes that are sent. */
export function signatureOf(secret: Secret, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.reveal().replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** @returns the HTTP status; the answer's body says nothing that we need */
async function post(
  name: string,
  url: Secret,
  body: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<number> {
  try {
    const { status } = await axios.post<unknown>(url.reveal(), body, {
      headers,
      signal,
      maxRedirects: 0, // a redirect would carry the notice to somebody the estate does not name
      maxContentLength: MAX_ANSWER_BYTES,
      proxy: false,
      responseType: 'text',
      validateStatus: null,
      transformRequest: (sent: string) => sent, // what is signed is what is sent
    });
    return status;
  } catch (error) {
    signal.throwIfAborted();
    if (!isAxiosError(error)) throw error;
    throw failure('SERVER_UNREACHABLE', name, `cannot be reached (${error.code ?? 'no code'})`);
  }
}

/** Without the axios error as cause: it holds the address. */
function failure(code: ErrorCode, notifier: string, what: string): OffboilError {
  return new OffboilError(code, `The notifier ${notifier} ${what}. The run goes on.`, { notifier });
}
