import { describe, expect, it } from 'vitest';
import { runProgram } from './program.js';

describe.each(['demo', 'bench'])('npm run %s', { timeout: 120_000 }, (name) => {
  it('shows its options with --help', async () => {
    const shown = await runProgram([name, '--help']);
    expect(shown).toMatchObject({ exitCode: 0, stderr: '' });
    expect(shown.stdout).toContain(`npm run ${name} -- [options]`);
  });

  it('says of a mistyped option what is wrong and what there is', async () => {
    const { exitCode, stdout, stderr } = await runProgram([name, '--jason']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--jason'/);
    expect(stderr).toContain(`npm run ${name} -- [options]`);
  });

  it('says it in one line with --json', async () => {
    const { exitCode, stdout, stderr } = await runProgram([name, '--json', '--jason']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--jason'.*\n$/);
  });
});
