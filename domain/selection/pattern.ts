import { RE2JS, RE2JSException } from 're2js';
import { OffboilError } from '../errors.js';

/** Files of Kettle and Hop; servers from 9.4 on show some names with them, older ones never. */
const EXTENSION = /\.(?:ktr|kjb|hpl|hwf)$/i;

/**
 * What Kettle puts behind the name of a clustered transformation's parts: `NAME (master)`, `NAME (SCHEMA:SERVER)`
 * (TransSplitter). Anchored, without nesting and bounded, so that a server's text cannot make it slow.
 */
const CLUSTER_PART = / \((?:master|[^():]{1,200}:[^():]{1,200})\)$/;

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['i', RE2JS.CASE_INSENSITIVE],
  ['m', RE2JS.MULTILINE],
  ['s', RE2JS.DOTALL],
]);

/**
 * Compiles a pattern once: `/…/flags` is an RE2 regular expression that may match anywhere in the name (anchor it with `^` and
 * `$`), anything else a glob over the whole name, in which `*` stands for any text and `?` for one character.
 * RE2 runs in linear time, so a pattern from a request cannot stall the worker.
 * @throws OffboilError `REQUEST_INVALID` naming the pattern and the reason
 */
export function compilePattern(text: string): (name: string) => boolean {
  const regular = regularExpressionOf(text.trim());
  if (regular === undefined) {
    const [written, trimmed] = [text.normalize('NFC'), comparable(text)];
    return (name) => fitsGlob(trimmed, comparable(name)) || fitsGlob(written, name.normalize('NFC')); // a blank may have been a star's
  }
  const expression = compile(text, regular.body.normalize('NFC'), regular.flags);
  return (name) => expression.test(comparable(name)) || expression.test(name.normalize('NFC'));
}

/**
 * A name as it compares: two spellings of one letter (an accent by itself, or not) are one, and blanks at the ends are none.
 * For comparing alone; a request carries the name as its server lists it.
 */
export function comparable(name: string): string {
  return name.normalize('NFC').trim();
}

/**
 * The same for names of tasks: `load_orders.ktr`, `load_orders` and `load_orders (master)` are one task, on either side
 * (damavis/airflow-pentaho-plugin issue 34). A glob such as `*.ktr` keeps its ending: without it, it would fit everything.
 * @throws OffboilError `REQUEST_INVALID` naming the pattern and the reason
 */
export function compileNamePattern(text: string): (name: string) => boolean {
  const whole = compilePattern(text);
  const stem = comparable(text).replace(EXTENSION, '');
  const isLiteralEnding = regularExpressionOf(text.trim()) === undefined && !/^[*?]*$/.test(stem);
  const bare = isLiteralEnding ? compilePattern(stem) : whole;
  return (name) => whole(name) || formsOf(name).some(bare);
}

/** One task's names: as listed, without what says which part of a cluster it is, and without its file's ending. */
function formsOf(name: string): string[] {
  const own = comparable(name);
  const undivided = own.replace(CLUSTER_PART, '');
  return [...new Set([own, undivided, own.replace(EXTENSION, ''), undivided.replace(EXTENSION, '')])];
}

/** Names no estate has: whatever fits them all was written to fit everything. */
const IMPROBABLE = ['\u0001', '~ no task bears this name ~', 'ZZ9-plural-Z-alpha'];

/** Whether a pattern was made to fit every name there can be. */
export function fitsEveryName(matches: (name: string) => boolean): boolean {
  return IMPROBABLE.every((name) => matches(name));
}

function compile(text: string, body: string, flags: string): RE2JS {
  let bits = 0;
  for (const flag of flags) {
    const bit = FLAGS.get(flag);
    if (bit === undefined) throw invalid(text, `flag "${flag}" is not one of i, m, s`);
    bits |= bit;
  }
  try {
    return RE2JS.compile(body, bits);
  } catch (error) {
    if (error instanceof RE2JSException)
      throw invalid(text, error.message.replace(/^error parsing regexp: /, ''), error);
    throw error;
  }
}

function invalid(text: string, why: string, cause?: Error): OffboilError {
  return new OffboilError(
    'REQUEST_INVALID',
    `The pattern ${text} cannot be used: ${why}. Nothing was sent. Patterns are globs such as load_*, or RE2 between slashes.`,
    { pattern: text },
    cause === undefined ? undefined : { cause },
  );
}

function regularExpressionOf(text: string): { readonly body: string; readonly flags: string } | undefined {
  const parts = /^\/(.+)\/([a-z]*)$/su.exec(text);
  return parts === null ? undefined : { body: parts[1] ?? '', flags: parts[2] ?? '' };
}

/** `*` and `?` are the only signs, the rest is literal. After a mismatch only the last star takes one sign more. */
function fitsGlob(glob: string, name: string): boolean {
  let [g, n, star, resume] = [0, 0, -1, 0];
  while (n < name.length) {
    if (glob[g] === '*') {
      star = g++;
      resume = n;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === name[n])) {
      g++;
      n++;
    } else if (star >= 0) {
      g = star + 1;
      n = ++resume;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
