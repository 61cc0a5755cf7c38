import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { createHopEngine, type HopConfig, type HopEngine } from '../../adapters/engines/hop/engine.js';
import type { Reply, StopStep } from '../../domain/ports.js';
import { Secret } from '../../domain/secret.js';
import type { ObservedTask, TaskRef } from '../../domain/tasks.js';
import { hopAvailable, type HopServer, type HopTask, startHopServer } from '../../sandbox/hop/harness.js';

const hop = hopAvailable();
const isCi = process.env['CI'] === 'true';

/** A suite on a real Hop Server. Left out with a plain sentence where Java or Maven is missing; in CI that is a failure. */
export function describeOnHop(name: string, suite: () => void): void {
  if (hop.ok) {
    describe(name, suite);
    return;
  }
  const why = `${name}: left out, no real Hop Server can be run here. ${hop.missing.join(' ')}`;
  if (isCi) {
    it(`${name}: Java and Maven are there in CI`, () => {
      throw new Error(why);
    });
    return;
  }
  console.warn(why);
  describe.skip(name, suite);
}

export const signal = AbortSignal.timeout(300_000);
export const STOP: StopStep = { rung: 'stop', mayLeave: () => true };

export function engineOf(server: HopServer, more: Partial<HopConfig> = {}): HopEngine {
  return createHopEngine({
    server: server.name,
    url: server.url,
    user: server.user,
    password: new Secret(server.password),
    version: '2.16.0',
    perServer: 4,
    timeoutMs: 10_000,
    ...more,
  });
}

/** One real server for a test file, with our engine before it; what a test leaves on it is stopped and removed after each test. */
export class HopScene {
  #server: HopServer | undefined;
  #engine: HopEngine | undefined;

  get server(): HopServer {
    if (this.#server === undefined) throw new Error('the server is up only while tests run');
    return this.#server;
  }

  get engine(): HopEngine {
    if (this.#engine === undefined) throw new Error('the engine is there only while tests run');
    return this.#engine;
  }

  static use(name: string): HopScene {
    const scene = new HopScene();
    beforeAll(async () => {
      scene.#server = await startHopServer({ name });
      scene.#engine = engineOf(scene.#server);
    }, 180_000);
    afterEach(() => scene.#tidy());
    afterAll(async () => {
      scene.#engine?.close();
      await scene.#server?.stop();
    });
    return scene;
  }

  async runningPipeline(document: string): Promise<TaskRef> {
    return this.#running(await this.server.registerPipeline(document));
  }

  async runningWorkflow(document: string): Promise<TaskRef> {
    return this.#running(await this.server.registerWorkflow(document));
  }

  refOf(task: HopTask): TaskRef {
    return { server: this.server.name, ...task };
  }

  stop(ref: TaskRef): Promise<Reply> {
    return this.engine.stop(ref, STOP, signal);
  }

  async seen(ref: TaskRef): Promise<ObservedTask | undefined> {
    return (await this.engine.list(signal)).find(({ id }) => id === ref.id);
  }

  /** Waits until the engine's list shows the task as wanted. */
  until(ref: TaskRef, wanted: (task: ObservedTask) => boolean): Promise<ObservedTask> {
    return waitFor(`"${ref.name}" to be as wanted`, async () => {
      const task = await this.seen(ref);
      return task !== undefined && wanted(task) ? task : undefined;
    });
  }

  untilEnded(ref: TaskRef): Promise<ObservedTask> {
    return this.until(ref, ({ state }) => state === 'ended');
  }

  /** Live threads of a pipeline, whether a list knows it or not. */
  async threadsOf(pipeline: string): Promise<string[]> {
    return (await this.server.threads()).filter((name) => name.startsWith(`${pipeline} - `));
  }

  async #running(task: HopTask): Promise<TaskRef> {
    await this.server.start(task);
    return this.refOf(task);
  }

  async #tidy(): Promise<void> {
    for (const task of (await this.server.status()).tasks) {
      const query = { name: task.name, id: task.id, xml: 'Y' };
      if (task.word === 'Running' || task.word === 'Paused')
        await this.server.call(task.kind === 'pipeline' ? 'stopPipeline' : 'stopWorkflow', query);
      await this.server.remove(task);
    }
  }
}

/** Asks again until there is a value, at most 20 s. */
export async function waitFor<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) {
    const value = await look();
    if (value !== undefined) return value;
  }
  throw new Error(`waited 20 s in vain for ${what}`);
}
