import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { OffboilError } from '../../domain/errors.js';
import { pathText, type EstatePath, type Fault } from './fault.js';

/** One YAML file with the positions of what stands in it. */
interface YamlFile {
  /** As shown in messages: relative to the folder that the main file was named from. */
  readonly shown: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly value: unknown;
}

/** Parts that a team's own file may hold; each is appended to the main file's. */
const LISTS = ['servers', 'databases', 'tasks', 'notifiers'] as const;
const INCLUDABLE: ReadonlySet<string> = new Set([...LISTS, 'policies']);

/** Anchors are a convenience; a document that multiplies them is an attack or a mistake. */
const MAX_ALIASES = 100;

/** The merged estate as plain data, with the way back to the line of each part. */
export interface EstateSource {
  readonly value: unknown;
  /** `file:line:col: text`, for people and editors. */
  render(fault: Fault): string;
  /** Faults of the files themselves, already rendered. */
  readonly faults: readonly string[];
}

/**
 * Reads the estate file and those it includes.
 * @throws OffboilError `ESTATE_INVALID` when the main file cannot be read or is no YAML
 */
export async function readEstateSource(path: string): Promise<EstateSource> {
  const main = await readYaml(path, path);
  if (Array.isArray(main)) throw new OffboilError('ESTATE_INVALID', [...main, 'Nothing was read.'].join('\n'));
  const faults: string[] = [];
  const included: YamlFile[] = [];
  for (const [index, pattern] of includesOf(main.value).entries()) {
    const files = await filesOf(pattern, dirname(path));
    if (files.length === 0)
      faults.push(
        at(main, ['include', index], `include[${index}] is ${JSON.stringify(pattern)}; expected a file that exists`),
      );
    for (const file of files) {
      const read = await readYaml(file, join(dirname(path), relative(resolve(dirname(path)), file)));
      if (Array.isArray(read)) faults.push(...read);
      else included.push(read);
    }
  }
  return merge(main, included, faults);
}

function includesOf(value: unknown): string[] {
  const include = isRecord(value) ? value['include'] : undefined;
  return Array.isArray(include) ? include.filter((entry): entry is string => typeof entry === 'string') : [];
}

/** Files of a pattern with `*` in its last part, in the order of their names; folders are named plainly. */
async function filesOf(pattern: string, base: string): Promise<string[]> {
  const whole = resolve(base, pattern);
  const [folder, last] = [dirname(whole), basename(whole)];
  const fits = new RegExp(
    `^${last
      .split('*')
      .map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
      .join('[^/]*')}$`,
  );
  const names = await readdir(folder).catch(() => []); // no such folder: no such file
  return names
    .filter((name) => fits.test(name) && !name.startsWith('.'))
    .sort()
    .map((name) => join(folder, name));
}

/** @returns the file, or what is wrong with it */
async function readYaml(path: string, shown: string): Promise<YamlFile | string[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return [
      `${shown}: it cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : String(error)}).`,
    ];
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const errors = [...document.errors, ...document.warnings].map(
    ({ pos, code, message }) =>
      `${place(shown, lines, pos[0])}: ${code === 'DUPLICATE_KEY' ? repeatedKey(text.slice(pos[0])) : message}.`,
  );
  if (errors.length > 0) return errors;
  try {
    return { shown, document, lines, value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    return [`${shown}: ${error instanceof Error ? error.message : String(error)}.`]; // too many aliases
  }
}

/** @param rest the file from the repeated key on */
function repeatedKey(rest: string): string {
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^:\n]+)/.exec(rest)?.[0].trim() ?? '';
  return `${key} stands here once more; expected each field once`;
}

function merge(main: YamlFile, included: readonly YamlFile[], faults: string[]): EstateSource {
  if (!isRecord(main.value)) return { value: main.value, faults, render: ({ path, text }) => at(main, path, text) };
  const merged: Record<string, unknown> = { ...main.value, include: [] }; // the effective estate: how it was split says nothing
  if (!isListOfText(main.value['include'])) merged['include'] = main.value['include'];
  const origins = new Map<string, { readonly file: YamlFile; readonly path: EstatePath }>();
  for (const file of included) {
    if (!isRecord(file.value)) {
      faults.push(at(file, [], `an included file is a mapping with ${[...INCLUDABLE].join(', ')}`));
      continue;
    }
    for (const [key, part] of Object.entries(file.value)) {
      if (!INCLUDABLE.has(key))
        faults.push(
          at(file, [], `${key} stands in the main file only; an included file has ${[...INCLUDABLE].join(', ')}`, key),
        );
      else if (key === 'policies') mergePolicies(merged, part, file, origins, faults);
      else mergeList(merged, key, part, file, origins, faults);
    }
  }
  return {
    value: merged,
    faults,
    render: ({ path, text, key }) => {
      const origin = origins.get(pathText(path.slice(0, 2)));
      return origin === undefined
        ? at(main, path, text, key)
        : at(origin.file, [...origin.path, ...path.slice(2)], text, key);
    },
  };
}

type Origins = Map<string, { readonly file: YamlFile; readonly path: EstatePath }>;

function mergeList(
  merged: Record<string, unknown>,
  key: string,
  part: unknown,
  file: YamlFile,
  origins: Origins,
  faults: string[],
): void {
  if (!Array.isArray(part)) {
    faults.push(at(file, [key], `${key} is ${typeof part}; expected a list`));
    return;
  }
  const before = merged[key] ?? [];
  if (!Array.isArray(before)) return; // the main file's own fault, found by the contract
  for (const index of part.keys()) origins.set(pathText([key, before.length + index]), { file, path: [key, index] });
  merged[key] = [...(before as unknown[]), ...(part as unknown[])]; // both were proven to be arrays
}

function mergePolicies(
  merged: Record<string, unknown>,
  part: unknown,
  file: YamlFile,
  origins: Origins,
  faults: string[],
): void {
  const before = merged['policies'] ?? {};
  if (!isRecord(part) || !isRecord(before)) {
    if (!isRecord(part)) faults.push(at(file, ['policies'], 'policies is no mapping of names'));
    return;
  }
  for (const name of Object.keys(part)) {
    if (Object.hasOwn(before, name)) faults.push(at(file, ['policies'], `policy ${name} is defined twice`, name));
    origins.set(pathText(['policies', name]), { file, path: ['policies', name] });
  }
  merged['policies'] = { ...before, ...part };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOfText(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.every((entry) => typeof entry === 'string'));
}

/** Points at the value under the path, or at the nearest thing above it that exists. */
function at(file: YamlFile, path: EstatePath, text: string, key?: string): string {
  const found = nearest(file.document, path);
  const named =
    key !== undefined && isMap(found)
      ? found.items.find((item) => isScalar(item.key) && item.key.value === key)?.key
      : undefined;
  const node = isNode(named) ? named : found;
  return `${place(file.shown, file.lines, node?.range?.[0] ?? 0)}: ${text}.`;
}

function nearest(document: Document.Parsed, path: EstatePath): Node | undefined {
  for (let depth = path.length; depth >= 0; depth--) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node)) return node;
    if (isPair(node) && isNode(node.value)) return node.value;
  }
  return undefined;
}

function place(shown: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${shown}:${Math.max(1, line)}:${Math.max(1, col)}`;
}
