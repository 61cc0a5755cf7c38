import { readFile, writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorDocumentSchema, psDocumentSchema, runsDocumentSchema } from '../../domain/contracts/listings.js';
import { aRequest, newId, until, withRuns } from './scene.js';
import { atTerminal } from './terminal.js';

const stopArgs = (id: string): string[] => [
  'stop',
  '--name',
  'load_*',
  '--reason',
  'bad source',
  '--policy',
  'contain',
  '--request-id',
  id,
];
const ASK = 'Type the number of targets';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'offboil-cli-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

describe('offboil stop at a terminal', () => {
  it('shows the plan, takes the typed number as consent, and exits with the code of the run', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const { exitCode, stdout } = await atTerminal(client, stopArgs(newId()), { answers: [{ when: ASK, type: '2' }] });
      expect(stdout).toMatch(
        /2 targets on 1 server\n[\s\S]*it waits: nothing to stop[\s\S]*processes: no engine covers them[\s\S]*2 of 2 proven stopped/,
      );
      expect({ exitCode, acts }).toEqual({ exitCode: 0, acts: ['approve by ops-oncall'] });
    });
  });

  it('asks again when the number is wrong', async () => {
    await withRuns({}, async ({ client }) => {
      const answers = [
        { when: ASK, type: '200' },
        { when: 'That is not the number', type: '2' },
      ];
      expect((await atTerminal(client, stopArgs(newId()), { answers })).exitCode).toBe(0);
    });
  });

  it('refuses the plan when nothing is typed, and exits with 3', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const { exitCode, stdout } = await atTerminal(client, stopArgs(newId()), { answers: [{ when: ASK, type: '' }] });
      expect(stdout).toContain('Nothing was sent');
      expect({ exitCode, acts }).toEqual({ exitCode: 3, acts: ['reject by ops-oncall'] });
    });
  });

  it('asks which of the two situations it is when no policy is given', async () => {
    await withRuns({}, async ({ client }) => {
      const args = ['stop', '--name', 'x', '--reason', 'bad source', '--request-id', newId()];
      const answers = [
        { when: '1 or 2', type: '2' },
        { when: ASK, type: '2' },
      ];
      expect((await atTerminal(client, args, { answers })).exitCode).toBe(0);
    });
  });

  it('asks once more for everything', async () => {
    await withRuns({}, async ({ client }) => {
      const args = ['stop', '--everything', '--reason', 'fire', '--policy', 'contain', '--request-id', newId()];
      const answers = [
        { when: ASK, type: '2' },
        { when: 'Type everything', type: 'no' },
      ];
      expect((await atTerminal(client, args, { answers })).exitCode).toBe(3);
    });
  });

  it('detaches at Ctrl+C with 130 and the commands to look and to brake, and the run goes on', async () => {
    await withRuns({ hold: true }, async ({ client, release }) => {
      const id = newId();
      const answers = [
        { when: ASK, type: '2' },
        { when: 'stopping', type: '^C' },
      ];
      const { exitCode, stdout } = await atTerminal(client, stopArgs(id), { answers });
      release();
      expect(exitCode).toBe(130);
      expect(stdout).toMatch(new RegExp(`offboil watch ${id}[\\s\\S]*offboil brake ${id}`));
      expect(await client.handle(id).result()).toMatchObject({ end: 'completed' });
    });
  });

  it('neither agrees nor refuses when Ctrl+C comes instead of the number', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const id = newId();
      const { exitCode } = await atTerminal(client, stopArgs(id), { answers: [{ when: ASK, type: '^C' }] });
      expect({ exitCode, acts }).toEqual({ exitCode: 130, acts: [] });
      expect((await client.handle(id).progress()).phase).toBe('confirm');
      await client.handle(id).brake({ by: 'test', reason: 'the test ends' });
      await client.handle(id).result();
    });
  });

  it('names who else must agree and how, and goes on when they have', async () => {
    await withRuns({ confirm: 'approver' }, async ({ client }) => {
      const id = newId();
      let seen: () => void = () => undefined;
      const asked = new Promise<void>((resolve) => (seen = resolve));
      const stopping = atTerminal(client, stopArgs(id), { answers: [{ when: 'offboil reject', type: seen }] });
      await asked;
      const { planHash = '' } = await client.handle(id).progress();
      const approving = await atTerminal(client, ['approve', id, '--plan-hash', planHash, '--by', 'second-shift']);
      const { exitCode, stdout } = await stopping;
      expect(stdout).toContain(`offboil approve ${id} --plan-hash ${planHash}`);
      expect([exitCode, approving.exitCode]).toEqual([0, 0]);
    });
  });
});

