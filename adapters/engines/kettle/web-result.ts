import { OffboilError } from '../../../domain/errors.js';
import type { Reply } from '../../../domain/ports.js';
import type { Answered, Failed } from './http.js';
import { passwordRefused, redirected } from './http-failures.js';
import { shorten } from './redact.js';
import { readXml, textOf } from './xml.js';

/** What Carte and Hop answer to a request that changes something. */
export interface WebResult {
  readonly ok: boolean;
  /** Why not; empty with OK. Localised, and it echoes the name that was sent: for people only, shortened. */
  readonly message: string;
  readonly id: string;
}

/** @throws OffboilError when the reply is no complete `webresult` with OK or ERROR */
export async function readWebResult(server: string, reply: Answered): Promise<WebResult> {
  const root = await readXml({ server, ...reply }, ['webresult']);
  const result = textOf(root, 'result')?.trim();
  if (result !== 'OK' && result !== 'ERROR') {
    throw new OffboilError('REPLY_INCOMPLETE', `${server} answered neither OK nor ERROR; what it did is unknown.`, {
      server,
    });
  }
  const ok = result === 'OK';
  const message = ok ? '' : shorten(textOf(root, 'message') ?? '');
  return { ok, message, id: textOf(root, 'id')?.trim() ?? '' };
}

/**
 * Turns what came back for a stop (or a removal) into a Reply. `acknowledged` means requested. What cannot be read although it was
 * sent is `unanswered`: it may have been done.
 */
export async function replyOf(server: string, user: string | undefined, came: Answered | Failed): Promise<Reply> {
  if (came.kind === 'failed') {
    return {
      kind: came.left ? 'unanswered' : 'unsent',
      note: came.error instanceof OffboilError ? came.error.message : 'given up by us',
    };
  }
  if (came.status === 401 || came.status === 403)
    return { kind: 'rejected', note: passwordRefused(server, user, came.status).message };
  // Jetty redirects before any servlet sees the request, and login pages do the same: nothing was done.
  if (came.status >= 300 && came.status < 400) return { kind: 'rejected', note: redirected(server, came).message };
  try {
    const { ok, message } = await readWebResult(server, came);
    if (ok) return { kind: 'acknowledged' };
    return { kind: 'rejected', note: message === '' ? `${server} answered ERROR without a reason` : message };
  } catch (error) {
    if (!(error instanceof OffboilError)) throw error;
    return { kind: 'unanswered', note: error.message };
  }
}
