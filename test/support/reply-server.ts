import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A request as it came in over the wire. */
export interface RawRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  /** Query exactly as sent, undecoded. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Which connection it came over, counted from 1. */
  readonly connection: number;
}

/** What is played back, byte for byte. */
export interface RawReply {
  /** Status line and headers; Content-Length is put in unless `noLength` is set or the head has its own; a chunked head gets chunks. */
  readonly head?: string;
  readonly body?: string | Buffer;
  readonly noLength?: boolean;
  /** Before the first byte. */
  readonly delayMs?: number;
  /** One byte each so many milliseconds. */
  readonly dripMs?: number;
  /** Only so many bytes of the body, then the connection ends. */
  readonly cutAt?: number;
  /** `hang`: nothing at all is sent. `reset`: RST in place of a reply. `close`: the connection ends after the reply. */
  readonly then?: 'keep' | 'close' | 'reset' | 'hang';
}

export interface ReplyServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly requests: RawRequest[];
  /** Bytes received over all connections, also of requests that never became whole. */
  readonly received: { bytes: number };
  /** Most connections open at one time, and most requests being answered at one time. */
  readonly most: { connections: number; requests: number };
  readonly connections: ReadonlySet<Socket>;
  close(): Promise<void>;
}

type Answer = (request: RawRequest) => RawReply | Promise<RawReply>;

/** A raw HTTP server that plays replies as they were recorded, or broken in a chosen way, and witnesses all that came in. */
export async function startReplyServer(
  answer: Answer,
  options: { port?: number; wrap?: (serve: (socket: Socket) => void) => Server } = {},
): Promise<ReplyServer> {
  const requests: RawRequest[] = [];
  const connections = new Set<Socket>();
  const received = { bytes: 0 };
  const most = { connections: 0, requests: 0 };
  let [count, atWork] = [0, 0];

  const serve = (socket: Socket): void => {
    const connection = ++count;
    let pending: Buffer = Buffer.alloc(0);
    let queue = Promise.resolve();
    connections.add(socket);
    most.connections = Math.max(most.connections, connections.size);
    socket.on('error', () => undefined); // resets are what these tests are about
    socket.on('close', () => connections.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      received.bytes += chunk.length;
      pending = Buffer.concat([pending, chunk]);
      for (let read = takeRequest(pending, connection); read !== undefined; read = takeRequest(pending, connection)) {
        pending = read.rest;
        const { request } = read;
        requests.push(request);
        queue = queue.then(async () => {
          most.requests = Math.max(most.requests, ++atWork);
          await play(socket, await answer(request)).finally(() => (atWork -= 1));
        });
      }
    });
  };
  const server = options.wrap?.(serve) ?? createServer({ noDelay: true }, serve);
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listening on a TCP port, so the address is no pipe's name
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    requests,
    received,
    most,
    connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of connections) socket.destroy();
      }),
  };
}

function takeRequest(bytes: Buffer, connection: number): { request: RawRequest; rest: Buffer } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(
    lines.map((text) => [text.slice(0, text.indexOf(':')).toLowerCase(), text.slice(text.indexOf(':') + 1).trim()]),
  );
  const length = Number(headers.get('content-length') ?? 0);
  const start = end + 4;
  if (bytes.length < start + length) return undefined;
  const [method = '', target = ''] = line.split(' ');
  const [path = '', rawQuery = ''] = target.split('?', 2);
  const body = bytes.subarray(start, start + length).toString('utf8');
  const request = { method, path, rawQuery, query: new URLSearchParams(rawQuery), headers, body, connection };
  return { request, rest: bytes.subarray(start + length) };
}

async function play(socket: Socket, reply: RawReply): Promise<void> {
  const { head = 'HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8', then = 'keep', cutAt, dripMs } = reply;
  if (then === 'hang') return;
  if (reply.delayMs !== undefined) await sleep(reply.delayMs);
  if (then === 'reset') {
    socket.resetAndDestroy();
    return;
  }
  const plain = Buffer.from(reply.body ?? '');
  const lines = head.trim().split(/\r?\n/);
  const chunked = /^transfer-encoding:\s*chunked/im.test(head);
  const length =
    chunked || /^content-length:/im.test(head) || reply.noLength === true ? [] : [`Content-Length: ${plain.length}`];
  const body = chunked
    ? Buffer.concat([Buffer.from(`${plain.length.toString(16)}\r\n`), plain, Buffer.from('\r\n0\r\n\r\n')])
    : plain;
  const bytes = Buffer.concat([Buffer.from([...lines, ...length, '', ''].join('\r\n'), 'latin1'), body]);
  const shown = cutAt === undefined ? bytes : bytes.subarray(0, bytes.length - body.length + cutAt);
  if (dripMs === undefined) socket.write(shown);
  else {
    for (const byte of shown) {
      if (socket.destroyed) return;
      socket.write(Buffer.of(byte));
      await sleep(dripMs);
    }
  }
  if (then === 'close' || cutAt !== undefined) socket.end();
}
