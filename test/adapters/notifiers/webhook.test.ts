import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createWebhook, signatureOf } from '../../../adapters/notifiers/webhook.js';
import { systemClock } from '../../../worker/clock.js';
import { Secret } from '../../../domain/secret.js';

const never = new AbortController().signal;
const OWN = new Secret('whsec_b2ZmYm9pbC10ZXN0LXdlYmhvb2stc2VjcmV0LTAwMDE=');
const event = { id: 'rec-3', type: 'io.offboil.target.stopped.v1', body: { runId: 'INC-42', outcome: 'stopped' } };
const clock = { ...systemClock, now: () => 1767323160_000 };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A receiver that keeps what it got. */
async function aReceiver(answer: (response: ServerResponse) => void): Promise<{ url: Secret; received: Received[] }> {
  const received: Received[] = [];
  const made = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(response);
    });
  });
  server = made;
  await new Promise<void>((listening) => made.listen(0, '127.0.0.1', listening));
  const address = made.address();
  const port = address === null || typeof address === 'string' ? 0 : address.port;
  return { url: new Secret(`http://127.0.0.1:${port}/hook/T0KEN`), received };
}

const withStatus = (status: number) => (response: ServerResponse) =>
  response.writeHead(status, { location: '/elsewhere' }).end();

describe('the signature of a notice', () => {
  it('is that of the published example of Standard Webhooks', () => {
    const secret = new Secret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const signature = signatureOf(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', '{"test": 2432232314}');
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('is that of our own vector', () => {
    const body = '{"type":"io.offboil.target.stopped.v1","runId":"INC-42","outcome":"stopped"}';
    expect(signatureOf(OWN, 'msg_rec-3', '1767323160', body)).toBe('v1,FjrpavA+h6e50/4JW9DwA04M575OFmUljvjut4LeO44=');
  });
});

describe('a notice', () => {
  it('arrives with its id, its time, and a signature over the very bytes that were sent', async () => {
    const { url, received } = await aReceiver(withStatus(204));
    await createWebhook({ name: 'ops', url, secret: OWN, clock }).send(event, never);
    const [notice] = received;
    expect(notice?.body).toBe('{"type":"io.offboil.target.stopped.v1","runId":"INC-42","outcome":"stopped"}');
    expect(notice?.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': 'msg_rec-3',
      'webhook-timestamp': '1767323160',
      'webhook-signature': 'v1,FjrpavA+h6e50/4JW9DwA04M575OFmUljvjut4LeO44=',
    });
  });

  it('goes out unsigned where the estate declares no secret', async () => {
    const { url, received } = await aReceiver(withStatus(200));
    await createWebhook({ name: 'ops', url, clock }).send(event, never);
    expect(received[0]?.headers).not.toHaveProperty('webhook-signature');
  });

  it('does not follow a redirect', async () => {
    const { url, received } = await aReceiver(withStatus(302));
    await expect(createWebhook({ name: 'ops', url, clock }).send(event, never)).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
    });
    expect(received).toHaveLength(1);
  });

  for (const status of [429, 500, 503]) {
    it(`may be sent again after HTTP ${status}`, async () => {
      const { url } = await aReceiver(withStatus(status));
      await expect(createWebhook({ name: 'ops', url, clock }).send(event, never)).rejects.toMatchObject({
        code: 'SERVER_UNREACHABLE',
      });
    });
  }

  it('that is refused names the notifier and never its address', async () => {
    const { url } = await aReceiver(withStatus(410));
    const failing = createWebhook({ name: 'ops', url, clock }).send(event, never);
    await expect(failing).rejects.toThrow('The notifier ops answered HTTP 410');
    await expect(failing).rejects.not.toThrow('T0KEN');
  });

  it('to nobody says that it cannot be reached', async () => {
    const url = new Secret('http://127.0.0.1:1/hook/T0KEN');
    const failing = createWebhook({ name: 'ops', url, clock }).send(event, never);
    await expect(failing).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    await expect(failing).rejects.not.toThrow('T0KEN');
  });

  it('with an endless answer is cut off', async () => {
    const { url } = await aReceiver((response) => response.end('x'.repeat(1024 * 1024)));
    await expect(createWebhook({ name: 'ops', url, clock }).send(event, never)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    });
  });

  it('ends with the abort of its caller', async () => {
    const abort = new AbortController();
    const { url } = await aReceiver(() => {
      abort.abort(new Error('cancelled'));
    });
    await expect(createWebhook({ name: 'ops', url, clock }).send(event, abort.signal)).rejects.toThrow('cancelled');
  });
});
