import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { OffboilError } from '../../../domain/errors.js';
import type { Secret } from '../../../domain/secret.js';
import { createConnectedAgent, type DialOptions, type TlsMaterial } from './agent.js';
import { failureOf, NotSent, passwordRefused, redirected } from './http-failures.js';
import { ServerSlots } from './slots.js';

/** 50,000 ended objects are about 22 MB; a list above this is a server in trouble, and reading it would make us one too. */
export const LIST_BYTES = 64 * 1024 * 1024;
/** A job's detail holds its log twice, once unzipped. */
export const DETAIL_BYTES = 4 * 1024 * 1024;

export interface KettleHttpConfig {
  /** Name of the server in the estate, for messages. */
  readonly server: string;
  /** With its path prefix, such as `https://carte-sh-01.corp:8443/kettle`. */
  readonly baseUrl: string;
  readonly user?: string;
  readonly password?: Secret;
  /** Reads the password again; asked once for each request that was refused with 401. */
  readonly refreshPassword?: () => Promise<Secret>;
  /** Total limit of one request: waiting for a slot, connecting, sending, reading. */
  readonly timeoutMs: number;
  readonly perServer: number;
  readonly tls?: TlsMaterial;
  /** Milliseconds since 1970 UTC, for the clock skew. */
  readonly clockNow?: () => number;
}

export interface KettleRequest {
  /** Below the prefix, with its slash at the end: `status/`. Without it Jetty redirects. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  /** An XML document; with one the request is a POST. */
  readonly body?: string;
  /** A read that changes nothing may be asked again at once when a kept connection turns out to be closed. */
  readonly repeatable?: boolean;
  /** Asked in the same synchronous step in which the bytes are written. False: nothing leaves. */
  readonly mayLeave?: () => boolean;
}

/** A reply with any HTTP status, read to its end. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: number;
  readonly bytes: Buffer;
  readonly contentType: string;
  /** Host that a redirect points to. It is never followed. */
  readonly redirectHost?: string;
  /** Server clock minus ours, in milliseconds, from the Date header. */
  readonly clockSkewMs?: number;
}

/** No reply. `left` false: provably not one byte of the request was written. */
export interface Failed {
  readonly kind: 'failed';
  readonly left: boolean;
  /** An OffboilError, or the reason of the caller's own abort. */
  readonly error: Error;
}

export interface KettleHttp {
  readonly server: string;
  /** For reads. @throws OffboilError for no reply, a refused password (401, 403) and redirects; the signal's reason when aborted */
  read(request: KettleRequest, signal: AbortSignal): Promise<Answered>;
  /** For requests that change something: never throws; refusals are `answered` with their HTTP status. */
  send(request: KettleRequest, signal: AbortSignal): Promise<Answered | Failed>;
  /** Closes kept connections. */
  close(): void;
}

/** What is known of one try on the wire. */
interface Flight {
  left: boolean;
  reusedSocket: boolean;
}

/** HTTP to one server of the Kettle family: bounded in connections, bytes and time; no redirects, no proxies, no retries but one. */
export function createKettleHttp(config: KettleHttpConfig): KettleHttp {
  const base = new URL(config.baseUrl.endsWith('/') ? config.baseUrl : `${config.baseUrl}/`);
  if (base.username !== '' || base.password !== '') {
    throw new OffboilError(
      'ESTATE_INVALID',
      `${config.server}: user and password have fields of their own and never stand in the URL.`,
    );
  }
  return new HttpToOneServer(config, base);
}

class HttpToOneServer implements KettleHttp {
  readonly server: string;
  readonly #config: KettleHttpConfig;
  readonly #base: URL;
  readonly #secure: boolean;
  readonly #agent: http.Agent;
  readonly #slots: ServerSlots;
  readonly #axios: AxiosInstance;
  #password: Secret | undefined;
  #refreshing: Promise<Secret | undefined> | undefined;

