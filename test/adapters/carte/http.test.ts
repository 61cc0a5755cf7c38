import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  createKettleHttp,
  type KettleHttp,
  type KettleHttpConfig,
  type KettleRequest,
} from '../../../adapters/engines/kettle/http.js';
import { OffboilError } from '../../../domain/errors.js';
import { Secret } from '../../../domain/secret.js';
import { type RawReply, type RawRequest, type ReplyServer, startReplyServer } from '../../support/reply-server.js';
import { startFaultProxy } from '../../support/fault-proxy.js';
import { recorded } from './recorded.js';

const never = new AbortController().signal;
const list: KettleRequest = { path: 'status/', query: { xml: 'Y' }, maxBytes: 1_000_000, repeatable: true };
const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serving(answer: (request: RawRequest) => RawReply | Promise<RawReply>): Promise<ReplyServer> {
  const server = await startReplyServer(answer);
  closers.push(() => server.close());
  return server;
}

function httpTo(origin: string, more: Partial<KettleHttpConfig> = {}): KettleHttp {
  const http = createKettleHttp({
    server: 'carte-1',
    baseUrl: `${origin}/kettle`,
    user: 'ops',
    password: new Secret('s3cr&t'),
    timeoutMs: 2000,
    perServer: 4,
    ...more,
  });
  closers.unshift(() => {
    http.close();
  });
  return http;
}

async function errorOf(work: Promise<unknown>): Promise<OffboilError> {
  const error: unknown = await work.then(
    () => new Error('no error at all'),
    (reason: unknown) => reason,
  );
  if (error instanceof OffboilError) return error;
  throw error;
}

