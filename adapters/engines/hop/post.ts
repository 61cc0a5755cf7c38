import http from 'node:http';
import https from 'node:https';
import axios from 'axios';
import type { Secret } from '../../../domain/secret.js';
import type { TlsMaterial } from '../kettle/agent.js';
import { failureOf, passwordRefused, redirected } from '../kettle/http-failures.js';
import type { Answered } from '../kettle/http.js';

export interface PostTarget {
  readonly server: string;
  /** With its path prefix. */
  readonly url: string;
  readonly user?: string;
  readonly password?: Secret;
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial;
}

const MAX_REPLY_BYTES = 1024 * 1024;

/**
 * Posts one document. The only request of ours with a body, so it stands beside the shared transport, on a connection of its own.
 * Never repeated: a registration whose reply was lost would be there twice.
 * @throws OffboilError when there is no whole reply, for a refused password (401, 403) and for a redirect; the signal's reason when aborted
 */
export async function postDocument(
  target: PostTarget,
  path: string,
  document: string,
  signal: AbortSignal,
): Promise<Answered> {
  const { server, user, timeoutMs } = target;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const { serverName, ...material } = target.tls ?? {};
    const reply = await axios.post<Buffer>(`${target.url.replace(/\/$/, '')}/${path}`, document, {
      ...(user === undefined ? {} : { auth: { username: user, password: target.password?.reveal() ?? '' } }),
      headers: { 'Content-Type': 'text/xml; charset=UTF-8', 'User-Agent': 'offboil' },
      httpAgent: new http.Agent({ keepAlive: false }),
      httpsAgent: new https.Agent({
        keepAlive: false,
        ...material,
        ...(serverName === undefined ? {} : { servername: serverName }),
      }),
      signal: AbortSignal.any([signal, limit]),
      maxContentLength: MAX_REPLY_BYTES,
      maxRedirects: 0, // a redirect would take the credentials along
      proxy: false,
      responseType: 'arraybuffer',
      validateStatus: () => true,
    });
    const { status, data: bytes } = reply;
    const contentType: unknown = reply.headers['content-type'];
    const answered: Answered = {
      kind: 'answered',
      status,
      bytes,
      contentType: typeof contentType === 'string' ? contentType : '',
    };
    if (status === 401 || status === 403) throw passwordRefused(server, user, status);
    if (status >= 300 && status < 400) throw redirected(server, answered);
    return answered;
  } catch (error) {
    signal.throwIfAborted();
    if (!axios.isAxiosError(error)) throw error;
    throw failureOf(error, server, true, { timeoutMs: limit.aborted ? timeoutMs : undefined }).failed.error;
  }
}
