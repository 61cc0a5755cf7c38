import { readFile, stat } from 'node:fs/promises';
import { createCarteEngine } from '../adapters/engines/carte/carte-engine.js';
import { createHopEngine } from '../adapters/engines/hop/engine.js';
import { createPostgresDatabase } from '../adapters/databases/postgresql.js';
import { createWebhook } from '../adapters/notifiers/webhook.js';
import { hashOf } from '../activities/deps.js';
import type { DatabaseEntry, NotifierEntry, ServerEntry } from '../domain/contracts/estate.js';
import { durationMs } from '../domain/contracts/request.js';
import { OffboilError } from '../domain/errors.js';
import type { Clock, Database, Engine, Estates, Notifier } from '../domain/ports.js';
import { Secret } from '../domain/secret.js';
import { readEstateFile } from './estate-file.js';
import { type HiddenEstate, hideLiterals } from './hide-literals.js';
import { lazyDatabase, lazyEngine, lazyNotifier } from './lazy.js';
import { resolveReference } from './secrets.js';

/**
 * Builds adapters from estates. The file is read again when it changed; adapters are shared per estate and entry, and a
 * reference is resolved only when its adapter is first used, so that what one worker cannot resolve fails that server alone.
 */
export function createEstates(file: string, env: NodeJS.ProcessEnv, clock: Clock): Estates {
  let read: (HiddenEstate & { readonly stamp: string; readonly hash: string }) | undefined;
  const current = async (): Promise<NonNullable<typeof read>> => {
    const stamp = await stampOf(file);
    if (read?.stamp === stamp) return read;
    const hidden = hideLiterals((await readEstateFile(file)).estate);
    read = { ...hidden, stamp, hash: hashOf(hidden.estate) };
    return read;
  };
  const resolve: Resolve = async (text) => {
    if (!text.startsWith('${estate:')) return resolveReference(text, env);
    // A file that has become invalid disturbs no run: what was read of it before still serves.
    const { literals } = await current().catch(() => read ?? { literals: new Map<string, string>() });
    const value = literals.get(text);
    if (value !== undefined) return new Secret(value);
    const message = `${text} stands in no estate file of this worker. Nothing was sent with it. Give all workers the same file, or use \${env:NAME}.`;
    throw new OffboilError('SECRET_UNRESOLVED', message, { reference: text });
  };
  const engines = remember<Engine>();
  const databases = remember<Database>();
  const notifiers = remember<Notifier>();
  return {
    async current() {
      const { estate, hash } = await current();
      return { estate, hash };
    },
    engine: (hash, server) => engines(`${hash}/${server.name}`, () => lazyEngine(() => buildEngine(server, resolve))),
    database: (hash, entry) =>
      databases(`${hash}/${entry.name}`, () => lazyDatabase(() => buildDatabase(entry, resolve, clock))),
    notifier: (hash, entry) =>
      notifiers(`${hash}/${entry.name}`, () => lazyNotifier(() => buildNotifier(entry, resolve, clock))),
  };
}

/** Gives the value behind a reference of the estate. */
type Resolve = (text: string) => Promise<Secret>;

/** Included files change too, so the whole file is what is stamped: an estate is small, and read once a run. */
async function stampOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  return found === undefined ? 'missing' : `${found.mtimeMs}/${found.size}/${Math.floor(Date.now() / RECHECK_MS)}`;
}

/** Includes are noticed after so long at the latest. */
const RECHECK_MS = 5000;

function remember<T>(): (key: string, build: () => T) => T {
  const known = new Map<string, T>();
  return (key, build) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const built = build();
    known.set(key, built);
    return built;
  };
}

async function buildEngine(server: ServerEntry, resolve: Resolve): Promise<Engine> {
  const { password, user, version, timezone, tls, limits } = server;
  const readPassword = password === undefined ? undefined : () => resolve(password);
  const config = {
    server: server.name,
    url: server.url,
    perServer: limits.perServer,
    timeoutMs: durationMs(limits.timeout),
    ...(user === undefined ? {} : { user }),
    ...(readPassword === undefined ? {} : { password: await readPassword(), refreshPassword: readPassword }),
    ...(version === undefined ? {} : { version }),
    ...(timezone === undefined ? {} : { timezone }),
    ...(tls === undefined ? {} : { tls: await readTls(server.name, tls) }),
  };
  switch (server.engine) {
    case 'carte':
      return createCarteEngine(config);
    case 'hop':
      return createHopEngine(config);
  }
}

type TlsEntry = NonNullable<ServerEntry['tls']>;

async function readTls(server: string, { ca, cert, key, serverName, minVersion }: TlsEntry) {
  return {
    ...(ca === undefined ? {} : { ca: await readPem(server, 'ca', ca) }),
    ...(cert === undefined ? {} : { cert: await readPem(server, 'cert', cert) }),
    ...(key === undefined ? {} : { key: await readPem(server, 'key', key) }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(minVersion === undefined ? {} : { minVersion }),
  };
}

/** What Node would say of a wrong file names neither the server nor the field. */
async function readPem(server: string, field: 'ca' | 'cert' | 'key', path: string): Promise<string> {
  const holds = field === 'key' ? 'PRIVATE KEY' : 'CERTIFICATE';
  const refuse = (why: string, cause?: unknown): OffboilError =>
    new OffboilError(
      'SECRET_UNRESOLVED',
      `tls.${field} of ${server} is "${path}", ${why}; expected a PEM file with -----BEGIN ${holds}-----. Nothing was sent with it. Provide it on this worker, or correct the estate file.`,
      { reference: path },
      cause === undefined ? undefined : { cause },
    );
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw refuse(`which this worker cannot read (${code})`, error);
  });
  if (!new RegExp(`-----BEGIN [A-Z0-9 ]*${holds}-----`).test(text)) throw refuse('which holds no PEM of that kind');
  return text;
}

async function buildDatabase(entry: DatabaseEntry, resolve: Resolve, clock: Clock): Promise<Database> {
  return createPostgresDatabase({ name: entry.name, url: await resolve(entry.url), clock });
}

async function buildNotifier(entry: NotifierEntry, resolve: Resolve, clock: Clock): Promise<Notifier> {
  const url = await resolve(entry.url);
  const secret = entry.secret === undefined ? {} : { secret: await resolve(entry.secret) };
  return createWebhook({ name: entry.name, url, ...secret, clock });
}