describe('a request to Carte', () => {
  it('keeps the slash before the query and the prefix of the estate', async () => {
    const server = await serving(() => recorded('status-running'));
    await httpTo(server.origin).read(list, never);
    expect(server.requests.map(({ path, rawQuery }) => `${path}?${rawQuery}`)).toEqual(['/kettle/status/?xml=Y']);
  });

  it('carries user and password in a header and never in the URL', async () => {
    const server = await serving(() => recorded('status-running'));
    await httpTo(server.origin).read(list, never);
    const [request] = server.requests;
    expect(request?.headers.get('authorization')).toBe(`Basic ${Buffer.from('ops:s3cr&t').toString('base64')}`);
    expect(`${request?.path ?? ''}${request?.rawQuery ?? ''}`).not.toMatch(/ops|s3cr/);
  });

  it('escapes names of any kind', async () => {
    const server = await serving(() => recorded('stopjob'));
    const name = `[a] (b) 'c' : / & < " + % # ? = 销售 ]]>`;
    await httpTo(server.origin).read({ ...list, query: { name } }, never);
    expect(server.requests[0]?.query.get('name')).toBe(name);
    expect(server.requests[0]?.rawQuery).toMatch(/^name=[\w%.~*'()!-]+$/);
  });

  it('uses a kept connection again', async () => {
    const server = await serving(() => recorded('status-running'));
    const http = httpTo(server.origin);
    for (let i = 0; i < 3; i += 1) await http.read(list, never);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  });

  it('keeps to the limit of the server, and one socket for its list', async () => {
    const server = await serving(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return recorded('status-running');
    });
    const http = httpTo(server.origin, { perServer: 3, timeoutMs: 10_000 });
    await Promise.all(Array.from({ length: 60 }, () => http.read(list, never)));
    expect(server.requests).toHaveLength(60);
    expect(server.most.connections).toBeLessThanOrEqual(4);
    expect(server.most.requests).toBeLessThanOrEqual(4);
  });

  it('tells the skew of the clock of the server', async () => {
    const server = await serving(() => ({ head: 'HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 02:10:30 GMT', body: 'x' }));
    const clockNow = (): number => Date.UTC(2026, 10, 24, 2, 10, 0);
    expect((await httpTo(server.origin, { clockNow }).read(list, never)).clockSkewMs).toBe(30_000);
  });

  it('is not made with a password in the URL of the estate', () => {
    expect(() => httpTo('http://ops:secret@127.0.0.1:1')).toThrow('never stand in the URL');
  });
});

describe('a server that does not answer as it should', () => {
  it.each([
    ['the recorded 401 page', (): RawReply => recorded('status-unauth'), 'AUTH_REFUSED'],
    ['403', (): RawReply => ({ head: 'HTTP/1.1 403 Forbidden', body: 'no' }), 'AUTH_REFUSED'],
    [
      '302',
      (): RawReply => ({ head: 'HTTP/1.1 302 Found\r\nLocation: https://sso.corp/login?token=abc' }),
      'REPLY_NOT_CARTE',
    ],
    ['301', (): RawReply => ({ head: 'HTTP/1.1 301 Moved\r\nLocation: /kettle/status/?xml=Y' }), 'REPLY_NOT_CARTE'],
    ['silence', (): RawReply => ({ then: 'hang' }), 'SERVER_TIMEOUT'],
    ['a slow drip', (): RawReply => ({ ...recorded('status-running'), dripMs: 30 }), 'SERVER_TIMEOUT'],
    ['a reset', (): RawReply => ({ then: 'reset' }), 'SERVER_UNREACHABLE'],
    ['a cut body', (): RawReply => ({ ...recorded('status-running'), cutAt: 500 }), 'REPLY_INCOMPLETE'],
    ['too many bytes', (): RawReply => ({ body: 'x'.repeat(1_200_000) }), 'REPLY_TOO_LARGE'],
    ['no HTTP', (): RawReply => ({ head: 'SSH-2.0-OpenSSH_9.2', body: '' }), 'REPLY_NOT_CARTE'],
  ])('gives a clear error for %s', async (_what, answer, code) => {
    const server = await serving(answer);
    const error = await errorOf(httpTo(server.origin, { timeoutMs: 300 }).read(list, never));
    expect(error.code).toBe(code);
    expect(error.message).toContain('carte-1');
    expect(JSON.stringify([error.message, error.fields, error.stack, error.cause])).not.toMatch(/s3cr|token=|Basic /);
  });

  it('is not followed to where it redirects, and the new place gets no password', async () => {
    const elsewhere = await serving(() => recorded('status-running'));
    const server = await serving(() => ({ head: `HTTP/1.1 302 Found\r\nLocation: ${elsewhere.origin}/x` }));
    const error = await errorOf(httpTo(server.origin).read(list, never));
    expect(error.message).toContain(`redirects to 127.0.0.1:${elsewhere.port}`);
    expect(elsewhere.requests).toHaveLength(0);
  });

  it('names the user whose password was refused', async () => {
    const server = await serving(() => recorded('status-unauth'));
    expect((await errorOf(httpTo(server.origin).read(list, never))).message).toMatch(
      /^carte-1 refused the password of user "ops"\./,
    );
  });

  it('is unreachable when nothing listens there', async () => {
    const closed = await startReplyServer(() => ({}));
    await closed.close();
    const reply = await httpTo(closed.origin).send(list, never);
    expect(reply).toMatchObject({ kind: 'failed', left: false, error: { code: 'SERVER_UNREACHABLE' } });
  });

  it('is unreachable when its name cannot be resolved', async () => {
    const reply = await httpTo('http://no-such-host.invalid').send(list, never);
    expect(reply).toMatchObject({ kind: 'failed', left: false, error: { code: 'SERVER_UNREACHABLE' } });
  });

  it.each(['halfOpen', 'reset'] as const)('costs one request when the line is %s, and not the next', async (kind) => {
    const server = await serving(() => recorded('status-running'));
    const proxy = await startFaultProxy({ port: server.port });
    closers.push(() => proxy.close());
    const http = httpTo(`http://127.0.0.1:${proxy.port}`, { timeoutMs: 300 });
    proxy.set({ kind });
    await expect(http.read(list, never)).rejects.toBeInstanceOf(OffboilError);
    proxy.set({ kind: 'none' });
    expect((await http.read(list, never)).status).toBe(200);
  });
});

describe('a server with TLS', () => {
  const pem = (file: string): string =>
    readFileSync(new URL(`../../fixtures/carte/tls/${file}`, import.meta.url), 'utf8');
  const overTls = async (): Promise<{ server: ReplyServer; url: string }> => {
    const settings = { cert: pem('cert.pem'), key: pem('key.pem') };
    const wrap = (serve: (socket: Socket) => void) => createTlsServer(settings, serve);
    const server = await startReplyServer(() => recorded('status-running'), { wrap });
    closers.push(() => server.close());
    return { server, url: server.origin.replace('http:', 'https:') };
  };

  it('is spoken to when the estate gives its CA and its name', async () => {
    const { url } = await overTls();
    const http = httpTo(url, { tls: { ca: pem('cert.pem'), serverName: 'carte.test', minVersion: 'TLSv1.3' } });
    expect((await http.read(list, never)).status).toBe(200);
  });

  it('gets no byte of a request when nobody we know signed its certificate', async () => {
    const { server, url } = await overTls();
    const reply = await httpTo(url).send(list, never);
    expect(reply).toMatchObject({ kind: 'failed', left: false, error: { code: 'SERVER_UNREACHABLE' } });
    expect(reply.kind === 'failed' && reply.error.message).toContain('certificate that is not accepted');
    expect(server.requests).toHaveLength(0);
  });

  it('gets no byte of a request when its certificate is for another name', async () => {
    const { server, url } = await overTls();
    const reply = await httpTo(url, { tls: { ca: pem('cert.pem'), serverName: 'other.test' } }).send(list, never);
    expect(reply).toMatchObject({ kind: 'failed', left: false, error: { code: 'SERVER_UNREACHABLE' } });
    expect(server.requests).toHaveLength(0);
  });
});

describe('a kept connection that the server closed', () => {
  const closesAfterFirst = async (): Promise<ReplyServer> => {
    let asked = 0;
    return serving(() => (++asked === 2 ? { then: 'reset' } : recorded('status-running')));
  };

  it('lets a read be asked again once, over a new one', async () => {
    const server = await closesAfterFirst();
    const http = httpTo(server.origin);
    await http.read(list, never);
    expect((await http.read(list, never)).status).toBe(200);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });

  it('never lets a change be asked again', async () => {
    const server = await closesAfterFirst();
    const http = httpTo(server.origin);
    await http.read(list, never);
    expect(await http.send({ ...list, repeatable: false }, never)).toMatchObject({ kind: 'failed', left: true });
    expect(server.requests).toHaveLength(2);
  });

  it('is no reason to ask again when the connection was new', async () => {
    const server = await serving(() => ({ then: 'reset' }));
    await expect(httpTo(server.origin).read(list, never)).rejects.toBeInstanceOf(OffboilError);
    expect(server.requests).toHaveLength(1);
  });
});

describe('a refused password', () => {
  const wants =
    (password: string) =>
    (request: RawRequest): RawReply =>
      request.headers.get('authorization') === `Basic ${Buffer.from(`ops:${password}`).toString('base64')}`
        ? recorded('status-running')
        : recorded('status-unauth');

  it('is read again once, and the new one is kept', async () => {
    const server = await serving(wants('new'));
    const refreshPassword = vi.fn(() => Promise.resolve(new Secret('new')));
    const http = httpTo(server.origin, { refreshPassword });
    const replies = await Promise.all([http.read(list, never), http.read(list, never), http.read(list, never)]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    await http.read(list, never);
    expect(refreshPassword).toHaveBeenCalledTimes(1);
  });

  it('is refused for good when the one read again is the same, without a second request', async () => {
    const server = await serving(wants('new'));
    const http = httpTo(server.origin, { refreshPassword: () => Promise.resolve(new Secret('s3cr&t')) });
    expect((await errorOf(http.read(list, never))).code).toBe('AUTH_REFUSED');
    expect(server.requests).toHaveLength(1);
  });

  it('is refused for good when the new one is refused too', async () => {
    const server = await serving(wants('newest'));
    const http = httpTo(server.origin, { refreshPassword: () => Promise.resolve(new Secret('new')) });
    expect((await errorOf(http.read(list, never))).code).toBe('AUTH_REFUSED');
    expect(server.requests).toHaveLength(2);
  });

  it('stays the news when it cannot be read again', async () => {
    const server = await serving(wants('new'));
    const http = httpTo(server.origin, { refreshPassword: () => Promise.reject(new Error('no file')) });
    expect((await errorOf(http.read(list, never))).code).toBe('AUTH_REFUSED');
  });
});
