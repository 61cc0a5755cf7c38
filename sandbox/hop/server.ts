import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildHop } from './build.js';
import { registration } from './documents.js';

/** A pipeline or workflow on a server, as registered. */
export interface HopTask {
  readonly id: string;
  readonly name: string;
  readonly kind: 'pipeline' | 'workflow';
}

/** What the server's own list says, read with none of the product's code: the witness of tests and of the demo. */
export interface HopStatus {
  readonly threadCount: number;
  readonly tasks: readonly (HopTask & { readonly word: string })[];
}

/** A real Hop Server: a process, a port and a working folder of its own. */
export interface HopServer {
  readonly name: string;
  /** With the prefix: `http://127.0.0.1:PORT/hop`. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  /** Writes a file below the server's working folder. @returns its absolute path */
  writeFile(name: string, text: string): string;
  registerPipeline(document: string, parameters?: Readonly<Record<string, string>>): Promise<HopTask>;
  registerWorkflow(document: string): Promise<HopTask>;
  start(task: HopTask): Promise<void>;
  remove(task: HopTask): Promise<void>;
  /** One raw request. Redirects are an error, since Hop redirects what lacks the slash and does nothing. */
  call(
    servlet: string,
    query: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<{ readonly status: number; readonly text: string }>;
  status(): Promise<HopStatus>;
  /** Names of the live Java threads; a pipeline's are `<pipeline> - <transform>`, whether a list knows it or not. */
  threads(): Promise<string[]>;
  /** Ends the process by its pid and removes its folder. */
  stop(): Promise<void>;
}

const USER = 'cluster';
const PASSWORD = 'cluster';

export interface HopServerOptions {
  readonly name: string;
  /** After so many minutes from its start the server forgets what has ended or was stopped. Hop's default is a day. */
  readonly objectTimeoutMinutes?: number;
}

/** Starts a Hop Server on a free port of the loopback address, building it first where needed. */
export async function startHopServer(options: HopServerOptions): Promise<HopServer> {
  const classPath = await buildHop();
  // The port is free when we look and may be taken when Java listens, so one more try is allowed.
  const first = await launch(classPath, options);
  const launched = first.ok ? first : await launch(classPath, options);
  if (!launched.ok) throw new Error(`Hop Server "${options.name}" did not start:\n${launched.log}`);
  return new RunningServer(options.name, launched.port, launched.folder, launched.child);
}

type Launch =
  | { readonly ok: true; readonly port: number; readonly folder: string; readonly child: ChildProcess }
  | { readonly ok: false; readonly log: string };

async function launch(classPath: string, { name, objectTimeoutMinutes = 1440 }: HopServerOptions): Promise<Launch> {
  const folder = mkdtempSync(join(tmpdir(), `offboil-hop-${name.replace(/\W/g, '_')}-`));
  const port = await freePort();
  writeFileSync(join(folder, 'server.xml'), configuration(name, port, objectTimeoutMinutes));
  const log = openSync(join(folder, 'server.log'), 'a');
  // prettier-ignore
  const child = spawn('java', [
    '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Duser.timezone=UTC', '-Djava.awt.headless=true',
    '-cp', classPath, 'offboil.hop.OwnedServer', folder, 'server.xml',
    // detached: Ctrl+C belongs to whoever started us, and it ends the server in its own order
  ], { cwd: folder, stdio: ['pipe', log, log], detached: true });
  closeSync(log);
  const spawned = { failed: false };
  child.once('error', () => (spawned.failed = true));
  for (let tries = 0; tries < 600; tries++) {
    if (spawned.failed || child.exitCode !== null) break;
    const answer = await request(port, 'status', { xml: 'Y' }).catch(() => undefined);
    if (answer?.status === 200) return { ok: true, port, folder, child };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const words = readFileSync(join(folder, 'server.log'), 'utf8').slice(-2000);
  await end(child, folder);
  return { ok: false, log: words };
}

function configuration(name: string, port: number, objectTimeoutMinutes: number): string {
  return (
    `<hop-server-config><hop-server><name>${name}</name><hostname>127.0.0.1</hostname><port>${port}</port>` +
    `<username>${USER}</username><password>${PASSWORD}</password></hop-server><joining>Y</joining>` +
    `<object_timeout_minutes>${objectTimeoutMinutes}</object_timeout_minutes></hop-server-config>`
  );
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    // A deaf transform is no daemon thread and can hold up the end of the JVM.
    const force = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(force);
  }
  rmSync(folder, { recursive: true, force: true });
}

async function request(
  port: number,
  servlet: string,
  query: Readonly<Record<string, string>>,
  body?: string,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/hop/${servlet}/?${new URLSearchParams(query).toString()}`, {
    method: body === undefined ? 'GET' : 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(15_000),
    headers: {
      authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`,
      ...(body === undefined ? {} : { 'content-type': 'text/xml; charset=UTF-8' }),
    },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

class RunningServer implements HopServer {
  readonly user = USER;
  readonly password = PASSWORD;
  readonly url: string;
  readonly pid: number;
  readonly #port: number;
  readonly #folder: string;
  readonly #child: ChildProcess;

