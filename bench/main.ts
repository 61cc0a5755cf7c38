import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readOptions } from '../demo/options.js';
import { type House, startHouse } from '../demo/start-house.js';
import { benchScenario, spawnFleet } from '../sandbox/index.js';
import { stopRequested } from '../worker/program.js';
import type { Field } from './field.js';
import { type OurRun, runOurs } from './ours.js';
import { type Measured, outcomeOf, tableOf } from './results.js';
import { axiosLoop, curlParallel, hasCurl, httpLoop, listOnce, type Rival, xargs } from './rivals.js';

const SERVERS = 50;
const TASKS = 10_000;
const PER_SERVER = 4;
/** A process for each task: all of them would take a minute, so a part is scaled. */
const XARGS_TASKS = 1000;
const REPETITIONS = 3;

const USAGE = `Stops the same kind of fleet by the product and by its rivals, and compares the times.

  npm run bench -- [options]

  --quick   one repetition
  --json    print the figures as JSON
  --help`;

const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Stops the same kind of fleet by the product and by its rivals, in turns. */
async function main(): Promise<number> {
  const options = readOptions(
    USAGE,
    () =>
      parseArgs({
        options: {
          quick: { type: 'boolean', default: false },
          json: { type: 'boolean', default: false },
          help: { type: 'boolean', default: false },
        },
      }).values,
  );
  if (typeof options === 'number') return options;
  const stopped = stopRequested();
  const folder = await mkdtemp(join(tmpdir(), 'offboil-bench-'));
  let house: House | undefined;
  try {
    house = await startHouse({
      below: resolve(process.env['OFFBOIL_HOME'] ?? '.offboil'),
      cliPath: process.env['TEMPORAL_CLI_PATH'] ?? 'temporal',
      webUi: false,
      async writeEstate(own) {
        const file = join(own, 'offboil.yaml');
        await writeFile(file, 'servers: [{ name: none, engine: carte, url: "http://127.0.0.1:9/kettle" }]\n'); // written anew for each fleet
        return file;
      },
    });
    stopped.throwIfAborted();
    const measured = await measure(house, folder, options.quick ? 1 : REPETITIONS, stopped);
    const outcome = outcomeOf(measured);
    if (options.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    (options.json ? tell : console.log)(tableOf(measured, outcome));
    return outcome.selfCheck.valid ? 0 : 2;
  } catch (error) {
    if (!stopped.aborted) throw error;
    tell('stopped: everything that was started is ended');
    return 130;
  } finally {
    await house?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(house: House, folder: string, repetitions: number, stopped: AbortSignal): Promise<Measured> {
  const curl = hasCurl();
  const rivals: Record<string, Rival> = { ...(curl ? { curlParallel } : {}), axiosLoop, httpLoop };
  const measured: Measured = {
    servers: SERVERS,
    tasks: TASKS,
    perServer: PER_SERVER,
    hasCurl: curl,
    ours: {},
    rivals: {},
    lists: {},
    xargsMs: [],
  };
  // the compilers of Node, Temporal and PostgreSQL are warm for everybody
  tell('warming up …');
  await oneOfOurs(house, 1000, 0, 'warm');
  for (const rival of Object.values(rivals)) await onFleet(1000, 0, folder, rival);
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    for (const answerMs of [20, 0]) {
      const contenders: [string, () => Promise<unknown>][] = [
        [
          'ours',
          async () =>
            push(measured.ours, answerMs, await oneOfOurs(house, TASKS, answerMs, `bench-${answerMs}-${repetition}`)),
        ],
        ...Object.entries(rivals).map(([name, rival]): [string, () => Promise<unknown>] => [
          name,
          async () => {
            const { ms, listMs } = await onFleet(TASKS, answerMs, folder, rival);
            push((measured.rivals[name] ??= {}), answerMs, ms);
            push(measured.lists, answerMs, listMs);
          },
        ]),
      ];
      // each begins once: what the machine does beside us hits everybody
      const shift = repetition % contenders.length;
      for (const [name, contend] of [...contenders.slice(shift), ...contenders.slice(0, shift)]) {
        stopped.throwIfAborted();
        tell(`repetition ${repetition}/${repetitions}, ${answerMs} ms answer time: ${name}`);
        await contend();
      }
    }
    if (!curl) continue;
    stopped.throwIfAborted();
    tell(`repetition ${repetition}/${repetitions}: xargs, ${XARGS_TASKS} of ${TASKS} tasks`);
    const { ms } = await onFleet(XARGS_TASKS, 0, folder, xargs);
    measured.xargsMs.push((ms * TASKS) / XARGS_TASKS);
  }
  return measured;
}

async function oneOfOurs(house: House, tasks: number, answerMs: number, runId: string): Promise<OurRun> {
  const fleet = await spawnFleet(benchScenario({ servers: SERVERS, tasks, answerMs }));
  try {
    return await runOurs(house, fleet, PER_SERVER, runId);
  } finally {
    await fleet.stop();
  }
}

/** @throws Error when the rival left something running, or asked twice */
async function onFleet(
  tasks: number,
  answerMs: number,
  folder: string,
  rival: Rival,
): Promise<{ ms: number; listMs: number }> {
  const fleet = await spawnFleet(benchScenario({ servers: SERVERS, tasks, answerMs }));
  try {
    const field: Field = { servers: fleet.servers, perServer: PER_SERVER, folder };
    const listMs = await timed(() => listOnce(field));
    const ms = await timed(() => rival(field));
    const stops = (await fleet.log()).filter(({ path }) => path === 'stopTrans').length;
    if (stops !== tasks) throw new Error(`${rival.name} sent ${stops} stops for ${tasks} tasks`);
    return { ms, listMs };
  } finally {
    await fleet.stop();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function push<T>(lists: Record<number, T[]>, key: number, value: T): void {
  (lists[key] ??= []).push(value);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    tell(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);
