import type { Estate } from '../contracts/estate.js';
import type { Selection, TerminationRequest } from '../contracts/request.js';
import { OffboilError } from '../errors.js';
import { compileNamePattern, fitsEveryName } from './pattern.js';

/** Fields that hold words of the estate: a word it does not know is a spelling mistake, and in `except` a dangerous one. */
const WORDS = [
  ['servers', 'server', (estate) => estate.servers.map(({ name }) => name)],
  ['groups', 'group', (estate) => estate.tasks.flatMap(({ group }) => group ?? [])],
  ['tags', 'tag', (estate) => estate.tasks.flatMap(({ tags }) => tags)],
  ['owners', 'owner', (estate) => estate.tasks.flatMap(({ owner }) => owner ?? [])],
  ['sources', 'source', (estate) => estate.tasks.flatMap(({ sources }) => sources)],
] as const satisfies readonly (readonly [keyof Selection, string, (estate: Estate) => readonly string[]])[];

/**
 * Checks what a request selects against the estate, before any server is asked.
 * @throws OffboilError `REQUEST_INVALID` with every fault: patterns that cannot be compiled, words the estate does not know,
 * and patterns made to fit every name where `everything` is meant
 */
export function checkSelection(request: TerminationRequest, estate: Estate): void {
  const faults = [
    ...(request.select === undefined ? [] : faultsOf('select', request.select, estate)),
    ...(request.except === undefined ? [] : faultsOf('except', request.except, estate)),
    ...faultsOfScope(request),
  ];
  if (faults.length === 0) return;
  throw new OffboilError(
    'REQUEST_INVALID',
    ['The request is refused, nothing was sent.', ...faults.map((fault) => `✖ ${fault}`)].join('\n'),
  );
}

function faultsOf(part: 'select' | 'except', selection: Selection, estate: Estate): string[] {
  const words = WORDS.flatMap(([field, label, read]) => {
    const known = [...new Set(read(estate))];
    return (selection[field] ?? [])
      .filter((word) => !known.includes(word))
      .map((word) => `${part}.${field}: the estate has no ${label} "${word}"${suggestion(word, known, label)}`);
  });
  const patterns = (selection.names ?? []).flatMap((text) => {
    const fault = patternFault(text);
    return fault === undefined ? [] : [`${part}.names: ${fault}`];
  });
  return [...words, ...patterns, ...idFaults(part, selection, estate)];
}

function idFaults(part: string, selection: Selection, estate: Estate): string[] {
  const servers = estate.servers.map(({ name }) => name);
  return (selection.ids ?? []).flatMap((text) => {
    const server = text.slice(0, Math.max(0, text.indexOf('/')));
    if (server === '' || servers.includes(server)) return [];
    return [
      `${part}.ids: "${text}" names the server "${server}", which the estate does not have${suggestion(server, servers, 'server')}`,
    ];
  });
}

function patternFault(text: string): string | undefined {
  try {
    compileNamePattern(text);
    return undefined;
  } catch (error) {
    if (error instanceof OffboilError) return error.message;
    throw error;
  }
}

/** A filter made to fit everything must not pass like any other (what emptied S3 in 2017 was a filter one sign too wide). */
function faultsOfScope({ select }: TerminationRequest): string[] {
  if (select?.names === undefined || Object.keys(select).some((field) => field !== 'names')) return [];
  return select.names
    .filter((text) => patternFault(text) === undefined && fitsEveryName(compileNamePattern(text)))
    .map(
      (text) =>
        `select.names: ${text} fits every name; if everything is meant, say "everything": true instead of select`,
    );
}

function suggestion(word: string, known: readonly string[], label: string): string {
  if (known.length === 0) return `; it declares no ${label} at all`;
  const likely = likelyWord(word, known);
  if (likely !== undefined) return `; did you mean "${likely}"?`;
  return known.length <= 12 ? `; it has ${known.join(', ')}` : `; it has ${known.length} others`;
}

/** The known word that somebody who typed another one most likely meant. */
export function likelyWord(word: string, known: readonly string[]): string | undefined {
  return known
    .map((other) => ({ other, distance: editDistance(word.toLowerCase(), other.toLowerCase()) }))
    .filter(({ other, distance }) => distance <= Math.max(2, Math.floor(Math.min(word.length, other.length) / 4)))
    .sort((a, b) => a.distance - b.distance)[0]?.other;
}

/** Levenshtein's distance: how many letters to add, drop or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const kept = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(kept, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
