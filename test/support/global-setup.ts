import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '../../adapters/ledger/embedded/postgres-server.js';
import { presentTemporalCli } from '../../scripts/setup/temporal-cli.mjs';
import { type DevServer, startDevServer } from '../../worker/dev-server.js';

/**
 * One PostgreSQL and one Temporal server for the whole run (servers that start side by side race, and a server per file would
 * take longer than the tests). What tests need to know of them travels in environment variables, see `temporal.ts`.
 */
export default async function setup(): Promise<() => Promise<void>> {
  // one parent for all runs: each start ends what a run that was killed has left beside it
  const parent = join(tmpdir(), `offboil-test-${process.getuid?.() ?? 0}`);
  mkdirSync(parent, { recursive: true, mode: 0o711 });
  const servers: (PostgresServer | DevServer)[] = [];
  const own = (name: string): string => join(parent, `${process.pid}-${name}`);
  const teardown = async (): Promise<void> => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    rmSync(own('files'), { recursive: true, force: true });
  };
  // on Ctrl+C vitest ends at once, without the teardown, and while it ends nothing can be waited for
  process.once('exit', () => {
    for (const server of servers.splice(0)) process.kill(server.pid, 'SIGKILL');
    for (const name of ['files', 'postgres', 'temporal']) rmSync(own(name), { recursive: true, force: true });
  });

  process.env['OFFBOIL_TEST_WORKFLOW_BUNDLE'] = join(own('files'), 'workflow-bundle.js'); // made by the first test that wants it
  const cliPath = presentTemporalCli(
    { env: process.env, cache: join(import.meta.dirname, '../../.cache/temporal') },
    () => undefined,
  );
  const started = await Promise.allSettled([
    startPostgres({ folder: own('postgres') }).then((server) => {
      servers.push(server);
      process.env['OFFBOIL_TEST_POSTGRES_URL'] = server.url;
    }),
    // without a CLI the tests that need the server fail, and say why
    cliPath === undefined
      ? undefined
      : startDevServer({ cliPath, folder: own('temporal') }).then((server) => {
          servers.push(server);
          process.env['TEMPORAL_CLI_PATH'] = cliPath;
          process.env['OFFBOIL_TEST_TEMPORAL_ADDRESS'] = server.address;
        }),
  ]);
  for (const outcome of started) {
    if (outcome.status === 'fulfilled') continue;
    await teardown();
    throw outcome.reason;
  }
  return teardown;
}
