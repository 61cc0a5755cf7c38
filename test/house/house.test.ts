import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const root = join(import.meta.dirname, '..', '..');
const MADE = new Set(['node_modules', 'dist', 'coverage', 'target', 'fixtures']);

/** Paths of all files that people keep, below a folder of the root. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return [path];
    const passedOver = MADE.has(entry.name) || (entry.name.startsWith('.') && entry.name !== '.ci');
    return entry.isDirectory() && !passedOver ? filesBelow(path) : [];
  });
}

const files = filesBelow('.');
const sources = files.filter((file) => /\.(ts|mjs|cjs|java|sql)$/.test(file));
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('a reader finds', () => {
  it('no source file above 400 lines', () => {
    expect(sources.filter((file) => textOf(file).split('\n').length > 400)).toEqual([]);
  });

  it('no folder with more than 14 source files', () => {
    const counts = new Map<string, number>();
    for (const file of sources) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    counts.delete('activities'); // one file a step, and the steps of a run are many
    counts.delete('worker'); // one file a program
    expect([...counts].filter(([, count]) => count > 14)).toEqual([]);
  });

  it('no file or folder whose name says nothing', () => {
    const empty = /^(utils?|common|misc|helpers?|manager|service|lib)$/;
    const names = sources.flatMap((file) => file.replace(/\.\w+$/, '').split('/'));
    expect(names.filter((name) => empty.test(name))).toEqual([]);
  });
});

/** What a fresh clone has been given must be all that it needs: the lockfile names packages, whoever serves them. */
describe('the repository', () => {
  it('names no host of a package registry', () => {
    const hosts = new RegExp(
      ['registry\\.npm', 'npmjs\\.', 'pypi\\.', 'pythonhosted', 'repo1?\\.maven', 'maven\\.org', 'proxy\\.golang'].join(
        '|',
      ),
      'i',
    );
    const texts = files.filter((file) => file !== join('test', 'house', basename(import.meta.filename)));
    expect(texts.filter((file) => hosts.test(textOf(file)))).toEqual([]);
  });

  it('tells no Node, npm or Maven where to look', () => {
    expect(textOf('.npmrc')).not.toContain('registry=');
  });

  it('has the text of the licence that package.json names', () => {
    expect(textOf('LICENSE')).toContain('Apache License');
    expect(textOf('package.json')).toContain('"license": "Apache-2.0"');
  });
});

const lockfile = z
  .object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) })
  .parse(JSON.parse(textOf('package-lock.json')));

function installedVersions(name: string): string[] {
  const entries = Object.entries(lockfile.packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
  return entries.map(([, { version }]) => version ?? '');
}

describe('the lockfile holds', () => {
  it('one version of all Temporal packages, for they share internals', () => {
    const names = Object.keys(lockfile.packages).filter((path) => path.startsWith('node_modules/@temporalio/'));
    expect(new Set(names.map((path) => lockfile.packages[path]?.version))).toEqual(new Set(['1.24.0']));
  });

  it.each([
    ['vitest', '4.1.12', 'the last for Node 20, and whose pools we know'],
    ['typescript', '6.0.3', 'typescript-eslint accepts below 6.1'],
    ['dependency-cruiser', '17.4.3', 'the last for Node 20'],
    ['saxes', '6.0.0', 'it reads what servers send'],
  ])('%s %s: %s', (name, version) => {
    expect(installedVersions(name)).toEqual([version]);
  });

  it('protobufjs 8.7 or newer at the root, without which no history can be replayed', () => {
    expect(lockfile.packages['node_modules/protobufjs']?.version).toMatch(/^8\.(7\.[1-9]|[89]|\d\d)/);
  });

  it('commander 14, the last for Node 20', () => {
    const versions = ['commander', '@commander-js/extra-typings'].map(
      (name) => lockfile.packages[`node_modules/${name}`]?.version,
    );
    expect(versions.every((version) => version?.startsWith('14.'))).toBe(true);
  });

  it('axios 1.16 or newer, because of its advisories', () => {
    expect(installedVersions('axios').every((version) => Number(version.split('.')[1]) >= 16)).toBe(true);
  });
});

describe('continuous integration', () => {
  it('runs the test command of the README', () => {
    expect(textOf('.ci/run')).toMatch(/^npm test/m);
    expect(textOf('README.md')).toContain('npm test');
  });

  it('has a script that the shell accepts', () => {
    expect(existsSync(join(root, '.ci/run'))).toBe(true);
    execFileSync('bash', ['-n', join(root, '.ci/run')]);
  });
});
