import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { OffboilError } from '../../../domain/errors.js';

/** The account that PostgreSQL runs as when we are root, because it refuses to run as root. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Undefined: PostgreSQL runs as we do. */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of ['postgres', 'nobody']) {
    const [name, , uid, gid] = lines.find((line) => line.startsWith(`${wanted}:`))?.split(':') ?? [];
    if (name !== undefined && Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new OffboilError(
    'LEDGER_UNAVAILABLE',
    'PostgreSQL refuses to run as root, and /etc/passwd has neither "postgres" nor "nobody". Nothing was started. ' +
      'Run as another account, or set OFFBOIL_LEDGER_URL to a PostgreSQL of your own.',
  );
}

/** Can the account walk down to the folder? The folder itself need not exist yet. */
export function canEnter(folder: string, account: Account | undefined): boolean {
  if (account === undefined) return true;
  let there = resolve(folder);
  while (!existsSync(there)) there = dirname(there);
  for (let at = realpathSync(there); ; at = dirname(at)) {
    const { uid, gid, mode } = statSync(at);
    const mask = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & mask) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * A folder of ours at a place that the account can enter.
 * @throws OffboilError when the place is taken by somebody else: what lies in a shared folder is never trusted blindly
 */
export function placeFor(name: string, account: Account | undefined, lasting: boolean): string {
  const parents = lasting ? ['/var/lib', '/var/tmp'] : [tmpdir(), '/tmp', '/var/tmp'];
  const parent = parents.find((candidate) => existsSync(candidate) && canEnter(candidate, account));
  if (parent === undefined) {
    throw new OffboilError(
      'LEDGER_UNAVAILABLE',
      `The account "${account?.name ?? ''}" can enter none of ${parents.join(', ')}.`,
    );
  }
  return join(parent, `${name}-${process.getuid?.() ?? 0}`);
}

/** Makes a folder that is ours and that others may pass through, not list. */
export function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const { uid, mode } = lstatSync(folder);
  if (process.getuid !== undefined && (uid !== process.getuid() || (mode & 0o022) !== 0)) {
    throw new OffboilError(
      'LEDGER_UNAVAILABLE',
      `The folder ${folder} belongs to another account or others may write to it. Nothing was started. Remove it, or set TMPDIR.`,
    );
  }
}

/** Hands a path to the account. */
export function giveTo(path: string, account: Account | undefined): void {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}