  constructor(
    readonly name: string,
    port: number,
    folder: string,
    child: ChildProcess,
  ) {
    this.url = `http://127.0.0.1:${port}/hop`;
    this.pid = child.pid ?? -1;
    this.#port = port;
    this.#folder = folder;
    this.#child = child;
  }

  writeFile(name: string, text: string): string {
    const file = join(this.#folder, name);
    writeFileSync(file, text);
    return file;
  }

  registerPipeline(document: string, parameters?: Readonly<Record<string, string>>): Promise<HopTask> {
    return this.#register('pipeline', document, parameters);
  }

  registerWorkflow(document: string): Promise<HopTask> {
    return this.#register('workflow', document);
  }

  async start(task: HopTask): Promise<void> {
    await this.#ok(task.kind === 'pipeline' ? 'startPipeline' : 'startWorkflow', task);
  }

  async remove(task: HopTask): Promise<void> {
    await this.#ok(task.kind === 'pipeline' ? 'removePipeline' : 'removeWorkflow', task);
  }

  call(
    servlet: string,
    query: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<{ readonly status: number; readonly text: string }> {
    return request(this.#port, servlet, query, body);
  }

  async status(): Promise<HopStatus> {
    const { text } = await this.call('status', { xml: 'Y' });
    const tasks: (HopTask & { word: string })[] = [];
    const entries = text.matchAll(
      /<(pipeline|workflow)(?:_name|name)>(.*?)<\/.*?>\s*<id>(.*?)<\/id>\s*<status_desc>(.*?)<\/status_desc>/g,
    );
    for (const [, kind, name, id, word] of entries) {
      tasks.push({
        kind: kind === 'pipeline' ? 'pipeline' : 'workflow',
        name: name ?? '',
        id: id ?? '',
        word: word ?? '',
      });
    }
    return { threadCount: Number(/<thread_count>(\d+)/.exec(text)?.[1] ?? Number.NaN), tasks };
  }

  async threads(): Promise<string[]> {
    const { stdout } = await promisify(execFile)('jcmd', [String(this.pid), 'Thread.print'], {
      timeout: 20_000,
      maxBuffer: 16 << 20,
    });
    return [...stdout.matchAll(/^"(.*?)" #/gm)].map(([, name]) => name ?? '');
  }

  stop(): Promise<void> {
    return end(this.#child, this.#folder);
  }

  async #register(
    kind: HopTask['kind'],
    document: string,
    parameters?: Readonly<Record<string, string>>,
  ): Promise<HopTask> {
    const servlet = kind === 'pipeline' ? 'registerPipeline' : 'registerWorkflow';
    const { text } = await this.call(servlet, { xml: 'Y' }, registration(kind, document, parameters));
    const id = /<id>(.+?)<\/id>/.exec(text)?.[1];
    if (id === undefined) throw new Error(`${servlet} answered:\n${text.slice(0, 2000)}`);
    return { id, name: /<name>(.*?)<\/name>/.exec(document)?.[1] ?? '', kind };
  }

  async #ok(servlet: string, task: HopTask): Promise<void> {
    const { text } = await this.call(servlet, { name: task.name, id: task.id, xml: 'Y' });
    if (!text.includes('<result>OK</result>')) throw new Error(`${servlet} answered:\n${text.slice(0, 2000)}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}
