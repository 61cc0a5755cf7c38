import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { createFleet, type Fleet, type PersonalityName, type Scenario, type TaskSpec } from '../../sandbox/index.js';

export interface HttpReply {
  readonly code: number;
  readonly contentType: string | undefined;
  readonly location: string | undefined;
  readonly chunked: boolean;
  readonly bytes: Buffer;
  readonly text: string;
}

const CREDENTIALS = `Basic ${Buffer.from('cluster:cluster').toString('base64')}`;

/** One request; rejects when the connection breaks, also in mid-body. */
export function call(
  url: string,
  { method = 'GET', authorization = CREDENTIALS, body = '', timeoutMs = 5000 } = {},
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    const sent = request(url, { method, headers, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(parts);
        const { 'content-type': contentType, location, 'transfer-encoding': encoding } = response.headers;
        const text = bytes.toString(contentType?.includes('8859') === true ? 'latin1' : 'utf8');
        resolve({
          code: response.statusCode ?? 0,
          contentType,
          location,
          chunked: encoding === 'chunked',
          bytes,
          text,
        });
      });
    });
    sent.on('error', reject).end(body);
  });
}

/** The path and parameters of one call, encoded. */
export function asked(servlet: string, parameters: Readonly<Record<string, string>> = {}): string {
  return `/${servlet}/?${new URLSearchParams({ xml: 'Y', ...parameters }).toString()}`;
}

const open: Fleet[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
});

/** A fleet of one test. */
export async function aFleet(scenario: Scenario): Promise<Fleet> {
  const fleet = await createFleet(scenario);
  open.push(fleet);
  return fleet;
}

export interface OneServer {
  readonly fleet: Fleet;
  readonly get: (servlet: string, parameters?: Readonly<Record<string, string>>) => Promise<HttpReply>;
  /** The word in the list for the object of this id; `undefined` when it is not listed. */
  readonly word: (id: string) => Promise<string | undefined>;
  readonly url: string;
}

/** A fleet of one server, named `carte`. */
export async function aServer(
  personality: PersonalityName,
  tasks: readonly TaskSpec[],
  rest: { databaseUrl?: string; endedObjects?: number; answerMs?: number } = {},
): Promise<OneServer> {
  const { databaseUrl, ...server } = rest;
  const fleet = await aFleet({
    servers: [{ name: 'carte', personality, tasks, ...server }],
    ...(databaseUrl !== undefined && { databaseUrl }),
  });
  const url = fleet.servers[0]?.url ?? '';
  const get: OneServer['get'] = (servlet, parameters) => call(`${url}${asked(servlet, parameters)}`);
  return {
    fleet,
    url,
    get,
    word: async (id) => {
      const { text } = await get('status');
      return new RegExp(`<id>${id}</id>\\s*<status_desc>([^<]*)<`).exec(text)?.[1];
    },
  };
}

/** An idle transformation named `load_orders` with the id `t1`. */
export function aTask(spec: Partial<TaskSpec> = {}): TaskSpec {
  return { id: 't1', name: 'load_orders', kind: 'transformation', mode: 'idle', settleMs: 30, ...spec };
}

/** An idle job named `nightly` with the id `j1`. */
export function aJob(spec: Partial<TaskSpec> = {}): TaskSpec {
  return aTask({ id: 'j1', name: 'nightly', kind: 'job', ...spec });
}

/** Waits until something holds, for at most ten seconds; returns what it was. */
export async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 10_000;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`not within ten seconds; it is ${JSON.stringify(value)}`);
    await sleep(20);
  }
}
