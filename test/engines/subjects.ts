import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe } from 'vitest';
import { createCarteEngine } from '../../adapters/engines/carte/carte-engine.js';
import type { Engine } from '../../domain/ports.js';
import { Secret } from '../../domain/secret.js';
import type { EngineInfo, TaskKind, TaskRef } from '../../domain/tasks.js';
import { endlessPipeline, parentWorkflow } from '../../sandbox/hop/harness.js';
import { createFleet, type Fleet, type PersonalityName, type TaskSpec } from '../../sandbox/index.js';
import { describeOnHop, engineOf, HopScene, waitFor } from '../hop/scene.js';

/** A product before the suite: fed and witnessed with none of the engine's code. */
export interface Product {
  /** With its prefix. */
  readonly url: string;
  engineAt(url: string): Engine & { close(): void };
  /** A new task that works until it is stopped. */
  running(name: string, kind: TaskKind): Promise<TaskRef>;
  /** A new task that was never started. */
  waiting(name: string, kind: TaskKind): Promise<TaskRef>;
  /** Resolves when the task has logged another line. */
  logged(ref: TaskRef): Promise<void>;
  /** How many tasks of that name really work, whatever a list says. */
  atWork(name: string): Promise<number>;
  /** What a rerun of such a task is told to run. */
  runOf(name: string, kind: TaskKind): string;
}

/** An engine with the product it talks to. */
export interface Subject {
  readonly name: string;
  readonly kinds: readonly TaskKind[];
  /** What a probe must tell. */
  readonly info: Pick<EngineInfo, 'product' | 'version' | 'dialect' | 'source' | 'rungs' | 'start'>;
  readonly describe: (name: string, suite: () => void) => void;
  /** Called inside its suite: the product is there while a test runs. */
  readonly use: () => () => Product;
}

export const SUBJECTS: readonly Subject[] = [
  carte('5.4', { version: '5.4.0.1', dialect: '5.0', source: 'measured', rungs: ['stop'], start: 'none' }),
  carte('6.1', { version: '6.1.0.19', dialect: '6.1', source: 'measured', rungs: ['stop'], start: 'none' }),
  carte('7.0', { version: '7.0.0.6', dialect: '7.0', source: 'measured', rungs: ['stop'], start: 'list' }),
  carte('7.1', { version: '7.1.0.32', dialect: '7.1', source: 'measured', rungs: ['stop'], start: 'list' }),
  carte('8.0', { version: '8.0.0.7', dialect: '8.0', source: 'measured', rungs: ['stop'], start: 'list' }),
  carte('8.1', { version: '8.1.0.2', dialect: '8.1', source: 'measured', rungs: ['safe', 'stop'], start: 'list' }),
  carte('8.2', { version: '8.2.0.7', dialect: '8.2', source: 'measured', rungs: ['safe', 'stop'], start: 'list' }),
  carte('8.3', { version: '8.3.0.0', dialect: '8.3', source: 'measured', rungs: ['safe', 'stop'], start: 'log' }),
  carte('8.3.0.25', { version: '8.3.0.25', dialect: '8.3', source: 'measured', rungs: ['safe', 'stop'], start: 'log' }),
  carte('9.1', { version: '9.1.0.7', dialect: '8.3', source: 'measured', rungs: ['safe', 'stop'], start: 'log' }),
  carte('9.4', { version: '9.4.0.0', dialect: '9.2', source: 'measured', rungs: ['safe', 'stop'], start: 'log' }),
  carte('10.2', { version: '10.2.0.0', dialect: '10.1', source: 'measured', rungs: ['safe', 'stop'], start: 'log' }),
  {
    name: 'Hop Server 2.16',
    kinds: ['pipeline', 'workflow'],
    info: {
      product: 'Apache Hop Server',
      version: '2.16.0',
      dialect: 'hop-2.16',
      source: 'measured',
      rungs: ['stop'],
      start: 'list',
    },
    describe: describeOnHop,
    use: () => {
      const scene = HopScene.use('behaviours');
      return () => hop(scene);
    },
  },
];

