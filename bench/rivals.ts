import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createCarteEngine } from '../adapters/engines/carte/carte-engine.js';
import { Secret } from '../domain/secret.js';
import {
  AUTHORIZATION,
  CREDENTIALS,
  type Field,
  inLanes,
  isOpen,
  readList,
  statusUrl,
  stopUrl,
  untilEnded,
} from './field.js';

/** Lists, stops everything and looks until all has ended; the harness takes the time. */
export type Rival = (field: Field) => Promise<void>;

const run = promisify(execFile);

export function hasCurl(): boolean {
  return spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** The client that the product uses, with its agents and its reading, and nothing that survives a crash. */
export async function axiosLoop({ servers, perServer }: Field): Promise<void> {
  const never = new AbortController().signal;
  await Promise.all(
    servers.map(async ({ name, url }) => {
      const engine = createCarteEngine({
        server: name,
        url,
        user: 'cluster',
        password: new Secret('cluster'),
        version: '8.3',
        timezone: 'UTC',
        perServer,
        timeoutMs: 10_000,
      });
      const open = (await engine.list(never)).filter(({ state }) => state === 'active');
      await inLanes(open, perServer, (task) => engine.stop(task, { rung: 'stop', mayLeave: () => true }, never));
      await untilEnded(async () => (await engine.list(never)).some(({ state }) => state !== 'ended'));
      engine.close();
    }),
  );
}

/** The least that Node can do: no checks, no limits, no defence. */
export async function httpLoop({ servers, perServer }: Field): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: perServer }); // per server: each has a port of its own
  await Promise.all(
    servers.map(async (server) => {
      const open = readList(await get(agent, statusUrl(server))).filter(isOpen);
      await inLanes(open, perServer, (task) => get(agent, stopUrl(server, task)));
      await untilEnded(async () => readList(await get(agent, statusUrl(server))).some(isOpen));
    }),
  );
  agent.destroy();
}

/** One list of every server by the same means: a term of the floor. */
export async function listOnce({ servers, perServer }: Field): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: perServer });
  await Promise.all(servers.map((server) => get(agent, statusUrl(server))));
  agent.destroy();
}

async function get(agent: http.Agent, url: string): Promise<string> {
  const [reply] = (await once(http.get(url, { agent, headers: { authorization: AUTHORIZATION } }), 'response')) as [
    http.IncomingMessage, // the one argument of node:http's `response`
  ];
  let text = '';
  reply.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(reply, 'end');
  return text;
}

/** The honest rival from the shell: one curl with all slots, and a status loop behind it. */
export async function curlParallel(field: Field): Promise<void> {
  const { servers, perServer, folder } = field;
  const own = await curlLists(field);
  const stops = own.map((tasks, index) => tasks.filter(isOpen).map((task) => ({ task, server: servers[index] })));
  // turn by turn over the servers, so that all slots are used
  const turns = Math.max(...stops.map(({ length }) => length));
  const lines: string[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    for (const { [turn]: one } of stops) {
      if (one?.server !== undefined) lines.push(`url = "${stopUrl(one.server, one.task)}"\noutput = "/dev/null"`);
    }
  }
  await curl(folder, lines, servers.length * perServer);
  await untilEnded(async () => (await curlLists(field)).flat().some(isOpen));
}

async function curlLists({ servers, folder }: Field): Promise<ReturnType<typeof readList>[]> {
  const file = (index: number): string => join(folder, `list-${index}.xml`);
  await curl(
    folder,
    servers.map((server, index) => `url = "${statusUrl(server)}"\noutput = "${file(index)}"`),
    servers.length,
  );
  return Promise.all(servers.map(async (_, index) => readList(await readFile(file(index), 'utf8'))));
}

async function curl(folder: string, lines: readonly string[], slots: number): Promise<void> {
  const config = join(folder, 'curl.conf');
  await writeFile(config, `${lines.join('\n')}\n`);
  await run('curl', ['-Z', '--parallel-max', String(slots), '-s', '-u', CREDENTIALS, '-K', config]);
}

/** What people paste: it sends, looks at nothing, and starts a process for each task. */
export async function xargs({ servers, folder }: Field): Promise<void> {
  const agent = new http.Agent({ keepAlive: true });
  const urls: string[] = [];
  for (const server of servers) {
    const open = readList(await get(agent, statusUrl(server))).filter(isOpen);
    urls.push(...open.map((task) => stopUrl(server, task)));
  }
  agent.destroy();
  const file = join(folder, 'urls');
  await writeFile(file, `${urls.join('\n')}\n`);
  await run('xargs', ['-a', file, '-P16', '-n1', 'curl', '-s', '-o', '/dev/null', '-u', CREDENTIALS]);
}
