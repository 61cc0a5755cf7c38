import { writeFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import type { House } from '../demo/start-house.js';
import type { FleetHandle, ServerAddress } from '../sandbox/index.js';
import { workflowIdOf } from '../workflows/messages.js';

/** What one run of ours took and cost. */
export interface OurRun {
  /** From before the start of the workflow to the last target's `at`. */
  readonly ms: number;
  readonly msToFirstStop: number;
  readonly listsPerServer: number;
  readonly historyEvents: number;
  readonly rssMiB: number;
  /** CPU of the process that holds worker and client, up to the workflow's end. */
  readonly cpuMicrosPerStop: number;
}

/** A contract for every task, and a policy that leaves nothing but list, stop, verify and report. */
export function benchEstate(servers: readonly ServerAddress[], perServer: number): string {
  return stringify({
    servers: servers.map(({ name, url, personality }) => ({
      name,
      engine: 'carte',
      url,
      user: 'cluster',
      password: 'cluster',
      version: personality,
      timezone: 'UTC',
      limits: { perServer, timeout: '10s' },
    })),
    tasks: [{ match: { name: '*' }, priority: 'normal' }],
    policies: {
      bench: {
        extends: 'contain',
        confirm: 'none',
        snapshot: 'none',
        waves: ['100%'],
        watchAfter: '0s',
        inFlight: servers.length * perServer,
      },
    },
  });
}

/** Stops the whole fleet by a run of the product. @throws Error unless every task was proven stopped */
export async function runOurs(house: House, fleet: FleetHandle, perServer: number, runId: string): Promise<OurRun> {
  await writeFile(house.estateFile, benchEstate(fleet.servers, perServer));
  let rss = 0;
  const watching = setInterval(() => (rss = Math.max(rss, process.memoryUsage.rss())), 50);
  const cpu = process.cpuUsage();
  const startedAt = Date.now();
  const run = await house.client.start({
    requestId: runId,
    reason: 'benchmark',
    requestedBy: 'bench',
    select: { names: ['load_*'] },
    policy: 'bench',
    dryRun: false,
  });
  const result = await run.result();
  const used = process.cpuUsage(cpu);
  clearInterval(watching);
  const report = await run.report();
  const planned = result.planned;
  if (result.exitCode !== 0 || report.results.length !== planned) throw new Error(`run ${runId}: ${result.message}`);
  const log = await fleet.log();
  const stops = log.filter(({ path }) => path === 'stopTrans');
  if (stops.length !== planned) throw new Error(`run ${runId}: ${stops.length} stops for ${planned} tasks`);
  return {
    ms: report.results.reduce((last, { at }) => Math.max(last, Date.parse(at)), startedAt) - startedAt,
    msToFirstStop: (stops[0]?.at ?? startedAt) - startedAt,
    listsPerServer: log.filter(({ path }) => path === 'status').length / fleet.servers.length,
    historyEvents: await historyEvents(house, runId),
    rssMiB: rss / 1024 / 1024,
    cpuMicrosPerStop: (used.user + used.system) / planned,
  };
}

async function historyEvents({ temporalAddress }: House, runId: string): Promise<number> {
  const connection = await Connection.connect({ address: temporalAddress });
  try {
    const described = await new Client({ connection }).workflow.getHandle(workflowIdOf(runId)).describe();
    return described.historyLength;
  } finally {
    await connection.close();
  }
}
