import { setTimeout as sleep } from 'node:timers/promises';
import type { Report, RequestInput } from '../client/index.js';
import { demoScenario, spawnFleet } from '../sandbox/index.js';
import { hopAvailable, type RealFacts, startRealFleet } from '../sandbox/hop/harness.js';
import { demoEstate, realEstate } from './estate.js';
import { differences } from './foretold.js';

/** A fleet, what is asked of it, and what the report must say about it. */
export interface Scene {
  readonly what: string;
  readonly request: RequestInput & { readonly requestId: string };
  /** Starts the fleet. @returns the estate that describes it, as YAML */
  start(warehouse: string): Promise<string>;
  /** Compares the report with what is known beside it. @returns lines to show, and one sentence for each difference */
  compare(report: Report): Promise<{ readonly lines: readonly string[]; readonly wrong: readonly string[] }>;
  stop(): Promise<void>;
}

const incident = {
  requestId: 'INC-42',
  reason: 'ERP source corrupt since 02:10',
  requestedBy: 'ops-oncall',
  ticket: 'INC-42',
  policy: 'demo',
} as const;

/** Four simulated Carte servers with all the awkward cases; their tasks really load rows. */
export function sandboxScene(): Scene {
  let fleet: Awaited<ReturnType<typeof spawnFleet>> | undefined;
  return {
    what: 'a sandbox fleet of 4 servers',
    request: { ...incident, select: { sources: ['erp-oracle'] }, except: { groups: ['payments'] }, mode: 'forced' },
    async start(warehouse) {
      fleet = await spawnFleet(demoScenario(warehouse));
      return demoEstate(fleet.servers, warehouse);
    },
    compare: (report) => Promise.resolve({ lines: [], wrong: differences(report) }),
    stop: async () => fleet?.stop(),
  };
}

/** Three real Hop Servers whose pipelines load a real PostgreSQL. @returns what is missing where they cannot run */
export function realScene(): Scene | readonly string[] {
  const { ok, missing } = hopAvailable();
  if (!ok) return missing;
  let fleet: Awaited<ReturnType<typeof startRealFleet>> | undefined;
  return {
    what: 'three real Hop Servers',
    request: { ...incident, select: { contract: 'any' }, mode: 'graceful' },
    async start(warehouse) {
      fleet = await startRealFleet({ servers: 3, postgresUrl: warehouse });
      await sleep(LOADING_MS); // so that there is something to stop
      return realEstate(fleet.servers, warehouse);
    },
    async compare(report) {
      if (fleet === undefined) return { lines: [], wrong: ['the fleet was not started'] };
      const facts = await fleet.facts();
      return { lines: factLines(facts), wrong: contradictions(report, facts) };
    },
    stop: async () => fleet?.stop(),
  };
}

const LOADING_MS = 1500;

function factLines(facts: RealFacts): string[] {
  return [
    ...facts.servers.map(
      ({ name, tasks, pipelineThreads }) =>
        `${name} itself: ${tasks.map((task) => `${task.name} "${task.word}"`).join(', ')}; ${pipelineThreads.length} pipeline threads alive`,
    ),
    ...facts.tables.map(({ table, rows, rowsLater }) => `table ${table}: ${rows} rows, ${rowsLater} a moment later`),
  ];
}

/** What servers, threads and tables say against the report. */
function contradictions(report: Report, facts: RealFacts): string[] {
  const alive = facts.servers.filter(({ pipelineThreads }) => pipelineThreads.length > 0);
  const growing = facts.tables.filter(({ rows, rowsLater }) => rowsLater > rows);
  const open = report.results.filter(({ outcome }) => outcome !== 'stopped' && outcome !== 'alreadyEnded');
  return [
    ...alive.map(({ name, pipelineThreads }) => `${name} has live threads: ${pipelineThreads.join(', ')}`),
    ...growing.map(({ table }) => `table ${table} still grows`),
    ...open.map(({ server, name, outcome }) => `${name} on ${server} ended ${outcome}`),
    ...(report.exitCode === 0 ? [] : [`exit code ${report.exitCode}, expected 0: ${report.message}`]),
  ];
}
