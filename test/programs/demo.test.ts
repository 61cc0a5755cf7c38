import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isAlive, signalProcess } from '../../adapters/ledger/embedded/process-identity.js';
import { reportSchema } from '../../domain/contracts/report.js';
import { eventually } from '../support/system.js';
import { expectNoneAlive, filesLeft, foldersOfTest, isListening, type Program, startProgram } from './program.js';

const PARTS = [/postgres -D/, /server start-dev/, /sandbox\/main\.js/, /demo\/main\.js/];

interface Demo {
  readonly program: Program;
  readonly home: string;
  readonly temporary: string;
}

function startDemo(home: string, temporary: string): Demo {
  const program = startProgram(['demo', '--json'], { OFFBOIL_HOME: home, TMPDIR: temporary });
  return { program, home, temporary };
}

/** Waits until everything is up and the run has begun. @returns its processes and the address of its Web UI */
async function untilUp({ program }: Demo) {
  const [, uiAddress = ''] = await program.says(/Web UI: (http:\/\/[\d.:]+)/);
  const family = program.family();
  for (const part of PARTS) expect(family.map(({ command }) => command)).toContainEqual(expect.stringMatching(part));
  return { family, uiAddress };
}

async function expectNothingLeft({ home, temporary }: Demo, up: Awaited<ReturnType<typeof untilUp>>): Promise<void> {
  expectNoneAlive(up.family);
  expect(await isListening(up.uiAddress)).toBe(false);
  expect(filesLeft(temporary)).toEqual([]);
  expect(readdirSync(home).filter((name) => name !== 'reports')).toEqual([]);
}

describe('npm run demo', { timeout: 240_000 }, () => {
  it('prints one report with --json, also twice at once, and leaves nothing but the reports as pages', async () => {
    const { home, temporary } = foldersOfTest();
    const demos = [startDemo(home, temporary), startDemo(home, temporary)];
    const ups = await Promise.all(demos.map(untilUp));
    for (const { program } of demos) {
      const exitCode = await program.exitCode;
      expect({ exitCode, said: program.printed.stderr }).toMatchObject({
        exitCode: 0,
        said: expect.stringContaining('The run ended as foretold.') as string,
      });
      const report = reportSchema.parse(JSON.parse(program.printed.stdout));
      expect(report).toMatchObject({ runId: 'INC-42', end: 'incomplete', exitCode: 2 });
      expect(Object.values(report.outcomes).reduce((sum, count) => sum + count, 0)).toBe(report.targets);
    }
    for (const [index, demo] of demos.entries()) {
      const up = ups[index];
      if (up !== undefined) await expectNothingLeft(demo, up);
    }
    expect(readdirSync(`${home}/reports`)).toHaveLength(2);
  });

  it('ends all that it started on Ctrl+C, with exit code 130 and nothing on stdout', async () => {
    const { home, temporary } = foldersOfTest();
    const demo = startDemo(home, temporary);
    const up = await untilUp(demo);
    await demo.program.says(/wave [12]\/2/);
    demo.program.signal('SIGINT');
    expect(await demo.program.exitCode).toBe(130);
    expect(demo.program.printed).toMatchObject({
      stdout: '',
      stderr: expect.stringContaining('stopped: everything that was started is ended') as string,
    });
    await expectNothingLeft(demo, up);
  });

  it('ends all that it started also when every process of it gets a signal', async () => {
    const { home, temporary } = foldersOfTest();
    const program = startProgram(['demo'], { OFFBOIL_HOME: home, TMPDIR: temporary }, { ownGroup: true });
    const demo = { program, home, temporary };
    const up = await untilUp(demo);
    program.signalGroup('SIGTERM');
    program.signalGroup('SIGINT');
    expect(await program.exitCode).toBe(130);
    await expectNothingLeft(demo, up);
  });

  it('clears away what a demo that was killed has left', async () => {
    const { home, temporary } = foldersOfTest();
    const killed = startDemo(home, temporary);
    const { family } = await untilUp(killed);
    for (const member of family) if (member.command.includes('demo/main.js')) signalProcess(member, 'SIGKILL');
    expect(await killed.program.exitCode).toBe(137);
    const servers = family.filter(({ command }) => /server start-dev|postgres -D/.test(command));
    expect(servers.filter(isAlive)).toHaveLength(2);

    const next = startDemo(home, temporary);
    const up = await untilUp(next);
    expectNoneAlive(servers);
    next.program.signal('SIGINT');
    expect(await next.program.exitCode).toBe(130);
    await eventually(() => {
      expectNoneAlive(family); // the fleet ends by itself when its starter is gone
    });
    await expectNothingLeft(next, up);
  });
});
