/**
 * A small service that starts a run for whoever may reach it, and tells how it goes. It needs Temporal alone.
 *
 *     npx tsx examples/trigger-over-http.ts 8088
 *     curl -s -X POST --data @examples/request.json http://127.0.0.1:8088/runs
 *     curl -s http://127.0.0.1:8088/runs/INC-42
 *
 * It listens on the loopback address and asks nobody who they are: put it behind what does.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { OffboilClient, OffboilError, type RunHandle } from '../client/index.js'; // in your own project: 'offboil/client'

/** Larger than any sensible request. */
const MOST_BYTES = 1_000_000;
/** The client judges the request; here it only has to be an object with an id. */
const written = z.looseObject({
  requestId: z.string(),
  reason: z.string(),
  requestedBy: z.string(),
  policy: z.string(),
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** The service on a client that the caller opens and closes. */
export function createService(client: OffboilClient): Server {
  return createServer((request, response) => {
    answer(client, request)
      .catch(failed)
      .then(({ status, body }) => {
        send(response, status, body);
      })
      .catch(() => response.destroy());
  });
}

async function answer(client: OffboilClient, request: IncomingMessage): Promise<Answer> {
  const [, collection, runId, part] = new URL(request.url ?? '/', 'http://service').pathname.split('/');
  if (collection !== 'runs') return { status: 404, body: { error: 'there is only /runs' } };
  if (request.method === 'POST' && runId === undefined) return start(client, await readBody(request));
  if (request.method !== 'GET' || runId === undefined)
    return { status: 405, body: { error: 'POST /runs, or GET /runs/ID' } };
  const handle = client.handle(runId);
  if (part === 'report') return { status: 200, body: await handle.report() };
  return progressOf(handle);
}

/** The same request may come again, after a timeout of the caller for example: it has one effect. */
async function start(client: OffboilClient, text: string): Promise<Answer> {
  const request = written.parse(JSON.parse(text));
  const handle = await client.start({ ...request, dryRun: false });
  return { status: 202, body: { runId: handle.requestId, workflowId: handle.workflowId } };
}

async function progressOf(handle: RunHandle): Promise<Answer> {
  if (await handle.isOpen()) return { status: 202, body: await handle.progress() };
  return { status: 200, body: await handle.result() };
}

function failed(error: unknown): Answer {
  if (error instanceof SyntaxError || error instanceof z.ZodError)
    return { status: 400, body: { error: error.message } };
  if (!(error instanceof OffboilError)) return { status: 500, body: { error: String(error) } };
  const status = { REQUEST_INVALID: 400, REQUEST_CONFLICT: 409, RUN_UNKNOWN: 404 }[error.code as string] ?? 503;
  return { status, body: { code: error.code, error: error.message } };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new SyntaxError('the request is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const client = await OffboilClient.connect();
  const service = createService(client).listen(Number(process.argv[2] ?? 8088), '127.0.0.1');
  service.on('close', () => void client.close());
  process.once('SIGINT', () => service.close()).once('SIGTERM', () => service.close());
}