describe('offboil stop of a request that is not new', () => {
  it('says that a run is under way only of one that is', async () => {
    await withRuns({}, async ({ client }) => {
      const id = newId();
      const first = await atTerminal(client, [...stopArgs(id), '--yes']);
      const again = await atTerminal(client, [...stopArgs(id), '--yes']);
      const other = await atTerminal(client, [...stopArgs(id), '--ticket', 'CHG-7', '--yes']);
      expect([first, again, other].map(({ stdout }) => stdout.includes('is under way'))).toEqual([true, false, false]);
      expect([first, again, other].map(({ exitCode }) => exitCode)).toEqual([0, 0, 3]);
    });
  });
});

describe('offboil stop without a terminal', () => {
  it('starts no run without --yes, and exits with 3', async () => {
    await withRuns({}, async ({ client }) => {
      const id = newId();
      const { exitCode, stderr } = await atTerminal(client, stopArgs(id));
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('No run was started') as string,
      });
      await expect(client.handle(id).isOpen()).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
    });
  });

  it('refuses a request without a policy with 3', async () => {
    await withRuns({}, async ({ client }) => {
      const { exitCode, stderr } = await atTerminal(client, ['stop', '--name', 'x', '--reason', 'y', '--yes']);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('name a policy') as string,
      });
    });
  });

  it('agrees with --yes where a count is enough', async () => {
    await withRuns({ stuck: ['a2'] }, async ({ client }) => {
      const { exitCode, stdout } = await atTerminal(client, [...stopArgs(newId()), '--yes']);
      expect(exitCode).toBe(2);
      expect(stdout).toMatch(/\n1 of 2 proven stopped · 1 unconfirmed \(carte-1\)\nnext: offboil report/);
    });
  });

  it('prints one JSON document on stdout with --json, and everything else on stderr', async () => {
    await withRuns({}, async ({ client }) => {
      const id = newId();
      const { stdout, stderr } = await atTerminal(client, [...stopArgs(id), '--yes', '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, runId: id, end: 'completed', exitCode: 0 });
      expect(stderr).toContain('2 of 2 proven stopped');
    });
  });

  it('leaves with 0 after --detach, once it has agreed', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const id = newId();
      const { exitCode, stdout } = await atTerminal(client, [...stopArgs(id), '--yes', '--detach', '--json']);
      expect({ exitCode, acts, shown: JSON.parse(stdout) as unknown }).toEqual({
        exitCode: 0,
        acts: ['approve by ops-oncall'],
        shown: { schemaVersion: 1, runId: id, detached: true },
      });
      await client.handle(id).result();
    });
  });

  it('takes the request from a file, and flags win over it', async () => {
    await withRuns({}, async ({ client }) => {
      const file = join(folder(), 'request.json');
      const request = aRequest();
      await writeFile(file, JSON.stringify(request));
      const { exitCode } = await atTerminal(client, ['stop', file, '--ticket', 'CHG-7', '--yes']);
      expect(exitCode).toBe(0);
    });
  });

  it('tells every fault of a request with 3 and as JSON', async () => {
    await withRuns({}, async ({ client }) => {
      const stdin = JSON.stringify({ ...aRequest(), priority: 'low', mode: 'hard' });
      const { exitCode, stdout } = await atTerminal(client, ['stop', '-', '--yes', '--json'], { stdin });
      expect(exitCode).toBe(3);
      expect(errorDocumentSchema.parse(JSON.parse(stdout))).toMatchObject({
        schemaVersion: 1,
        error: { code: 'REQUEST_INVALID', message: expect.stringMatching(/mode[\s\S]*priority/) as string },
      });
    });
  });
});

