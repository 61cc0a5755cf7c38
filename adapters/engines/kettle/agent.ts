import http from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** TLS settings of one server, resolved: contents, not file names. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** Request options with the signal that gives up a connection still being made. Node hands them on to `createConnection`. */
export interface DialOptions extends http.RequestOptions {
  readonly dialSignal?: AbortSignal;
}

type Connected = (error: Error | null, socket: Duplex) => void;

interface AgentSettings {
  readonly secure: boolean;
  readonly maxSockets: number;
  /** Longest time for TCP and TLS together. */
  readonly connectMs: number;
  readonly tls?: TlsMaterial;
}

/** Jetty drops idle connections after 30 s and, short of resources, after 5 s: what idles longer is not used again. */
const IDLE_MS = 4_000;

/**
 * An agent that gives a request its socket only once it is connected (and, with TLS, the handshake is done). So bytes are written
 * in the very step in which the request gets its socket, and `socket` events are the one place to ask whether they may.
 */
export function createConnectedAgent(settings: AgentSettings): http.Agent {
  const { secure, maxSockets, tls } = settings;
  const common = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, timeout: IDLE_MS };
  if (!secure) return new PlainAgent(common, settings.connectMs);
  const { serverName, ...material } = tls ?? {};
  return new SecureAgent(
    { ...common, ...material, ...(serverName === undefined ? {} : { servername: serverName }) },
    settings.connectMs,
  );
}

class PlainAgent extends http.Agent {
  readonly #connectMs: number;

  constructor(options: http.AgentOptions, connectMs: number) {
    super(options);
    this.#connectMs = connectMs;
  }

  override createConnection(options: http.ClientRequestArgs, callback?: Connected): undefined {
    whenConnected(super.createConnection(options), 'connect', this.#connectMs, options, callback);
  }
}

class SecureAgent extends https.Agent {
  readonly #connectMs: number;

  constructor(options: https.AgentOptions, connectMs: number) {
    super(options);
    this.#connectMs = connectMs;
  }

  override createConnection(options: http.ClientRequestArgs, callback?: Connected): undefined {
    whenConnected(super.createConnection(options), 'secureConnect', this.#connectMs, options, callback);
  }
}

function whenConnected(
  socket: Duplex | null | undefined,
  event: 'connect' | 'secureConnect',
  connectMs: number,
  { dialSignal }: DialOptions,
  callback?: Connected,
): void {
  if (!(socket instanceof Socket)) throw new TypeError('the agent made no socket');
  const settle = (error: Error | null): void => {
    clearTimeout(timer);
    socket.off(event, connected).off('error', settle).off('close', closed);
    dialSignal?.removeEventListener('abort', giveUp);
    callback?.(error, socket);
  };
  const connected = (): void => {
    settle(null);
  };
  const closed = (): void => {
    settle(Object.assign(new Error('closed before it was connected'), { code: 'ECONNABORTED' }));
  };
  const giveUp = (): void => {
    socket.destroy(Object.assign(new Error('not connected in time'), { code: 'ETIMEDOUT' }));
  };
  const timer = setTimeout(giveUp, connectMs);
  socket.once(event, connected).once('error', settle).once('close', closed);
  dialSignal?.addEventListener('abort', giveUp, { once: true });
}
