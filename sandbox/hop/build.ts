import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** `sandbox/hop` of the source tree, also when this file runs from `dist/`: pom.xml is not copied there. */
const home = findHome();
const target = join(home, 'target');
const stampFile = join(target, '.built-from');

/** What is needed to run Hop Servers here, and what of it is missing, one plain sentence each. */
export function hopAvailable(): { readonly ok: boolean; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const java = majorOf('java', ['-version']);
  if (java === undefined) missing.push('Java 17 or newer is needed, and there is no "java" on the PATH.');
  else if (java < 17) missing.push(`Java 17 or newer is needed; "java" on the PATH is ${java}.`);
  if (!isBuilt()) {
    if (majorOf('javac', ['-version']) === undefined)
      missing.push('A JDK is needed to build the plugins, and there is no "javac" on the PATH.');
    if (majorOf('mvn', ['-v']) === undefined)
      missing.push('Maven is needed to fetch Hop Server and to build the plugins, and there is no "mvn" on the PATH.');
  }
  return { ok: missing.length === 0, missing };
}

/**
 * Builds the plugins and fetches the server's libraries with Maven, once for the same sources; under a lock, so that any
 * number of processes may call it.
 * @returns the class path of a Hop Server with the plugins
 */
export async function buildHop(): Promise<string> {
  const classPath = `${join(target, 'hop-test-plugins.jar')}:${join(target, 'lib')}/*`;
  if (isBuilt()) return classPath;
  const release = await lock(join(home, 'target', '.lock'));
  try {
    if (isBuilt()) return classPath;
    process.stderr.write(
      'hop: building the test plugins and fetching Hop Server 2.16 with Maven (10 s, the first time about 30 s)\n',
    );
    await promisify(execFile)('mvn', ['-q', '-B', 'package'], {
      cwd: home,
      timeout: 600_000,
      maxBuffer: 16 << 20,
    }).catch((cause: unknown) => {
      throw new Error(`"mvn package" failed in ${home}:\n${outputOf(cause).slice(-2000)}`, { cause });
    });
    writeFileSync(stampFile, sourceHash());
    return classPath;
  } finally {
    release();
  }
}

function findHome(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    for (const candidate of [folder, join(folder, 'sandbox', 'hop')])
      if (existsSync(join(candidate, 'pom.xml'))) return candidate;
    if (folder === dirname(folder))
      throw new Error('sandbox/hop/pom.xml is missing: real Hop Servers run from the source tree only');
  }
}

function isBuilt(): boolean {
  return (
    existsSync(stampFile) &&
    existsSync(join(target, 'hop-test-plugins.jar')) &&
    readFileSync(stampFile, 'utf8') === sourceHash()
  );
}

function sourceHash(): string {
  const sources = join(home, 'src', 'main', 'java', 'offboil', 'hop');
  const hash = createHash('sha256').update(readFileSync(join(home, 'pom.xml')));
  for (const file of readdirSync(sources).sort()) hash.update(file).update(readFileSync(join(sources, file)));
  return hash.digest('hex');
}

function majorOf(command: string, args: readonly string[]): number | undefined {
  const ran = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
  if (ran.status !== 0) return undefined;
  return Number.parseInt(/\d+/.exec(ran.stdout + ran.stderr)?.[0] ?? '', 10);
}

function outputOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${'stdout' in error ? String(error.stdout) : ''}\n${'stderr' in error ? String(error.stderr) : ''}\n${error.message}`;
}

/** A lock file with the owner's pid; one whose owner is dead is taken over. */
async function lock(file: string): Promise<() => void> {
  mkdirSync(dirname(file), { recursive: true });
  for (;;) {
    try {
      const handle = openSync(file, 'wx');
      writeSync(handle, String(process.pid));
      closeSync(handle);
      return () => {
        rmSync(file, { force: true });
      };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (!ownerLives(file)) rmSync(file, { force: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function ownerLives(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return true; // an empty file is one that is just being written
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
