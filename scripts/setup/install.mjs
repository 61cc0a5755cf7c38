import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, onPath, run } from './processes.mjs';
import { SetupError, say } from './say.mjs';

function stampOf(root) {
  return join(root, 'node_modules', '.offboil-setup.json');
}

/** What must be equal for the installed packages to be the right ones. */
function wanted(root) {
  const lockfile = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return JSON.stringify({ lockfile, platform: `${process.platform}-${process.arch}` });
}

/** @param {string} root folder of the project */
export function isInstalled(root) {
  const stamp = stampOf(root);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted(root);
}

/**
 * @param {string} root folder of the project
 * @param {NodeJS.ProcessEnv} env
 */
export async function install(root, env) {
  say('installing the packages of package-lock.json, which takes about half a minute');
  const stamp = wanted(root);
  // the npm that runs us, for it need not be the one on the PATH
  const ours = /npm-cli\.js$/.test(env.npm_execpath ?? '')
    ? [process.execPath, env.npm_execpath]
    : [onPath('npm', env) ?? 'npm'];
  // no install scripts: every binary that we use lies in its package as it is
  const how = [
    '--include=dev',
    '--include=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const { code, problem } = await run(ours[0], [...ours.slice(1), 'ci', ...how], {
    cwd: root,
    env: cleanEnvironment(env),
  });
  if (code !== 0)
    throw new SetupError(
      `npm ci failed (${problem ?? `exit code ${code}`}): see its message above. Nothing was started.`,
    );
  writeFileSync(stampOf(root), stamp);
}
