import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem } from '../support/system.js';
import { pathWithTemporal, runInShell } from './program.js';

/** `temporal workflow execute … && next` sees the exit code, and a person what it prints. */
describe('temporal workflow execute of a run', { timeout: 120_000 }, () => {
  const postgres = usePostgres();
  const verify = { within: '1s', every: '100ms', linger: '500ms' };
  const execute = async (tasks: Parameters<typeof aServer>[1]) => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', tasks)],
      estate: { policies: { brief: { extends: 'quick', verify } } },
    });
    const request = aRequest({ policy: 'brief' });
    return runInShell(
      `temporal workflow execute --type bulkTermination --task-queue offboil --workflow-id offboil/${request.requestId} --input '${JSON.stringify(request)}' && echo next`,
      { env: { ...system.env, PATH: pathWithTemporal() } },
    );
  };

  it('that is fully proven exits with 0 and goes on to what comes next', async () => {
    const { exitCode, stdout } = await execute([aTask('load_{n}', { count: 2 })]);
    expect(stdout).toMatch(/"outcomes":{"stopped":2}/);
    expect(stdout).toMatch(/next\n$/);
    expect(exitCode).toBe(0);
  });

  it('with an unconfirmed target exits with another code and prints the verdict', async () => {
    const { exitCode, stdout, stderr } = await execute([
      aTask('load_deaf', { traits: { ignoresStop: true } }),
      aTask('load_0'),
    ]);
    expect(stdout + stderr).toContain('1 of 2 proven ended');
    expect(stdout).not.toMatch(/next\n$/);
    expect(exitCode).toBe(1);
  });
});