describe('offboil plan', () => {
  it('shows what a request would stop, sends nothing, and gives the command that does it', async () => {
    await withRuns({}, async ({ client, acts }) => {
      const args = ['plan', '--name', 'load_*', '--reason', 'bad source', '--policy', 'contain'];
      const { exitCode, stdout } = await atTerminal(client, args);
      expect(stdout).toContain(`offboil stop --name 'load_*' --reason 'bad source' --policy contain`);
      expect({ exitCode, acts }).toEqual({ exitCode: 0, acts: [] });
    });
  });

  it('gives the whole plan as JSON', async () => {
    await withRuns({}, async ({ client }) => {
      const { stdout } = await atTerminal(client, [...stopArgs(newId()), '--dry-run', '--json']);
      expect(JSON.parse(stdout)).toMatchObject({
        schemaVersion: 1,
        targets: 2,
        confirm: 'count',
        whole: { plan: { waves: [{ priority: 'low' }] } },
      });
    });
  });

  it('shows the plan of a run by its id', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      const { planHash = '' } = await until(handle, 'confirm');
      expect((await atTerminal(client, ['plan', handle.requestId])).stdout).toContain(planHash);
      await handle.reject({ by: 'test', planHash });
      await handle.result();
    });
  });
});

describe('answering a run from the command line', () => {
  it('approves the plan that is shown with the typed number', async () => {
    await withRuns({ confirm: 'approver' }, async ({ client, acts }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'confirm');
      const { exitCode } = await atTerminal(client, ['approve', handle.requestId, '--by', 'second-shift'], {
        answers: [{ when: ASK, type: '2' }],
      });
      expect(exitCode).toBe(0);
      await handle.result();
      expect(acts).toEqual(['approve by second-shift']);
    });
  });

  it('passes on why a message is refused', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      const { planHash = '' } = await until(handle, 'confirm');
      const { exitCode, stderr } = await atTerminal(client, [
        'approve',
        handle.requestId,
        '--plan-hash',
        'sha256:other',
      ]);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('PLAN_HASH_MISMATCH') as string,
      });
      await handle.reject({ by: 'test', planHash });
      await handle.result();
    });
  });

  it('pauses, resumes and brakes with the commands that a run names as its answers', async () => {
    await withRuns({ hold: true, confirm: 'none' }, async ({ client, acts, release }) => {
      const handle = await client.start(aRequest());
      await until(handle, 'wave');
      for (const command of ['pause', 'resume', 'brake']) {
        expect((await atTerminal(client, [command, handle.requestId])).exitCode).toBe(0);
      }
      release();
      expect((await atTerminal(client, ['watch', handle.requestId])).exitCode).toBe(4);
      expect(acts).toEqual(['pause by ops-oncall', 'resume by ops-oncall', 'brake by ops-oncall']);
    });
  });

  it('asks again over what is not proven when the run has ended', async () => {
    await withRuns({ stuck: ['a2'] }, async ({ client }) => {
      const id = newId();
      await atTerminal(client, [...stopArgs(id), '--yes']);
      const { exitCode, stdout } = await atTerminal(client, ['retry', id, '--yes']);
      expect(stdout).toContain(`${id}.r2 asks again`);
      expect(exitCode).toBe(2);
    });
  });

  it('knows a target that is none before anything leaves', async () => {
    const { exitCode, stderr } = await atTerminal(undefined, ['skip', 'INC-42', 'no-slash']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('SERVER/ID') as string });
  });
});

