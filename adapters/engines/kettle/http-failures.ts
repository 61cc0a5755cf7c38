import { isAxiosError } from 'axios';
import { type ErrorCode, OffboilError } from '../../../domain/errors.js';
import type { Answered, Failed } from './http.js';

/** Thrown inside the transport when the right to send was gone; it never reaches a caller. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
  constructor() {
    super('the right to send was gone');
  }
}

/** What a caller sees of it. */
class HeldBack extends OffboilError {}

/** What was started, or that the right to send was gone before it was. */
export async function startedOr<T>(starting: Promise<T>): Promise<T | 'heldBack'> {
  return starting.catch((error: unknown) => {
    if (error instanceof HeldBack) return 'heldBack';
    throw error;
  });
}

/** Nothing but a closed port, an unknown name or no route: no connection was ever made. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  ENOTFOUND: 'has a host name that cannot be resolved',
  EAI_AGAIN: 'has a host name that cannot be resolved just now',
  EHOSTUNREACH: 'cannot be reached from here',
  ENETUNREACH: 'cannot be reached from here',
  ECONNRESET: 'broke the connection',
  EPIPE: 'broke the connection',
};

/**
 * Says what a failed request means. The axios error itself is never passed on: it holds the request with its Authorization
 * header, and whoever logs a `cause` would print it.
 * @param options.timeoutMs present when our own limit ended the request
 */
export function failureOf(
  error: unknown,
  server: string,
  left: boolean,
  options: { readonly timeoutMs: number | undefined },
): { readonly failed: Failed; readonly reset: boolean } {
  const code = codeOf(error);
  const failed = (kind: ErrorCode, what: string, Kind = OffboilError): Failed => ({
    kind: 'failed',
    left,
    error: new Kind(kind, `${server} ${what}. ${left ? 'The request may have arrived.' : 'Nothing was sent.'}`, {
      server,
      ...(code === '' ? {} : { reason: code }),
    }),
  });
  const message = error instanceof Error ? error.message : String(error);
  const reset = code === 'ECONNRESET' || code === 'EPIPE';
  if (error instanceof NotSent)
    return { failed: failed('SERVER_UNREACHABLE', 'was not asked: the right to send was gone', HeldBack), reset };
  if (options.timeoutMs !== undefined)
    return { failed: failed('SERVER_TIMEOUT', `gave no whole answer within ${options.timeoutMs} ms`), reset };
  if (code === 'ETIMEDOUT') return { failed: failed('SERVER_TIMEOUT', 'accepted no connection in time'), reset };
  if (message.startsWith('maxContentLength')) {
    return {
      failed: failed(
        'REPLY_TOO_LARGE',
        'answered with more bytes than Offboil reads; removing ended tasks there makes it smaller',
      ),
      reset,
    };
  }
  if (message.includes('aborted') && left)
    return { failed: failed('REPLY_INCOMPLETE', 'cut its answer in the middle'), reset };
  if (code.startsWith('HPE_'))
    return { failed: failed('REPLY_NOT_CARTE', 'answered with something that is no HTTP'), reset };
  if (code.includes('CERT') || code.includes('SSL') || code.includes('TLS') || code.includes('UNABLE_TO')) {
    return {
      failed: failed('SERVER_UNREACHABLE', `has a TLS set-up or certificate that is not accepted (${code})`),
      reset,
    };
  }
  return {
    failed: failed(
      'SERVER_UNREACHABLE',
      WORDS[code] ?? `could not be asked (${code === '' ? 'no reason given' : code})`,
    ),
    reset,
  };
}

export function passwordRefused(server: string, user: string | undefined, status: number): OffboilError {
  const who =
    user === undefined
      ? 'wants a user and a password, and the estate gives none'
      : `refused the password of user "${user}"`;
  const why =
    status === 403 ? `refused user "${user ?? ''}" (HTTP 403: the password may be right, the role is not)` : who;
  return new OffboilError(
    'AUTH_REFUSED',
    `${server} ${why}. Nothing was done. Check its user and password in the estate.`,
    { server, status },
  );
}

/** The target of a redirect is not followed, and the credentials are not sent on. */
export function redirected(server: string, { status, redirectHost }: Answered): OffboilError {
  const where = redirectHost === undefined ? '' : ` to ${redirectHost}`;
  return new OffboilError(
    'REPLY_NOT_CARTE',
    `${server} redirects${where} (HTTP ${status}) and was not followed; nothing was done. Put the final address into the ` +
      'estate; if it is the same host, a proxy before the server takes away the slash at the end of the path.',
    { server, status, ...(redirectHost === undefined ? {} : { redirectHost }) },
  );
}

function codeOf(error: unknown): string {
  const code: unknown = isAxiosError(error) ? error.code : (error as { code?: unknown } | undefined)?.code; // read as unknown
  return typeof code === 'string' ? code : '';
}
