import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { request } from 'node:http';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Fleet } from './fleet.js';
import { CONTROLS } from './fleet.js';
import type { FleetControl, Scenario, ServerAddress } from './scenario.js';

export { createFleet, type Fleet } from './fleet.js';
export type * from './scenario.js';
export * from './scenarios.js';

/** A fleet in a process of its own. */
export interface FleetHandle extends Fleet {
  /** Where `POST /<method>` is answered, for whoever has only the address. */
  readonly control: string;
  readonly pid: number;
}

/** What the program tells its parent when all ports are open. */
export interface FleetReady {
  readonly control: string;
  readonly servers: readonly ServerAddress[];
}

/** Starts a fleet as a process of its own, which ends with `stop()` or when this process is gone. */
export async function spawnFleet(scenario: Scenario, { cwd }: { cwd?: string } = {}): Promise<FleetHandle> {
  const isSource = import.meta.url.endsWith('.ts');
  const program = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
  const child = fork(program, ['--child'], {
    execArgv: isSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    ...(cwd !== undefined && { cwd }),
  });
  child.send(scenario);
  const ready = await new Promise<FleetReady>((resolve, reject) => {
    // Our own program sends this one message and no other.
    child.once('message', (message) => {
      resolve(message as FleetReady);
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`the sandbox fleet did not start (exit code ${String(code)}); its reason stands on stderr`));
    });
  });
  return {
    ...controlOf(ready.control),
    ...ready,
    pid: child.pid ?? 0,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

/** The controls of a fleet of which only the control address is known. */
export function controlOf(control: string): FleetControl {
  const calls = CONTROLS.map(
    (method) => [method, (...given: unknown[]) => callControl(control, method, given)] as const,
  );
  // CONTROLS holds every method of FleetControl, and the program answers each with what the same method returns there.
  return Object.fromEntries(calls) as unknown as FleetControl;
}

async function callControl(control: string, method: string, given: readonly unknown[]): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    let body = '';
    const sent = request(`${control}/${method}`, { method: 'POST' }, (response) => {
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () => {
        resolve(body);
      });
      response.on('error', reject);
    });
    sent.on('error', reject).end(JSON.stringify(given));
  });
  const answer = JSON.parse(text) as { value?: unknown; error?: string }; // written by openControl
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.value;
}
