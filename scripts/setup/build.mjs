import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, run } from './processes.mjs';
import { say } from './say.mjs';

/** Folders without sources of ours. */
const PASSED_OVER = new Set(['node_modules', 'dist', 'docs', 'schema', 'scripts', 'coverage', 'target', 'test']);

function stampOf(root) {
  return join(root, 'dist', '.offboil-build.json');
}

/** Contents, not times: a checkout or a copy changes the times of files that are the same. */
function sources(root) {
  const files = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    ...typescriptBelow(root, ''),
  ].sort();
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return { hash: hash.digest('hex'), files };
}

function typescriptBelow(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return entry.name.startsWith('.') || PASSED_OVER.has(entry.name) ? [] : typescriptBelow(root, path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function lastBuild(root) {
  const stamp = stampOf(root);
  return existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')) : { hash: '', files: [] };
}

/** @param {string} root folder of the project */
export function isBuilt(root) {
  return lastBuild(root).hash === sources(root).hash;
}

/**
 * Compiles all but the tests, then bundles the workflows.
 * @param {string} root folder of the project
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>} whether it succeeded; what did not has been said on stderr
 */
export async function build(root, env) {
  say('building');
  const { hash, files } = sources(root);
  const dist = join(root, 'dist');
  // what was compiled from a file that is gone must not hide that it is gone
  if (lastBuild(root).files.some((file) => !files.includes(file))) rmSync(dist, { recursive: true });
  mkdirSync(dist, { recursive: true });
  const options = { cwd: root, env: cleanEnvironment(env) };
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
  const incremental = ['--incremental', '--tsBuildInfoFile', join('dist', '.tsbuildinfo')];
  const bundler = join('dist', 'worker', 'bundle.js');
  for (const args of [[tsc, '-p', 'tsconfig.build.json', ...incremental], [bundler]]) {
    const { code } = await run(process.execPath, args, options);
    if (code !== 0) return false;
  }
  writeFileSync(stampOf(root), JSON.stringify({ hash, files }));
  return true;
}
