import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { renderReportHtml } from '../client/cli/render/report-html.js';
import { progressLine } from '../client/cli/render/progress.js';
import { reportLines } from '../client/cli/render/report-text.js';
import { languageOf, textsIn } from '../client/cli/texts/index.js';
import type { Report, RequestInput, RunHandle } from '../client/index.js';
import { demoScenario, spawnFleet } from '../sandbox/index.js';
import { demoEstate } from './estate.js';
import { differences } from './foretold.js';
import { startHouse } from './start-house.js';

const request = {
  requestId: 'INC-42',
  reason: 'ERP source corrupt since 02:10',
  requestedBy: 'ops-oncall',
  ticket: 'INC-42',
  select: { sources: ['erp-oracle'] },
  except: { groups: ['payments'] },
  mode: 'forced',
  policy: 'demo',
} satisfies RequestInput;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    real: { type: 'boolean', default: false },
    lang: { type: 'string' },
  },
});
const language = languageOf(process.argv, process.env);
const say = textsIn(language);
const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** The main job with nothing to set up: a real bulk stop over a fleet with all the awkward cases, and its report. */
async function main(): Promise<number> {
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      stopped.abort(new Error('stopped'));
    });
  }
  const home = resolve(process.env['OFFBOIL_HOME'] ?? '.offboil');
  const cliPath = process.env['TEMPORAL_CLI_PATH'] ?? 'temporal';
  const closing: (() => Promise<unknown>)[] = [];
  try {
    tell('starting ledger, Temporal, worker and a sandbox fleet of 4 servers …');
    const house = await startHouse({
      below: home,
      cliPath,
      webUi: true,
      async writeEstate(folder, { warehouse }) {
        const fleet = await spawnFleet(demoScenario(warehouse));
        closing.unshift(() => fleet.stop());
        const file = join(folder, 'offboil.yaml');
        await writeFile(file, demoEstate(fleet.servers, warehouse));
        return file;
      },
    });
    closing.unshift(() => house.close());
    stopped.signal.throwIfAborted();
    tell(`Web UI: ${house.uiAddress ?? ''}/namespaces/default/workflows/offboil%2F${request.requestId}`);
    const run = await house.client.start({ ...request, dryRun: false });
    const confirmed = confirm(run);
    for await (const progress of run.watch({ signal: stopped.signal, everyMs: 250 })) tell(progressLine(say, progress));
    await confirmed;
    stopped.signal.throwIfAborted();
    const report = await run.report();
    const html = await keepHtml(home, report);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else process.stdout.write(`${reportLines(say, report).join('\n')}\n`);
    const wrong = differences(report);
    for (const one of wrong) tell(`NOT AS FORETOLD: ${one}`);
    tell(`report as a page: ${html}`);
    tell(
      wrong.length === 0
        ? 'The run ended as its scenario foretells.'
        : 'The run did not end as its scenario foretells.',
    );
    if (options.keep) await keepUp(house.temporalAddress, house.estateFile, stopped.signal);
    return wrong.length === 0 ? 0 : 1;
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
    tell('stopped: everything that was started is ended');
    return 130;
  } finally {
    for (const close of closing) await close();
  }
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
  await new Promise<void>((done) => {
    stopped.addEventListener('abort', () => {
      done();
    });
  });
}

process.exitCode = await main();
