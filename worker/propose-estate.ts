import { existsSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { createCarteEngine } from '../adapters/engines/carte/carte-engine.js';
import { createHopEngine } from '../adapters/engines/hop/engine.js';
import { OffboilError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import { counted } from '../domain/wording.js';

const LOOK_MS = 10_000;

interface Proposed {
  readonly name: string;
  readonly engine: 'carte' | 'hop';
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly names: readonly string[];
}

/**
 * Contacts the addresses given by hand, read only, and writes a starting estate from what runs there. Nothing is overwritten.
 * The password is taken from OFFBOIL_PASSWORD, and the file refers to it: a secret never stands in an estate.
 */
export async function proposeEstate(urls: readonly string[], file = 'offboil.yaml'): Promise<number> {
  if (urls.length === 0)
    throw new OffboilError('USAGE_WRONG', 'Name at least one address, such as http://carte-01:8080/kettle.');
  if (existsSync(file))
    throw new OffboilError('USAGE_WRONG', `${file} exists already; it is unchanged. Name another with --estate.`);
  const servers = await Promise.all(urls.map((url, index) => look(url, index)));
  const names = [...new Set(servers.flatMap((server) => server.names))].sort();
  const estate = {
    servers: servers.map(({ name, engine, url, user, password }) => ({ name, engine, url, user, password })),
    tasks: names.map((name) => ({ match: { name }, priority: 'core', stop: { ladder: ['stop'] } })),
  };
  writeFileSync(file, stringify(estate), { flag: 'wx' });
  console.error(
    `${file} written: ${counted(servers.length, 'server')}, ${counted(names.length, 'task name')}, each with the highest care. Lower it where you know better.`,
  );
  return 0;
}

async function look(url: string, index: number): Promise<Proposed> {
  const engine = new URL(url).pathname.replace(/\/$/, '').endsWith('/hop') ? 'hop' : 'carte';
  const user = process.env['OFFBOIL_USER'] ?? 'cluster';
  const config = {
    server: url,
    url,
    user,
    password: new Secret(process.env['OFFBOIL_PASSWORD'] ?? ''),
    perServer: 1,
    timeoutMs: LOOK_MS,
  };
  const tasks = await (engine === 'hop' ? createHopEngine(config) : createCarteEngine(config)).list(
    AbortSignal.timeout(LOOK_MS),
  );
  const names = tasks.map(({ name }) => name).filter((name) => name !== '');
  return {
    name: `${engine}-${String(index + 1).padStart(2, '0')}`,
    engine,
    url,
    user,
    password: '${env:OFFBOIL_PASSWORD}',
    names,
  };
}
