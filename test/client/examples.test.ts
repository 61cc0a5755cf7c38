import { execFile } from 'node:child_process';
import { symlinkSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createService } from '../../examples/trigger-over-http.js';
import { parseRequest } from '../../domain/contracts/request.js';
import { aRequest, until, withRuns } from './scene.js';

const run = promisify(execFile);

/** The commands of the page, in its order. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(page, 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
}

/** A folder with the suite's Temporal CLI under the name that people type. */
function pathWithTemporal(): string {
  const bin = mkdtempSync(join(tmpdir(), 'offboil-bin-'));
  onTestFinished(() => {
    rmSync(bin, { recursive: true });
  });
  symlinkSync(process.env['TEMPORAL_CLI_PATH'] ?? '', join(bin, 'temporal'));
  return `${bin}:${process.env['PATH'] ?? ''}`;
}

describe('examples/temporal-cli.md', () => {
  it('carries a run from its start to its report, command by command', { timeout: 90_000 }, async () => {
    await withRuns({ confirm: 'approver', hold: true }, async ({ temporal, client, release }) => {
      const env = { ...process.env, PATH: pathWithTemporal(), TEMPORAL_ADDRESS: temporal.address };
      const answers: string[] = [];
      for (const command of await commandsOf('examples/temporal-cli.md')) {
        if (command.includes('workflow result')) release();
        // each test has a task queue of its own
        const own = command.replaceAll('--task-queue offboil', `--task-queue ${temporal.taskQueue}`);
        answers.push((await run('bash', ['-ec', own], { env })).stdout);
        if (command.includes('workflow start')) await until(client.handle('INC-42'), 'confirm');
        if (command.includes('approve')) await until(client.handle('INC-42'), 'wave');
      }
      expect(answers).toHaveLength(9);
      expect(answers[1]).toContain('"phase":"confirm"');
      expect(answers.at(-2)).toContain('"exitCode": 0');
      expect(answers.at(-1)).toContain('INC-42');
    });
  });
});

describe('examples/request.json', () => {
  it('is a request', async () => {
    expect(parseRequest(JSON.parse(await readFile('examples/request.json', 'utf8')))).toMatchObject({
      requestId: 'INC-42',
    });
  });
});

describe('examples/trigger-over-http.ts', () => {
  it('starts a run and tells how it goes until its report', async () => {
    await withRuns({ hold: true, confirm: 'none' }, async ({ client, release }) => {
      const service = createService(client).listen(0, '127.0.0.1');
      await new Promise((listening) => service.once('listening', listening));
      const base = `http://127.0.0.1:${(service.address() as AddressInfo).port}/runs`; // it listens on TCP
      try {
        const request = aRequest();
        const ask = async (path: string): Promise<unknown> => (await fetch(`${base}/${path}`)).json();
        const posted = await fetch(base, { method: 'POST', body: JSON.stringify(request) });
        expect({ status: posted.status, body: await posted.json() }).toMatchObject({
          status: 202,
          body: { runId: request.requestId },
        });
        await until(client.handle(request.requestId), 'wave');
        expect(await ask(request.requestId)).toMatchObject({ phase: 'wave' });
        release();
        await client.handle(request.requestId).result();
        expect(await ask(request.requestId)).toMatchObject({ end: 'completed' });
        expect(await ask(`${request.requestId}/report`)).toMatchObject({ runId: request.requestId, targets: 2 });
      } finally {
        await new Promise((closed) => service.close(closed));
      }
    });
  });

  it('passes on why a request is refused', async () => {
    await withRuns({}, async ({ client }) => {
      const service = createService(client).listen(0, '127.0.0.1');
      await new Promise((listening) => service.once('listening', listening));
      const base = `http://127.0.0.1:${(service.address() as AddressInfo).port}/runs`; // it listens on TCP
      try {
        const posted = await fetch(base, { method: 'POST', body: JSON.stringify({ ...aRequest(), select: {} }) });
        expect({ status: posted.status, body: await posted.json() }).toMatchObject({
          status: 400,
          body: { code: 'REQUEST_INVALID' },
        });
      } finally {
        await new Promise((closed) => service.close(closed));
      }
    });
  });
});
