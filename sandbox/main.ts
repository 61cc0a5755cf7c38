import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createFleet, openControl, type Fleet } from './fleet.js';
import type { FleetReady } from './index.js';
import type { Scenario } from './scenario.js';
import { demoScenario, practiceScenario } from './scenarios.js';

const HELP = `A simulated fleet of Carte servers to practise on. It lives until Ctrl+C.

  npm run sandbox -- [options]

  --servers N      how many servers (4); every third is a 5.4, an 8.3, a 9.4
  --tasks N        how many tasks on all of them together (40)
  --database URL   a PostgreSQL for the awkward fleet of the demo, whose tasks really load rows (then --servers and --tasks do not count)
  --scenario FILE  a scenario of your own as JSON (sandbox/scenario.ts says what may stand there)
  --json           print addresses as one JSON document
  --help

Control (faults, log, what really runs) is one HTTP port: POST /<method> with a JSON array, e.g.
  curl -s CONTROL/tasks -d '[]'      curl -s CONTROL/fault -d '["carte-01", "hang"]'      curl -s CONTROL/heal -d '["carte-01"]'
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: '4' },
      tasks: { type: 'string', default: '40' },
      database: { type: 'string' },
      scenario: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      child: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.child) {
    await runForParent();
    return;
  }
  const fleet = await createFleet(chooseScenario(values));
  const control = await openControl(fleet);
  process.stdout.write(
    values.json ? `${JSON.stringify({ control: control.url, servers: fleet.servers })}\n` : welcome(fleet, control.url),
  );
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  control.close();
  await fleet.stop();
}

/** The parent sends the scenario, hears the addresses, and ends us by closing the channel, also when it dies. */
async function runForParent(): Promise<void> {
  // A signal may reach the whole group of processes; when this fleet ends is its parent's matter.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const gone = once(process, 'disconnect');
  const [scenario] = (await once(process, 'message')) as [Scenario]; // sent by spawnFleet, typed there
  const fleet = await createFleet(scenario);
  const control = await openControl(fleet);
  const ready: FleetReady = { control: control.url, servers: fleet.servers };
  process.send?.(ready);
  await gone;
  control.close();
  await fleet.stop();
}

function chooseScenario(values: {
  servers: string;
  tasks: string;
  database?: string | undefined;
  scenario?: string | undefined;
}): Scenario {
  if (values.scenario !== undefined) return readScenario(values.scenario);
  if (values.database !== undefined) return demoScenario(values.database);
  return practiceScenario({
    servers: count('--servers', values.servers, 1000),
    tasks: count('--tasks', values.tasks, 1_000_000),
  });
}

function readScenario(file: string): Scenario {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Scenario; // the person's own file
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The scenario ${file} cannot be read: ${why}. Nothing was started.`, { cause: error });
  }
}

function count(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`${option} takes a whole number above 0, not ${JSON.stringify(text)}`);
  if (number > most) throw new Error(`${option} takes at most ${most}, not ${text}`);
  return number;
}

function welcome(fleet: Fleet, control: string): string {
  const servers = fleet.servers.map(
    ({ name, url, personality }) =>
      `  - { name: ${name}, engine: carte, url: '${url}', version: '${personality}', timezone: UTC, user: cluster, password: cluster }\n`,
  );
  return `${fleet.servers.map(({ name, url, personality }) => `${name}  PDI ${personality}  ${url}/status/\n`).join('')}
control  ${control}  (log, tasks, fault, heal, …; --help shows how)

For an estate file:

servers:
${servers.join('')}
Ctrl+C ends the fleet.
`;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  if (process.connected) process.disconnect();
});
