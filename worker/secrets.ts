import { readFile } from 'node:fs/promises';
import { OffboilError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';

/** A reference stands alone: `${env:NAME}` or `${file:/path}`. */
const REFERENCE = /^\$\{(?<kind>env|file):(?<name>[^}]+)\}$/;

/** Whether the text is a reference, plain text, or looks like a reference and is none. */
export function referenceKind(text: string): 'reference' | 'plain' | 'malformed' {
  if (REFERENCE.test(text)) return 'reference';
  return text.includes('${') ? 'malformed' : 'plain';
}

/**
 * Resolves a reference of the estate; plain text is taken as it is. A file's last line break is no part of the secret.
 * @throws OffboilError `SECRET_UNRESOLVED` naming the reference, never a value
 */
export async function resolveReference(text: string, env: NodeJS.ProcessEnv): Promise<Secret> {
  const { kind, name } = REFERENCE.exec(text)?.groups ?? {};
  if (kind === undefined || name === undefined) {
    if (referenceKind(text) === 'plain') return new Secret(text);
    throw unresolved('a reference of the estate', 'it is neither ${env:NAME} nor ${file:/path} alone');
  }
  if (kind === 'env') {
    const value = env[name];
    if (value === undefined || value === '') throw unresolved(text, 'the worker has no such variable');
    return new Secret(value);
  }
  try {
    return new Secret((await readFile(name, 'utf8')).replace(/\r?\n$/, ''));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw unresolved(text, `the worker cannot read that file (${code})`, error);
  }
}

function unresolved(reference: string, why: string, cause?: unknown): OffboilError {
  return new OffboilError(
    'SECRET_UNRESOLVED',
    `${reference} cannot be resolved on this worker: ${why}. Nothing was sent with it. Provide it there, or correct the estate file.`,
    { reference },
    cause === undefined ? undefined : { cause },
  );
}
