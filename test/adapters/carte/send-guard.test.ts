import { createServer, Socket, type Server } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createKettleHttp, type KettleHttp } from '../../../adapters/engines/kettle/http.js';
import { createConnectedAgent } from '../../../adapters/engines/kettle/agent.js';
import { type ReplyServer, startReplyServer } from '../../support/reply-server.js';
import { recorded } from './recorded.js';

const never = new AbortController().signal;
const stop = { path: 'stopTrans/', query: { xml: 'Y', id: '1' }, maxBytes: 100_000 };
const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closers.splice(0)) await close();
});

async function serving(): Promise<ReplyServer> {
  const server = await startReplyServer(() => recorded('stopjob'));
  closers.push(() => server.close());
  return server;
}

function httpTo(origin: string, perServer = 4, timeoutMs = 2000): KettleHttp {
  const http = createKettleHttp({ server: 'carte-1', baseUrl: `${origin}/kettle`, timeoutMs, perServer });
  closers.unshift(() => {
    http.close();
  });
  return http;
}

describe('the right to send', () => {
  it('lets the request go while it holds', async () => {
    const server = await serving();
    expect(await httpTo(server.origin).send({ ...stop, mayLeave: () => true }, never)).toMatchObject({
      kind: 'answered',
      status: 200,
    });
  });

  it('keeps every byte back when it is gone before a connection is made', async () => {
    const server = await serving();
    expect(await httpTo(server.origin).send({ ...stop, mayLeave: () => false }, never)).toMatchObject({
      kind: 'failed',
      left: false,
    });
    expect(server.received.bytes).toBe(0);
    expect(server.most.connections).toBe(0);
  });

  it('keeps every byte back when it goes while the connection is being made', async () => {
    const server = await serving();
    let asked = 0;
    const reply = await httpTo(server.origin).send({ ...stop, mayLeave: () => ++asked < 2 }, never);
    expect(reply).toMatchObject({ kind: 'failed', left: false });
    expect(asked).toBe(2);
    expect(server.most.connections).toBe(1);
    await vi.waitUntil(() => server.connections.size === 0, 2000);
    expect(server.received.bytes).toBe(0);
  });

  it('keeps every byte back on a kept connection too', async () => {
    const server = await serving();
    const http = httpTo(server.origin);
    await http.send(stop, never);
    const before = server.received.bytes;
    let asked = 0;
    expect(await http.send({ ...stop, mayLeave: () => ++asked < 2 }, never)).toMatchObject({
      kind: 'failed',
      left: false,
    });
    await vi.waitUntil(() => server.connections.size === 0, 2000);
    expect(server.received.bytes).toBe(before);
    expect(server.requests).toHaveLength(1);
  });

  it('is asked in the very step in which the bytes are written', async () => {
    const server = await serving();
    const http = httpTo(server.origin);
    await http.send(stop, never); // the connection is kept, so that nothing but the write is left
    let sameStep = false;
    const mayLeave = (): boolean => {
      sameStep = true;
      const over = (): void => void (sameStep = false);
      process.nextTick(over);
      queueMicrotask(over);
      return true;
    };
    const written: boolean[] = [];
    const write = Reflect.get(Socket.prototype, 'write') as (...args: unknown[]) => boolean; // what the prototype holds
    vi.spyOn(Socket.prototype, 'write').mockImplementation(function (this: Socket, ...args: unknown[]) {
      if (String(args[0]).includes('stopTrans')) written.push(sameStep);
      return Reflect.apply(write, this, args);
    });
    await http.send({ ...stop, mayLeave }, never);
    expect(written).toEqual([true]);
  });

  it('leaves the other requests of the server alone', async () => {
    const server = await serving();
    const http = httpTo(server.origin);
    const [kept, gone] = await Promise.all([
      http.send({ ...stop, query: { id: 'a' }, mayLeave: () => true }, never),
      http.send({ ...stop, query: { id: 'b' }, mayLeave: () => false }, never),
    ]);
    expect(kept.kind).toBe('answered');
    expect(gone).toMatchObject({ kind: 'failed', left: false });
    expect(server.requests.map(({ query }) => query.get('id'))).toEqual(['a']);
  });
});

describe('a request given up', () => {
  it('before it was made has provably not left', async () => {
    const server = await serving();
    expect(await httpTo(server.origin).send(stop, AbortSignal.abort(new Error('brake')))).toMatchObject({
      kind: 'failed',
      left: false,
    });
    expect(server.received.bytes).toBe(0);
  });

  it('while it waited for a slot has provably not left', async () => {
    const server = await startReplyServer(() => ({ then: 'hang' }));
    closers.push(() => server.close());
    const http = httpTo(server.origin, 1);
    const brake = new AbortController();
    const sent = [1, 2, 3].map(() => http.send(stop, brake.signal));
    await vi.waitUntil(() => server.requests.length === 2, 2000);
    brake.abort(new Error('brake'));
    expect((await Promise.all(sent)).map((reply) => reply.kind === 'failed' && reply.left)).toEqual([
      true,
      true,
      false,
    ]);
    expect(server.requests).toHaveLength(2);
  });

  it('before the connection stood has provably not left, and the connection is given up with it', async () => {
    const { http, accept, received } = await lateTls();
    const brake = new AbortController();
    const sent = http.send(stop, brake.signal);
    await accept;
    brake.abort(new Error('brake'));
    expect(await sent).toMatchObject({ kind: 'failed', left: false, error: { message: 'brake' } });
    await vi.waitUntil(() => received.open === 0, 2000);
    expect(received.text).not.toContain('stopTrans');
  });

  it('because no connection stood in time has provably not left', async () => {
    const { http } = await lateTls(200);
    expect(await http.send(stop, never)).toMatchObject({
      kind: 'failed',
      left: false,
      error: { code: 'SERVER_TIMEOUT' },
    });
  });

  it('after it was written may have arrived', async () => {
    const server = await startReplyServer(() => ({ then: 'hang' }));
    closers.push(() => server.close());
    const brake = new AbortController();
    const sent = httpTo(server.origin).send(stop, brake.signal);
    await vi.waitUntil(() => server.requests.length === 1, 2000);
    brake.abort(new Error('brake'));
    expect(await sent).toMatchObject({ kind: 'failed', left: true });
  });
});

describe('an agent for one server', () => {
  it('gives up a connection that is not made in time', async () => {
    const silent = await listening(createServer(() => undefined));
    const agent = createConnectedAgent({ secure: true, maxSockets: 1, connectMs: 100 });
    closers.unshift(() => {
      agent.destroy();
    });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
      agent.createConnection({ host: '127.0.0.1', port: silent }, (reason) => {
        resolve(reason ?? new Error('connected'));
      });
    });
    expect(error.code).toBe('ETIMEDOUT');
  });
});

/** A server that takes the TCP connection and never goes on with TLS: the socket exists and is not connected yet. */
async function lateTls(
  timeoutMs = 5000,
): Promise<{ http: KettleHttp; accept: Promise<void>; received: { text: string; open: number } }> {
  const received = { text: '', open: 0 };
  let accepted = (): void => undefined;
  const accept = new Promise<void>((resolve) => (accepted = resolve));
  const port = await listening(
    createServer((socket) => {
      received.open += 1;
      socket.on('data', (bytes) => (received.text += bytes.toString('latin1')));
      socket.on('close', () => (received.open -= 1));
      socket.on('error', () => undefined);
      accepted();
    }),
  );
  const http = httpTo(`https://127.0.0.1:${port}`, 4, timeoutMs);
  return { http, accept, received };
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  );
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