  constructor(config: KettleHttpConfig, base: URL) {
    this.server = config.server;
    this.#config = config;
    this.#password = config.password;
    this.#base = base;
    this.#secure = base.protocol === 'https:';
    // One socket more than slots: a list is never kept waiting by the stops beside it.
    const maxSockets = config.perServer + 1;
    this.#slots = new ServerSlots(maxSockets);
    const tls = config.tls === undefined ? {} : { tls: config.tls };
    this.#agent = createConnectedAgent({ secure: this.#secure, maxSockets, connectMs: config.timeoutMs, ...tls });
    this.#axios = axios.create({
      baseURL: base.href,
      allowAbsoluteUrls: false, // only servers of the estate are ever contacted
      httpAgent: this.#agent,
      httpsAgent: this.#agent,
      proxy: false,
      maxRedirects: 0, // a redirect would take the credentials along
      responseType: 'arraybuffer',
      validateStatus: () => true, // Carte's answer stands in the body, whatever the code
      headers: { Accept: 'text/xml, application/xml, */*', 'User-Agent': 'offboil' },
    });
  }

  async read(request: KettleRequest, signal: AbortSignal): Promise<Answered> {
    const reply = await this.send(request, signal);
    if (reply.kind === 'failed') throw reply.error;
    if (reply.status === 401 || reply.status === 403)
      throw passwordRefused(this.server, this.#config.user, reply.status);
    if (reply.status >= 300 && reply.status < 400) throw redirected(this.server, reply);
    return reply;
  }

  async send(request: KettleRequest, signal: AbortSignal): Promise<Answered | Failed> {
    const limit = new AbortController();
    const timer = setTimeout(() => {
      limit.abort();
    }, this.#config.timeoutMs);
    const cancel = (): void => {
      limit.abort();
    };
    setMaxListeners(0, signal); // one shard's requests share a signal; Node warns of a leak above ten
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      return await this.#attempts(request, signal, limit.signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    }
  }

  /** The request, and after it at most one more: with a password read again, or over a new connection. */
  async #attempts(request: KettleRequest, signal: AbortSignal, limit: AbortSignal): Promise<Answered | Failed> {
    let repeated = false;
    let asked = false;
    for (;;) {
      const password = this.#password;
      const flight: Flight = { left: false, reusedSocket: false };
      try {
        const reply = await this.#once(request, password, flight, limit);
        if (reply.status !== 401 || asked || !(await this.#otherPassword(password))) return reply;
        asked = true; // a refused password is read again once; the refused request did nothing
      } catch (error) {
        if (signal.aborted) return { kind: 'failed', left: flight.left, error: signal.reason as Error };
        const failed = failureOf(error, this.server, flight.left, {
          timeoutMs: limit.aborted ? this.#config.timeoutMs : undefined,
        });
        // The server closed a kept connection in the moment we used it. Only reads are asked again.
        if (request.repeatable !== true || repeated || !flight.reusedSocket || !failed.reset) return failed.failed;
        repeated = true;
      }
    }
  }

  async #once(
    request: KettleRequest,
    password: Secret | undefined,
    flight: Flight,
    limit: AbortSignal,
  ): Promise<Answered> {
    const giveBack = await this.#slots.take(limit);
    try {
      const { user, clockNow = Date.now } = this.#config;
      const credentials =
        user === undefined ? undefined : Buffer.from(`${user}:${password?.reveal() ?? ''}`, 'utf8').toString('base64');
      const askedAt = clockNow();
      const reply: AxiosResponse<Buffer> = await this.#axios.request({
        url: request.path + encodeQuery(request.query),
        signal: limit,
        maxContentLength: request.maxBytes,
        ...(request.body === undefined ? {} : { method: 'POST', data: request.body }),
        headers: {
          ...(credentials === undefined ? {} : { Authorization: `Basic ${credentials}` }),
          ...(request.body === undefined ? {} : { 'Content-Type': 'text/xml; charset=UTF-8' }),
        },
        transport: this.#transport(flight, request.mayLeave, limit),
      });
      const date = Date.parse(textHeader(reply, 'date'));
      return {
        kind: 'answered',
        status: reply.status,
        bytes: reply.data,
        contentType: textHeader(reply, 'content-type'),
        ...redirectOf(reply, this.#base),
        ...(Number.isNaN(date) ? {} : { clockSkewMs: Math.round(date - (askedAt + clockNow()) / 2) }),
      };
    } finally {
      giveBack();
    }
  }

  /** Node's own request, with the right to send asked when it is made and again in the step in which its bytes are written. */
  #transport(
    flight: Flight,
    mayLeave: (() => boolean) | undefined,
    dialSignal: AbortSignal,
  ): { request: typeof http.request } {
    const request = (
      options: http.RequestOptions,
      callback: (reply: http.IncomingMessage) => void,
    ): http.ClientRequest => {
      if (mayLeave?.() === false) throw new NotSent();
      const dialled: DialOptions = { ...options, agent: this.#agent, dialSignal };
      const outgoing = (this.#secure ? https : http).request(dialled, callback);
      // Node emits `socket` right before it flushes the request into it, in one synchronous step; the agent hands out connected
      // sockets only. Destroyed here, the socket takes no bytes any more.
      outgoing.once('socket', () => {
        if (mayLeave?.() === false) {
          outgoing.destroy(new NotSent());
          return;
        }
        flight.left = true;
        flight.reusedSocket = outgoing.reusedSocket;
      });
      return outgoing;
    };
    // axios calls `request(options, callback)` only, the one overload given here.
    return { request: request as typeof http.request };
  }

  /** @returns whether there is now another password than the one that was refused */
  async #otherPassword(refused: Secret | undefined): Promise<boolean> {
    const { refreshPassword } = this.#config;
    if (refreshPassword === undefined) return false;
    if (this.#password === refused) {
      this.#refreshing ??= refreshPassword()
        .catch(() => undefined) // unreadable now: the refusal of the old one is the news
        .finally(() => (this.#refreshing = undefined));
      const fresh = await this.#refreshing;
      if (fresh !== undefined && fresh.reveal() !== refused?.reveal()) this.#password = fresh;
    }
    return this.#password?.reveal() !== refused?.reveal();
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Percent-encodes in UTF-8. Names may hold anything: `& = # % + /` and blanks too. */
function encodeQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** The host alone: the rest of a redirect may hold a session or a password. */
function redirectOf(reply: AxiosResponse<Buffer>, base: URL): { redirectHost?: string } {
  const location = textHeader(reply, 'location');
  if (location === '' || !URL.canParse(location, base.href)) return {};
  return { redirectHost: new URL(location, base).host };
}

function textHeader(reply: AxiosResponse<Buffer>, name: string): string {
  const value: unknown = reply.headers[name];
  return typeof value === 'string' ? value : '';
}
