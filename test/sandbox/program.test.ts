import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { benchScenario, controlOf, demoForetold, demoScenario, spawnFleet } from '../../sandbox/index.js';
import { aTask, asked, call } from './caller.js';

const main = fileURLToPath(new URL('../../sandbox/main.ts', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

describe('a fleet in a process of its own', () => {
  it('serves, is controlled from outside, and is gone after its stop', async () => {
    const fleet = await spawnFleet({ servers: [{ name: 'carte', personality: '8.3', tasks: [aTask()] }] });
    try {
      const url = fleet.servers[0]?.url ?? '';
      expect((await call(url + asked('stopTrans', { id: 't1', name: 'load_orders' }))).code).toBe(200);
      expect(await fleet.log()).toMatchObject([
        { seq: 1, server: 'carte', path: 'stopTrans', id: 't1', answered: 'OK' },
      ]);
      expect(await controlOf(fleet.control).tasks('carte')).toMatchObject([{ id: 't1', stops: 1 }]);
      await fleet.fault('carte', 'refuse', { times: 1 });
      expect((await call(url + asked('stopTrans'))).code).toBe(409);
      expect(await fleet.addTask('carte', aTask({ id: 'n{n}', count: 2 }))).toEqual(['n1', 'n2']);
      await expect(fleet.endTask('carte', 'nope')).rejects.toThrow('no task nope on carte');
    } finally {
      await fleet.stop();
    }
    expect(() => process.kill(fleet.pid, 0)).toThrow('ESRCH');
  });

  it('refuses a fault it does not know, to be played or healed, and names those it knows', async () => {
    const fleet = await spawnFleet({ servers: [{ name: 'carte', personality: '8.3', tasks: [aTask()] }] });
    try {
      for (const method of ['fault', 'heal']) {
        const reply = await fetch(`${fleet.control}/${method}`, { method: 'POST', body: '["carte", "hangs"]' });
        expect(reply.status).toBe(400);
        expect(await reply.json()).toEqual({
          error: expect.stringMatching(/^no fault hangs: down, hang, .*refuse$/) as string,
        });
      }
      expect((await call((fleet.servers[0]?.url ?? '') + asked('status'))).code).toBe(200);
    } finally {
      await fleet.stop();
    }
  });

  it('that cannot start says so', async () => {
    const loading = aTask({ mode: 'loading', load: { table: 't', rowsPerSecond: 1 } });
    const servers = [{ name: 'carte', personality: '8.3' as const, tasks: [loading] }];
    await expect(spawnFleet({ servers })).rejects.toThrow('the sandbox fleet did not start');
  });
});

describe('the program to practise on', () => {
  it('prints addresses and an estate to paste, and ends with Ctrl+C', async () => {
    const child = spawn(process.execPath, ['--import', tsx, main, '--servers', '3', '--tasks', '7']);
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (printed += part));
    while (!printed.includes('Ctrl+C ends')) await once(child.stdout, 'data');
    const estate = parse(printed.slice(printed.indexOf('servers:'), printed.indexOf('Ctrl+C'))) as {
      servers: { url: string }[];
    };
    expect(estate.servers).toMatchObject([
      { name: 'carte-01', engine: 'carte', version: '5.4', timezone: 'UTC', user: 'cluster', password: 'cluster' },
      { version: '8.3' },
      { version: '9.4' },
    ]);
    const lists = await Promise.all(estate.servers.map(({ url }) => call(url + asked('status'))));
    expect(lists.flatMap(({ text }) => text.match(/<status_desc>Running</g) ?? [])).toHaveLength(7);
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.each([
    [['--tasks', 'many'], '--tasks takes a whole number above 0, not "many"'],
    [['--tasks', '1e9'], '--tasks takes at most 1000000, not 1e9'],
    [['--servers', '9999999'], '--servers takes at most 1000, not 9999999'],
    [['--scenario', '/nowhere.json'], 'The scenario /nowhere.json cannot be read: ENOENT'],
  ])('refuses %j in a sentence', async (given, sentence) => {
    const child = spawn(process.execPath, ['--import', tsx, main, ...given]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (said += part));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toContain(sentence);
    expect(said.trim().split('\n')).toHaveLength(1);
  });
});

describe('a scenario', () => {
  it('of the bench spreads its tasks evenly, all of them', () => {
    const { servers } = benchScenario({ servers: 3, tasks: 10 });
    expect(servers.map(({ tasks }) => tasks[0]?.count)).toEqual([3, 3, 4]);
  });

  it('of the demo has about 40 tasks and foretells only tasks it has', () => {
    const { servers } = demoScenario('postgresql://nowhere');
    const tasks = servers.flatMap(({ name, tasks: specs }) => specs.map((spec) => ({ server: name, ...spec })));
    expect(tasks.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(40);
    for (const { server, name } of demoForetold)
      expect(tasks).toContainEqual(expect.objectContaining({ server, name }));
  });
});
