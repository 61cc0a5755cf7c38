import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { isAlive, signalProcess } from '../../adapters/ledger/embedded/process-identity.js';
import { createFleet } from '../../sandbox/index.js';
import { aServer, aTask } from '../support/system.js';
import {
  expectNoneAlive,
  filesLeft,
  foldersOfTest,
  isListening,
  type Member,
  runProgram,
  startProgram,
} from './program.js';

const POSTGRES = /postgres -D/;
const TEMPORAL = /server start-dev/;
const UP = /worker\/up\.js/;

/** A port that is free, and whose Web UI's port is free too. */
async function freePort(): Promise<number> {
  for (let port = 20_000 + (process.pid % 10_000); ; port += 1)
    if ((await isFree(port)) && (await isFree(port + 1000))) return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () =>
      probe.close(() => {
        resolve(true);
      }),
    );
  });
}

/** One machine with a fleet of one server, and an estate that names it. */
async function oneMachine() {
  const { home, temporary } = foldersOfTest();
  const fleet = await createFleet({ servers: [aServer('carte-a', [aTask('load_a')])] });
  onTestFinished(() => fleet.stop());
  const estate = join(home, 'estate.yaml');
  await writeFile(
    estate,
    stringify({
      servers: fleet.servers.map(({ name, url }) => ({
        name,
        engine: 'carte',
        url,
        user: 'cluster',
        password: 'cluster',
      })),
      tasks: [{ match: { name: '*' }, priority: 'normal' }],
      policies: { quick: { extends: 'contain', verify: { linger: '0s' }, watchAfter: '0s' } },
    }),
  );
  const address = `127.0.0.1:${await freePort()}`;
  const env = {
    OFFBOIL_HOME: home,
    OFFBOIL_ESTATE: estate,
    TMPDIR: temporary,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_CONFIG_FILE: join(home, 'none.toml'),
  };
  return { home, temporary, address, env };
}

/** The one process of the family that fits. */
function one(family: readonly Member[], command: RegExp): Member {
  const found = family.filter((member) => command.test(member.command));
  const [member] = found;
  if (member === undefined || found.length > 1) throw new Error(`${found.length} processes fit ${String(command)}`);
  return member;
}

/** The servers of which there is a record: also those that have started since the last look at the family. */
function recorded(home: string): Member[] {
  return ['ledger/offboil-postgres.json', 'temporal/offboil-temporal.json'].flatMap((name) => {
    const file = join(home, name);
    if (!existsSync(file)) return [];
    const { server } = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return server === undefined ? [] : [{ ...server, command: name }];
  });
}

const recordSchema = z.object({ server: z.object({ pid: z.number(), started: z.string() }).optional() });

/** A run over the whole fleet, as a script does it. */
function stopEverything(env: NodeJS.ProcessEnv) {
  const request = ['--name', 'load_*', '--policy', 'quick', '--reason', 'a test', '--request-id', 'INC-1'];
  return runProgram(['offboil', 'stop', ...request, '--yes', '--json'], env);
}

const runsSchema = z.object({ runs: z.array(z.object({ runId: z.string() })) });

describe('offboil up', { timeout: 240_000 }, () => {
  it('gets ready with all that a run needs, and ends whole on Ctrl+C', async () => {
    const { temporary, address, env } = await oneMachine();
    const up = startProgram(['offboil', 'up'], env);
    expect((await up.says(/ready: Temporal ([\d.:]+)/))[1]).toBe(address);
    expect(await stopEverything(env)).toMatchObject({ exitCode: 0 });

    const family = up.family();
    for (const part of [POSTGRES, TEMPORAL, UP]) one(family, part);
    up.signal('SIGINT');
    expect(await up.exitCode).toBe(0);
    expectNoneAlive(family);
    expect(await isListening(address)).toBe(false);
    expect(filesLeft(temporary)).toEqual([]);
  });

  it('adopts the PostgreSQL that a killed one left, replaces its Temporal server, and knows its runs', async () => {
    const { home, env } = await oneMachine();
    const killed = startProgram(['offboil', 'up'], env);
    await killed.says(/ready: Temporal/);
    const left = killed.family();
    await stopEverything(env);
    signalProcess(one(left, UP), 'SIGKILL');
    expect(await killed.exitCode).toBe(137);
    const postgres = one(left, POSTGRES);
    expect(isAlive(postgres)).toBe(true);

    const next = startProgram(['offboil', 'up'], env);
    await next.says(/ready: Temporal/);
    expect(isAlive(postgres)).toBe(true);
    expect(JSON.parse(readFileSync(join(home, 'ledger', 'offboil-postgres.json'), 'utf8'))).toMatchObject({
      server: { pid: postgres.pid },
      owner: { pid: one(next.family(), UP).pid },
    });
    expectNoneAlive([one(left, TEMPORAL)]);
    const runs = await runProgram(['offboil', 'runs', '--json'], env);
    expect(runsSchema.parse(JSON.parse(runs.stdout)).runs.map(({ runId }) => runId)).toEqual(['INC-1']);

    next.signal('SIGINT');
    expect(await next.exitCode).toBe(0);
    expectNoneAlive([postgres]);
  });

  it('ends whole when every process of it gets a signal, more than once', async () => {
    const { home, address, env } = await oneMachine();
    const up = startProgram(['offboil', 'up'], env, { ownGroup: true });
    await up.says(/ready: Temporal/);
    const family = up.family();
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
      up.signalGroup(signal);
      await sleep(20); // equal signals that still wait to be delivered would become one
    }
    expect(await up.exitCode).toBe(0);
    expectNoneAlive([...family, ...recorded(home)]);
    expect(await isListening(address)).toBe(false);
  });

  it.each([
    ['PostgreSQL', POSTGRES],
    ['Temporal', TEMPORAL],
  ])('leaves nothing when it gets a signal while %s starts', async (_, part) => {
    const { home, address, env } = await oneMachine();
    const up = startProgram(['offboil', 'up'], env, { ownGroup: true });
    await vi.waitFor(() => one(up.family(), part), { timeout: 120_000, interval: 10 });
    const family = up.family();
    expect(up.printed.stderr).not.toContain('ready: Temporal');
    up.signalGroup('SIGTERM');
    expect(await up.exitCode).toBe(0);
    expect(up.printed.stderr).toContain('stopped before it was ready');
    expectNoneAlive([...family, ...recorded(home)]);
    expect(await isListening(address)).toBe(false);
  });

  it('starts nothing when the Temporal settings name another machine', async () => {
    const { env, home } = await oneMachine();
    const shown = await runProgram(['offboil', 'up', '--address', 'temporal.example:7233'], env);
    expect(shown).toMatchObject({ exitCode: 1, stdout: '' });
    expect(shown.stderr).toContain('name temporal.example:7233');
    expect(existsSync(join(home, 'ledger'))).toBe(false);
  });
});
