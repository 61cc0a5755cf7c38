import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem } from '../support/system.js';

const postgres = usePostgres();

/** Runs a command whose reader has gone before the first line, as `head` does after its last. */
async function withClosedStdout(args: readonly string[], env: NodeJS.ProcessEnv) {
  // compiled, as people run it; `npm test` has built it
  const child = spawn(process.execPath, ['dist/client/cli/main.js', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { exitCode: child.exitCode, stderr };
}

describe('a command whose reader closes the pipe', () => {
  it('ends quietly, with the code of the run', { timeout: 120_000 }, async () => {
    const servers = [aServer('carte-1', [aTask('load_a'), aTask('load_b')])];
    const system = await startSystem({ postgres, servers });
    const done = await system.run(aRequest());
    const refused = await (await system.start(aRequest({ policy: 'nowhere' }))).result();
    expect([done.result.exitCode, refused.exitCode]).toEqual([0, 3]);

    for (const [args, exitCode] of [
      [['report', done.result.runId], 0],
      [['watch', done.result.runId], 0],
      [['watch', refused.runId], 3],
    ] as const) {
      expect(await withClosedStdout(args, system.env)).toEqual({ exitCode, stderr: '' });
    }
  });
});