describe('looking from the command line', () => {
  it('lists what runs, and the servers that could not be read', async () => {
    await withRuns({}, async ({ client }) => {
      const { stdout } = await atTerminal(client, ['ps']);
      expect(stdout).toMatch(/carte-2 .*SERVER_UNREACHABLE: no answer[\s\S]*load_a1/);
      const asJson = JSON.parse((await atTerminal(client, ['ps', '--json'])).stdout) as unknown;
      expect(psDocumentSchema.parse(asJson).tasks.map(({ id }) => id)).toEqual(['a1', 'a2']);
    });
  });

  it('lists the runs, and with --waiting what each waits for', async () => {
    await withRuns({}, async ({ client }) => {
      const handle = await client.start(aRequest());
      const { planHash = '' } = await until(handle, 'confirm');
      expect((await atTerminal(client, ['runs', '--since', '2h'])).stdout).toContain(handle.requestId);
      const { stdout } = await atTerminal(client, ['runs', '--waiting', '--json']);
      expect(runsDocumentSchema.parse(JSON.parse(stdout))).toMatchObject({
        runs: [{ runId: handle.requestId, waits: { reason: expect.stringContaining('confirmation') as string } }],
      });
      await handle.reject({ by: 'test', planHash });
      await handle.result();
    });
  });

  it('prints the report as text, as JSON, and writes it as HTML', async () => {
    await withRuns({ confirm: 'none' }, async ({ client }) => {
      const handle = await client.start(aRequest());
      await handle.result();
      const html = join(folder(), 'report.html');
      const text = await atTerminal(client, ['report', handle.requestId]);
      const json = await atTerminal(client, ['report', handle.requestId, '--html', html, '--json']);
      expect(text.stdout).toContain(`Report of ${handle.requestId}`);
      expect(JSON.parse(json.stdout)).toEqual(await handle.report());
      expect(await readFile(html, 'utf8')).toContain('Content-Security-Policy');
    });
  });

  it('says that there is no such run', async () => {
    await withRuns({}, async ({ client }) => {
      const { exitCode, stderr } = await atTerminal(client, ['watch', newId()]);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('RUN_UNKNOWN') as string,
      });
    });
  });

  it('speaks Chinese when asked', async () => {
    const { stdout } = await atTerminal(undefined, ['stop', '--help', '--lang', 'zh']);
    expect(stdout).toContain('停止任务');
  });
});

describe('a command line that names no command', () => {
  it.each([[[]], [['estate']]])('shows the help of %j on stderr and exits with 1', async (args) => {
    const { exitCode, stdout, stderr } = await atTerminal(undefined, args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^Usage: offboil[\s\S]*Commands:/);
    expect(stderr).not.toContain('outputHelp');
  });

  it('says so in the one document of --json', async () => {
    const { exitCode, stdout } = await atTerminal(undefined, ['--json']);
    expect({ exitCode, shown: JSON.parse(stdout) as unknown }).toMatchObject({
      exitCode: 1,
      shown: { error: { code: 'USAGE_WRONG', message: expect.stringContaining('Name a command') as string } },
    });
  });
});

describe('the programs of the worker', () => {
  it.each([
    [['up', '--estate', 'e.yaml'], 'up --estate e.yaml'],
    [['worker', '--site', 'shanghai', '--address', 'h:1'], 'main --site shanghai at h:1'],
    [['setup'], 'setup'],
    [['estate', 'check', '--json'], 'estate check --json'],
    [['estate', 'init', 'http://a', 'http://b'], 'estate init http://a http://b'],
  ])('are started by %j as processes, and their exit code is ours', async (args, program) => {
    const { exitCode, programs } = await atTerminal(undefined, args);
    expect({ exitCode, programs }).toEqual({ exitCode: 7, programs: [program] });
  });
});
