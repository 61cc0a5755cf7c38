import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, FaultOptions } from '../scenario.js';
import { LOGIN_PAGE, PROXY_PAGE } from './texts.js';

/** The faults one server plays at present. */
export class Faults {
  readonly #active = new Map<FaultKind, { options: FaultOptions; left: number }>();

  set(kind: FaultKind, options: FaultOptions): void {
    assertKnown(kind);
    const times = options.times ?? (kind === 'status500Once' ? 1 : Infinity);
    this.#active.set(kind, { options, left: times });
  }

  clear(kind: FaultKind | undefined): void {
    if (kind === undefined) {
      this.#active.clear();
      return;
    }
    assertKnown(kind);
    this.#active.delete(kind);
  }

  get none(): boolean {
    return this.#active.size === 0;
  }

  /** The options of a fault that this request meets; counts it. */
  take(kind: FaultKind, path: string): FaultOptions | undefined {
    const fault = this.#active.get(kind);
    if (fault === undefined) return undefined;
    const paths = fault.options.paths ?? pathsByDefault[kind];
    if (paths !== undefined && !paths.includes(path)) return undefined;
    fault.left -= 1;
    if (fault.left <= 0) this.#active.delete(kind);
    return fault.options;
  }
}

/** Every fault, and what it meets unless its options say otherwise; undefined: every request. */
const pathsByDefault: Readonly<Record<FaultKind, readonly string[] | undefined>> = {
  down: undefined,
  hang: undefined,
  reset: undefined,
  html200: undefined,
  html502: undefined,
  cut: undefined,
  oversized: ['status'],
  unauthorised: undefined,
  slowDrip: undefined,
  status500Once: ['status'],
  listOf: ['status'],
  shrink: ['status'],
  halfReplyAfterStop: ['stopTrans', 'stopJob'],
  refuse: undefined,
};

/** A fault's name comes from another process as it was typed. */
function assertKnown(kind: string): void {
  if (Object.hasOwn(pathsByDefault, kind)) return;
  throw new Error(`no fault ${kind}: ${Object.keys(pathsByDefault).join(', ')}`);
}

/** Faults that a request meets before anything is done. Returns the word for the log when it went no further. */
export function meetBefore(
  faults: Faults,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): string | undefined {
  if (faults.take('hang', path) !== undefined) return 'hang';
  if (faults.take('reset', path) !== undefined) {
    request.socket.resetAndDestroy();
    return 'reset';
  }
  if (faults.take('html200', path) !== undefined) {
    response.writeHead(200, { 'Content-Type': 'text/html;charset=UTF-8' }).end(LOGIN_PAGE);
    return 'html200';
  }
  if (faults.take('html502', path) !== undefined) {
    response.writeHead(502, { 'Content-Type': 'text/html' }).end(PROXY_PAGE);
    return 'html502';
  }
  return undefined;
}

/** Faults of the way back: it was done, and the reply suffers. Returns whether one was played. */
export function spoil(faults: Faults, path: string, response: ServerResponse, body: Buffer): FaultKind | undefined {
  const { socket } = response;
  if (faults.take('halfReplyAfterStop', path) !== undefined) {
    response.writeHead(200, { 'Content-Length': body.length });
    response.write(body.subarray(0, 20), () => socket?.resetAndDestroy());
    return 'halfReplyAfterStop';
  }
  if (faults.take('cut', path) !== undefined) {
    response.writeHead(200, { 'Content-Length': body.length });
    response.write(body.subarray(0, body.length >> 1), () => socket?.destroy());
    return 'cut';
  }
  const drip = faults.take('slowDrip', path);
  if (drip !== undefined) {
    response.writeHead(200, { 'Content-Length': body.length });
    void dripOut(response, body, drip.ms ?? 100);
    return 'slowDrip';
  }
  if (faults.take('oversized', path) !== undefined) {
    response.writeHead(200);
    void pourOut(response, body);
    return 'oversized';
  }
  return undefined;
}

async function dripOut(response: ServerResponse, body: Buffer, ms: number): Promise<void> {
  for (let n = 0; n < body.length && !response.destroyed; n += 1) {
    response.write(body.subarray(n, n + 1));
    await sleep(ms, undefined, { ref: false });
  }
  response.end();
}

/** The list's beginning, then the same part again and again, until the caller goes away. */
async function pourOut(response: ServerResponse, body: Buffer): Promise<void> {
  const start = body.indexOf('    <transstatus>');
  const end = body.indexOf('</transstatus>\n', start) + '</transstatus>\n'.length;
  const entries = start < 0 ? body : Buffer.concat(Array.from({ length: 200 }, () => body.subarray(start, end)));
  response.write(start < 0 ? body : body.subarray(0, end));
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  while (!response.destroyed) {
    if (!response.write(entries)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
}
