import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build, isBuilt } from './build.mjs';
import { runChecks } from './checks.mjs';
import { install, isInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { handOver } from './processes.mjs';
import { SetupError, say } from './say.mjs';
import { findTemporalCli, presentTemporalCli } from './temporal-cli.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const cache = join(root, '.cache');

/** `program`: what is run at the end (`test` is run here). `servers`: does it start a PostgreSQL and a Temporal server? */
const COMMANDS = {
  demo: { program: 'dist/demo/main.js', servers: () => true },
  test: { servers: () => true },
  bench: { program: 'dist/bench/main.js', servers: () => true },
  prove: { program: 'dist/proofs/main.js', servers: () => true },
  sandbox: { program: 'dist/sandbox/main.js', servers: () => false },
  // all but `up` talk to a Temporal server that runs already
  offboil: { program: 'dist/client/cli/main.js', servers: (args) => commandOf(args) === 'up' },
};

/** The global options of `offboil` that take a value (client/cli/root.ts). */
const OPTIONS_WITH_VALUE = ['profile', 'address', 'namespace', 'lang'];

/**
 * @param {readonly string[]} argv the command, then the arguments of its program
 * @returns {Promise<number>} exit code
 */
export async function main([name, ...args]) {
  if (!Object.hasOwn(COMMANDS, name)) {
    process.stderr.write(`usage: node scripts/setup.mjs <${Object.keys(COMMANDS).join('|')}> [arguments]\n`);
    return 1;
  }
  const { program, servers } = COMMANDS[name];
  try {
    await prepare(program !== undefined);
    const env = servers(args) ? { ...process.env, TEMPORAL_CLI_PATH: await temporalCli() } : process.env;
    if (servers(args)) await placePostgres();
    if (program === undefined) return await runChecks(root, args, env);
    if (!existsSync(join(root, program)))
      throw new SetupError(`${program} does not exist: this version has no "${name}".`);
    return await handOver([join(root, program), ...args], env);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    if (program === undefined) process.stdout.write('0 passed, 1 failed\n');
    return 1;
  }
}

/**
 * @param {readonly string[]} args of `offboil`
 * @returns {string | undefined} the first word that is neither a global option nor the value of one
 */
export function commandOf(args) {
  const options = Object.fromEntries(OPTIONS_WITH_VALUE.map((name) => [name, { type: 'string' }]));
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true }).positionals[0];
}

function locked(work) {
  return withLock(join(cache, 'setup.lock'), work);
}

/** Installs and builds what is missing. The looks take no lock and some 50 ms, so that a second start costs next to nothing. */
async function prepare(mustBuild) {
  if (!isInstalled(root)) await locked(async () => isInstalled(root) || (await install(root, process.env)));
  if (isBuilt(root)) return;
  const built = await locked(async () => isBuilt(root) || (await build(root, process.env)));
  // the tests go on: a build that failed is one of their failures, and the others are of interest too
  if (!built && mustBuild) throw new SetupError('The build failed: see the messages above. Nothing was started.');
}

async function temporalCli() {
  const surroundings = { env: process.env, cache: join(cache, 'temporal') };
  return presentTemporalCli(surroundings, () => undefined) ?? (await locked(() => findTemporalCli(surroundings)));
}

/** PostgreSQL cannot run from a clone that its account may not enter, so its binaries are copied to where it can. */
async function placePostgres() {
  const record = join(cache, 'postgresql'); // the place, which only the compiled program knows, and loading that takes time
  if (existsSync(record) && existsSync(readFileSync(record, 'utf8'))) return;
  const program = join(root, 'dist', 'adapters', 'ledger', 'embedded', 'binaries.js');
  if (!existsSync(program)) return; // the build failed, and has said so
  await locked(async () => {
    say('placing the PostgreSQL binaries');
    const { placeBinaries } = await import(pathToFileURL(program).href);
    writeFileSync(record, await placeBinaries());
  });
}
