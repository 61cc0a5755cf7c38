import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { parseRequest } from '../../domain/contracts/request.js';
import { isListening, pathWithTemporal, runInShell } from '../programs/program.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { until } from './scene.js';

const postgres = usePostgres();

/** The policy of the examples without its minutes of watching and lingering, under a name of its own: built-in ones are fixed. */
const CONTAIN = { extends: 'contain', verify: { linger: '0s' }, watchAfter: '0s' };

/** What the example's request is about: tasks that load, of which one ends when the test says so, and the group it leaves out. */
async function nightOfTheExample(): Promise<System & { readonly release: () => Promise<void> }> {
  const held = aTask('load_orders', { settleMs: 3_600_000 });
  const servers = [aServer('carte-1', [held, aTask('load_stock'), aTask('load_payments')])];
  const tasks = [{ match: { name: '*payments' }, group: 'payments' }, { match: { name: '*' } }];
  const system = await startSystem({ postgres, servers, estate: { tasks, policies: { 'contain-soon': CONTAIN } } });
  const release = async (): Promise<void> => {
    const halting = (await system.fleet.tasks()).filter(({ state }) => state === 'halting');
    for (const { server, id } of halting) await system.fleet.endTask(server, id);
  };
  return { ...system, release };
}

/** The example's request as it stands, but for the policy. */
async function requestOfTheExample(): Promise<string> {
  return (await readFile('examples/request.json', 'utf8')).replace('"contain"', '"contain-soon"');
}

/** Stopped in every example: the two tasks that load and are not excepted. */
const BOTH_STOPPED = { end: 'completed', exitCode: 0, outcomes: { stopped: 2 } };

describe('examples/temporal-cli.md', () => {
  it('carries a run from its start to its report, command by command', { timeout: 120_000 }, async () => {
    const system = await nightOfTheExample();
    const cwd = mkdtempSync(join(tmpdir(), 'offboil-examples-'));
    onTestFinished(() => {
      rmSync(cwd, { recursive: true });
    });
    mkdirSync(join(cwd, 'examples'));
    writeFileSync(join(cwd, 'examples/request.json'), await requestOfTheExample());
    // address and namespace come from the environment, as the page says
    const env = { ...system.env, PATH: pathWithTemporal() };
    const text = await readFile('examples/temporal-cli.md', 'utf8');
    const commands = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
    expect(commands).toHaveLength(9);
    const [start, progress, plan, approve, pause, resume, list, result, report] = commands;
    const type = async (command = '') => {
      const shown = await runInShell(command, { env, cwd });
      expect(shown).toMatchObject({ exitCode: 0 });
      return shown.stdout;
    };
    const handle = system.client.handle('INC-42');

    const started = await type(start);
    expect(started).toContain('offboil/INC-42');
    await until(handle, 'confirm');
    const runId = /RunId\s+(\S+)/.exec(started)?.[1];
    expect(await type(start)).toContain(runId); // started again, it attaches to the open run
    expect(await type(progress)).toContain('"phase":"confirm"');
    expect(await type(plan)).toMatch(/"planHash":"sha256:[0-9a-f]{64}"/);

    const wrong = approve?.replace(/PLAN_HASH=.*/, `PLAN_HASH=sha256:${'0'.repeat(64)}`) ?? '';
    expect(await runInShell(wrong, { env, cwd })).toMatchObject({ exitCode: 1 });
    expect(await system.stops()).toEqual([]);
    await type(approve);
    await until(handle, 'wave');
    await eventually(async () => {
      expect((await system.stops()).map(({ name }) => name).sort()).toEqual(['load_orders', 'load_stock']);
    });

    expect(await type(pause)).toContain('phase:paused');
    await type(resume);
    await until(handle, 'wave');
    await eventually(async () => {
      expect(await type(list)).toContain('offboil/INC-42'); // the list lags behind
    });
    await system.release();
    expect(JSON.parse(await type(result))).toMatchObject({ result: BOTH_STOPPED });
    expect(await type(report)).toMatch(/\\"runId\\":\s*\\"INC-42\\"/);
  });
});

describe('examples/request.json', () => {
  it('is a request', async () => {
    expect(parseRequest(JSON.parse(await readFile('examples/request.json', 'utf8')))).toMatchObject({
      requestId: 'INC-42',
    });
  });
});

/** The service as its first lines say how to start it; the port is a free one. */
async function startService(env: NodeJS.ProcessEnv): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo; // it listens on TCP
  await new Promise((closed) => probe.close(closed));
  const service = spawn(process.execPath, ['--import', 'tsx', 'examples/trigger-over-http.ts', String(port)], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = once(service, 'exit');
  onTestFinished(async () => {
    service.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
  await eventually(async () => {
    expect(await isListening(`127.0.0.1:${port}`)).toBe(true);
  });
  return `http://127.0.0.1:${port}/runs`;
}

describe('examples/trigger-over-http.ts', { timeout: 120_000 }, () => {
  const post = async (url: string, body: string) => {
    const reply = await fetch(url, { method: 'POST', body });
    return { status: reply.status, body: await reply.json() };
  };

  it('starts one run for a request that comes twice, and tells how it goes until its report', async () => {
    const system = await nightOfTheExample();
    const url = await startService(system.env);
    const ask = async (path: string): Promise<unknown> => (await fetch(`${url}/${path}`)).json();
    const request = await requestOfTheExample();
    const begun = { status: 202, body: { runId: 'INC-42', workflowId: 'offboil/INC-42' } };
    expect(await post(url, request)).toEqual(begun);
    expect(await post(url, request)).toEqual(begun);
    const handle = system.client.handle('INC-42');
    const { planHash = '' } = await until(handle, 'confirm');
    expect(await ask('INC-42')).toMatchObject({ phase: 'confirm', planned: 2 });

    await handle.approve({ by: 'second-shift', planHash });
    await until(handle, 'wave');
    expect(await ask('INC-42')).toMatchObject({ phase: 'wave' });
    await eventually(async () => {
      expect(await system.stops()).toHaveLength(2);
    });
    await system.release();
    await handle.result();
    expect(await ask('INC-42')).toMatchObject(BOTH_STOPPED);
    expect(await ask('INC-42/report')).toMatchObject({ runId: 'INC-42', targets: 2, ...BOTH_STOPPED });
  });

  it('passes on why a request is refused: invalid, another one under the same id, a run that nobody knows', async () => {
    const system = await nightOfTheExample();
    const url = await startService(system.env);
    const request = z.looseObject({}).parse(JSON.parse(await requestOfTheExample()));
    expect(await post(url, JSON.stringify({ ...request, select: {} }))).toMatchObject({
      status: 400,
      body: { code: 'REQUEST_INVALID' },
    });
    expect((await fetch(`${url}/INC-42`)).status).toBe(404);
    await post(url, JSON.stringify(request));
    const { planHash = '' } = await until(system.client.handle('INC-42'), 'confirm');
    expect(await post(url, JSON.stringify({ ...request, reason: 'another one' }))).toMatchObject({
      status: 409,
      body: { code: 'REQUEST_CONFLICT' },
    });
    await system.client.handle('INC-42').reject({ by: 'second-shift', planHash });
    await system.client.handle('INC-42').result();
  });
});