/** A simulated Carte; a fleet of its own for each test costs milliseconds. */
function carte(personality: PersonalityName, info: Omit<Subject['info'], 'product'>): Subject {
  return {
    name: `Carte ${personality}`,
    kinds: ['transformation', 'job'],
    info: { product: 'Carte', ...info },
    describe,
    use: () => {
      let fleet: Fleet | undefined;
      beforeEach(async () => {
        fleet = await createFleet({ servers: [{ name: 'carte', personality, tasks: [] }] });
      });
      afterEach(() => fleet?.stop());
      return () => {
        if (fleet === undefined) throw new Error('the fleet is up only while tests run');
        return simulated(fleet, info.version);
      };
    },
  };
}

const LOGS_EVERY_MS = 20;

function simulated(fleet: Fleet, version: string): Product {
  const add = async (name: string, kind: TaskKind, waiting: boolean): Promise<TaskRef> => {
    if (kind !== 'transformation' && kind !== 'job') throw new Error(`Carte has no ${kind}`);
    const spec: TaskSpec = { name, kind, mode: 'idle', traits: { waiting, logsEveryMs: LOGS_EVERY_MS } };
    const [id = ''] = await fleet.addTask('carte', spec);
    return { server: 'carte', id, name, kind };
  };
  return {
    url: fleet.servers[0]?.url ?? '',
    engineAt: (url) =>
      createCarteEngine({
        server: 'carte',
        url,
        user: 'cluster',
        password: new Secret('cluster'),
        version,
        timezone: 'UTC',
        perServer: 4,
        timeoutMs: 10_000,
      }),
    running: (name, kind) => add(name, kind, false),
    waiting: (name, kind) => add(name, kind, true),
    logged: () => sleep(3 * LOGS_EVERY_MS), // its witness is its own clock
    atWork: async (name) => {
      const named = (await fleet.tasks()).filter((task) => task.name === name);
      return named.reduce((sum, { threads }) => sum + threads, 0);
    },
    runOf: (name) => `/nightly/${name}`,
  };
}

function hop(scene: HopScene): Product {
  const { server } = scene;
  const childOf = (name: string): string => `child of ${name}`;
  const documentOf = (name: string, kind: TaskKind): string => {
    if (kind === 'pipeline') return endlessPipeline(name);
    const file = server.writeFile(`child-of-${name}.hpl`, endlessPipeline(childOf(name)));
    return parentWorkflow(name, { file, wait: true });
  };
  // A pipeline of the harness has two transforms, each with a thread of its own.
  const atWork = async (name: string): Promise<number> =>
    [...(await scene.threadsOf(name)), ...(await scene.threadsOf(childOf(name)))].length / 2;
  const running = async (name: string): Promise<number> =>
    (await server.status()).tasks.filter((task) => task.name === name && task.word === 'Running').length;
  return {
    url: server.url,
    engineAt: (url) => engineOf(server, { url }),
    running: async (name, kind) => {
      const before = await running(name);
      const document = documentOf(name, kind);
      const ref = await (kind === 'pipeline' ? scene.runningPipeline(document) : scene.runningWorkflow(document));
      const told = kind === 'pipeline' ? running : atWork; // that a workflow runs tells nothing of its child
      await waitFor(`"${name}" to work`, async () => ((await told(name)) > before ? true : undefined));
      return ref;
    },
    waiting: async (name, kind) => {
      const document = documentOf(name, kind);
      return scene.refOf(
        await (kind === 'pipeline' ? server.registerPipeline(document) : server.registerWorkflow(document)),
      );
    },
    logged: () => Promise.resolve(), // an endless pipeline says nothing after its start, and its list has dates of its own
    atWork,
    runOf: (name, kind) => server.writeFile(`${name}.${kind === 'pipeline' ? 'hpl' : 'hwf'}`, documentOf(name, kind)),
  };
}
