import { z } from 'zod';
import { likelyWord } from '../../domain/selection/check-selection.js';
import { pathText, type EstatePath, type Fault } from './fault.js';

/** Values that may hold a secret are never shown; an address of a database or webhook often holds one. */
const HIDDEN = /\.(?:password|secret)$|^(?:databases|notifiers)\[\d+\]\.url$/;

/** What an issue is called where zod's own words are not for operators. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping',
  record: 'a mapping of names',
};

/** zod's message for an unknown field: those that are known there, which only the schema tells. */
export const nameKnownFields: z.core.$ZodErrorMap = ({ code, inst }) =>
  code === 'unrecognized_keys' && inst instanceof z.ZodObject ? Object.keys(inst.shape).join(' ') : undefined;

/** Turns zod's issues into faults in the operator's words: what stands there, and what was expected. */
export function describeIssues(error: z.ZodError, value: unknown): Fault[] {
  return error.issues.flatMap((issue) => describe(issue, [], value));
}

function describe(issue: z.core.$ZodIssue, above: EstatePath, value: unknown): Fault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ');
    return issue.keys.map((key) => ({ path, key, text: `${pathText([...path, key])} ${unknownField(key, known)}` }));
  }
  if (issue.code === 'invalid_union') {
    // The branch with the deepest faults is the one that was meant; with none deeper, all that it could be is said.
    const branches = issue.errors.filter((errors) =>
      errors.some((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
    );
    const meant = branches[0];
    if (branches.length === 1 && meant !== undefined) return meant.flatMap((inner) => describe(inner, path, value));
    const choices = [...new Set(issue.errors.flatMap((errors) => errors.map((inner) => expectation(inner))))];
    const expected = choices.length > 0 ? choices.join(', or ') : discriminators(issue.message);
    return [{ path, text: `${subject(path, value)}; expected ${expected}` }];
  }
  const expected = expectation(issue);
  return [
    { path, text: `${subject(path, value)}; expected ${expected === 'text' ? textInQuotes(path, value) : expected}` },
  ];
}

/** What stands in a misspelt field may be a password. */
function unknownField(key: string, known: readonly string[]): string {
  const likely = likelyWord(key, known);
  const question = likely === undefined ? '' : ` did you mean "${likely}"?`;
  return `is no field that is known here (its value is not shown: it may be a secret);${question} expected ${listed(known)}`;
}

/** `servers[0].limits.perServer is 0`. */
function subject(path: EstatePath, value: unknown): string {
  const name = path.length === 0 ? 'the estate' : pathText(path);
  const found = valueAt(path, value);
  if (found === undefined) return `${name} is missing`;
  const shown = JSON.stringify(found);
  if (isHidden(path, value)) return `${name} is ***`;
  return `${name} is ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`;
}

function valueAt(path: EstatePath, value: unknown): unknown {
  return path.reduce<unknown>(
    (inside, part) =>
      typeof inside === 'object' && inside !== null ? (inside as Record<PropertyKey, unknown>)[part] : undefined, // an object has properties
    value,
  );
}

function isHidden(path: EstatePath, value: unknown): boolean {
  const name = pathText(path);
  return HIDDEN.test(name) || (name.endsWith('.url') && JSON.stringify(valueAt(path, value)).includes('@'));
}

/** YAML reads a bare 5.4 as a number, and a bare true as a truth value. */
function textInQuotes(path: EstatePath, value: unknown): string {
  const found = valueAt(path, value);
  if (typeof found !== 'number' && typeof found !== 'boolean') return 'text';
  return isHidden(path, value) ? 'text in quotes' : `text such as '${String(found)}' in quotes`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.startsWith('expected ')) return issue.message.replace('expected ', ''); // the contract's own words
      return TYPE_WORDS[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return listed(issue.values.map(String));
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `at least ${issue.minimum}`
        : 'something, not nothing';
    case 'too_big':
      return `at most ${issue.maximum}`;
    default:
      return issue.message
        .replace(/^expected /, '')
        .replace(/^Invalid URL$/, 'an address such as https://host:8443/kettle');
  }
}

/** zod names the kinds it knows only in its message: `Invalid discriminator value. Expected 'rerun' | 'manual'`. */
function discriminators(message: string): string {
  const words = [...message.matchAll(/'([^']+)'/g)].map((found) => found[1] ?? '');
  return words.length === 0 ? message : listed(words);
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
