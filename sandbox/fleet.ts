import { createServer } from 'node:http';
import { CarteServer } from './carte/server.js';
import { tableMaker } from './carte/loader.js';
import { RequestLog } from './request-log.js';
import type { FleetControl, Scenario, ServerAddress } from './scenario.js';

/** A fleet whose servers listen in this process. */
export interface Fleet extends FleetControl {
  readonly servers: readonly ServerAddress[];
  readonly stop: () => Promise<void>;
}

/** Starts all servers of a scenario in this process. Programs and tests take `spawnFleet`, which starts a process for it. */
export async function createFleet({ servers: specs, databaseUrl }: Scenario): Promise<Fleet> {
  const log = new RequestLog();
  const ensureTable = databaseUrl === undefined ? () => Promise.resolve() : tableMaker(databaseUrl);
  const byName = new Map(specs.map((spec) => [spec.name, new CarteServer({ spec, log, databaseUrl, ensureTable })]));
  const servers = [...byName.values()];
  const named = (name: string): CarteServer => {
    const server = byName.get(name);
    if (server === undefined) throw new Error(`no server ${name} in this fleet: ${[...byName.keys()].join(', ')}`);
    return server;
  };
  const taskOf = (server: string, id: string) => {
    const task = named(server)
      .objects.all()
      .find((other) => other.id === id);
    if (task === undefined) throw new Error(`no task ${id} on ${server}`);
    return task;
  };
  await Promise.all(servers.map((server) => server.open()));
  return {
    servers: servers.map(({ address }) => address),
    log: (since = 0) => Promise.resolve(log.since(since)),
    tasks: (server) => {
      const asked = server === undefined ? servers : [named(server)];
      return Promise.resolve(asked.flatMap(({ objects }) => objects.all().map((task) => task.truth())));
    },
    fault: async (server, kind, options = {}) => named(server).fault(kind, options),
    heal: async (server, kind) => named(server).heal(kind),
    restart: async (name) => {
      const server = named(name);
      await server.close();
      server.objects.forgetAll();
      await server.open();
    },
    addTask: async (server, task) => Promise.resolve(named(server).objects.add(task)),
    addErrors: async (server, id, errors) => {
      await Promise.resolve();
      taskOf(server, id).errors += errors;
    },
    endTask: async (server, id) => taskOf(server, id).endByItself(),
    replaceTask: async (server, id, as) => {
      await Promise.resolve();
      taskOf(server, id).replace(as);
    },
    stop: async () => {
      for (const { objects } of servers) objects.forgetAll();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/** What may be called from another process: no other name reaches the fleet. */
export const CONTROLS = [
  'log',
  'tasks',
  'fault',
  'heal',
  'restart',
  'addTask',
  'addErrors',
  'endTask',
  'replaceTask',
] as const satisfies readonly (keyof FleetControl)[];

/** Opens the control port: `POST /<method>` with the arguments as a JSON array. Not a Carte port, and only on loopback. */
export async function openControl(fleet: Fleet): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      call(fleet, request.url ?? '', body).then(
        (value) => response.end(JSON.stringify({ value })),
        (error: unknown) =>
          response
            .writeHead(400)
            .end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) })),
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the control port is not open');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function call(fleet: Fleet, path: string, body: string): Promise<unknown> {
  const method = CONTROLS.find((name) => path === `/${name}`);
  if (method === undefined) throw new Error(`no control ${path}: ${CONTROLS.join(', ')}`);
  const parameters: unknown = JSON.parse(body === '' ? '[]' : body);
  if (!Array.isArray(parameters)) throw new Error('the arguments are a JSON array');
  // The caller is our own typed handle (or a person at the practice fleet, who sees the error): types are its matter.
  const control = fleet[method] as (...given: unknown[]) => Promise<unknown>;
  return control(...(parameters as unknown[]).map((given) => given ?? undefined));
}
