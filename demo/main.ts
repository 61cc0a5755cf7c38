import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { renderReportHtml } from '../client/cli/render/report-html.js';
import { progressLine } from '../client/cli/render/progress.js';
import { reportLines } from '../client/cli/render/report-text.js';
import { languageOf, textsIn } from '../client/cli/texts/index.js';
import type { Report, RunHandle } from '../client/index.js';
import { closeAll, stopRequested, untilAborted } from '../worker/program.js';
import { readOptions } from './options.js';
import { realScene, sandboxScene, type Scene } from './scene.js';
import { type House, startHouse } from './start-house.js';

const USAGE = `A bulk stop over a fleet, with nothing to set up, and its report.

  npm run demo -- [options]

  --json         print the report as JSON
  --keep         leave everything up to look at, until Ctrl+C
  --real         three real Hop Servers in place of the sandbox fleet
  --lang en|zh   language of the report
  --help`;

const given = readOptions(
  USAGE,
  () =>
    parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        real: { type: 'boolean', default: false },
        lang: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values,
);
if (typeof given === 'number') process.exit(given);
const options = given;
const language = languageOf(process.argv, process.env);
const say = textsIn(language);
const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** The main job with nothing to set up: a real bulk stop over a whole fleet, and its report. */
async function main(): Promise<number> {
  const scene = options.real ? realScene() : sandboxScene();
  if (isMissing(scene)) {
    tell(`--real needs ${scene.join(' and ')}: install what is missing, or leave --real away. Nothing was started.`);
    return 1;
  }
  const stopped = stopRequested();
  const home = resolve(process.env['OFFBOIL_HOME'] ?? '.offboil');
  const closing: (() => Promise<unknown>)[] = [() => scene.stop()];
  try {
    tell(`starting ledger, Temporal, worker and ${scene.what} …`);
    const house = await startHouse({
      below: home,
      cliPath: process.env['TEMPORAL_CLI_PATH'] ?? 'temporal',
      webUi: true,
      async writeEstate(folder, { warehouse }) {
        const file = join(folder, 'offboil.yaml');
        await writeFile(file, await scene.start(warehouse));
        return file;
      },
    });
    closing.unshift(() => house.close());
    stopped.throwIfAborted();
    return await play(scene, house, home, stopped);
  } catch (error) {
    if (!stopped.aborted) throw error;
    tell('stopped: everything that was started is ended');
    return 130;
  } finally {
    await closeAll(closing);
  }
}

function isMissing(scene: Scene | readonly string[]): scene is readonly string[] {
  return Array.isArray(scene);
}

async function play(scene: Scene, house: House, home: string, stopped: AbortSignal): Promise<number> {
  const { requestId } = scene.request;
  tell(`Web UI: ${house.uiAddress ?? ''}/namespaces/default/workflows/offboil%2F${requestId}`);
  const run = await house.client.start({ ...scene.request, dryRun: false });
  const confirmed = confirm(run);
  for await (const progress of run.watch({ signal: stopped, everyMs: 250 })) tell(progressLine(say, progress));
  await confirmed;
  stopped.throwIfAborted();
  const report = await run.report();
  const html = await keepHtml(home, report);
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(`${reportLines(say, report).join('\n')}\n`);
  const { lines, wrong } = await scene.compare(report);
  for (const line of lines) tell(line);
  for (const one of wrong) tell(`NOT AS FORETOLD: ${one}`);
  tell(`report as a page: ${html}`);
  tell(wrong.length === 0 ? 'The run ended as foretold.' : 'The run did not end as foretold.');
  if (options.keep) await keepUp(house.temporalAddress, house.estateFile, stopped);
  return wrong.length === 0 ? 0 : 1;
}

/** A plan is read before it is confirmed; meanwhile one of the tasks ends by itself. */
const READING_MS = 1500;

/** The demo's operator reads the plan and consents to its hash. */
async function confirm(run: RunHandle): Promise<void> {
  for await (const { phase, planHash, planned } of run.watch({ everyMs: 100 })) {
    if (phase !== 'confirm' || planHash === undefined) continue;
    const plan = await run.plan();
    for (const { text } of plan.findings) tell(`plan: ${text}`);
    await sleep(READING_MS);
    tell(`the operator confirms ${planned} tasks, plan ${planHash}`);
    await run.approve({ by: 'ops-oncall', planHash });
    return;
  }
}

async function keepHtml(home: string, report: Report): Promise<string> {
  const folder = join(home, 'reports');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${report.runId}-${report.startedAt.replace(/[:.]/g, '-')}.html`);
  await writeFile(file, renderReportHtml(report, language));
  return file;
}

async function keepUp(address: string, estateFile: string, stopped: AbortSignal): Promise<void> {
  tell(`everything stays up: TEMPORAL_ADDRESS=${address}, estate ${estateFile}; Ctrl+C ends it`);
  await untilAborted(stopped);
}

process.exitCode = await main();
