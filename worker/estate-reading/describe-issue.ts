import type { z } from 'zod';
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

/** Turns zod's issues into faults in the operator's words: what stands there, and what was expected. */
export function describeIssues(error: z.ZodError, value: unknown): Fault[] {
  return error.issues.flatMap((issue) => describe(issue, [], value));
}

function describe(issue: z.core.$ZodIssue, above: EstatePath, value: unknown): Fault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path, key, text: `${pathText([...path, key])} is no field that is known here` }));
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
  return [{ path, text: `${subject(path, value)}; expected ${expectation(issue)}` }];
}

/** `servers[0].limits.perServer is 0`. */
function subject(path: EstatePath, value: unknown): string {
  const found = path.reduce<unknown>(
    (inside, part) =>
      typeof inside === 'object' && inside !== null ? (inside as Record<PropertyKey, unknown>)[part] : undefined, // an object has properties
    value,
  );
  const name = path.length === 0 ? 'the estate' : pathText(path);
  if (found === undefined) return `${name} is missing`;
  const shown = JSON.stringify(found);
  const isHidden = HIDDEN.test(name) || (name.endsWith('.url') && shown.includes('@'));
  return `${name} is ${isHidden ? '***' : shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
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
