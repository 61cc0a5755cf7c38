import { PassThrough } from 'node:stream';
import type { OffboilClient } from '../../client/index.js';
import { runCli } from '../../client/cli/run-cli.js';

export interface TypedAnswer {
  /** When these words stand on the screen … */
  readonly when: string;
  /** … this line is typed (`^C` presses Ctrl+C), or something else happens. */
  readonly type: string | (() => void);
}

export interface Shown {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Programs of the worker that were started, with their arguments. */
  readonly programs: readonly string[];
}

export interface TerminalOptions {
  /** Without it there is no terminal: nobody can be asked. */
  readonly answers?: readonly TypedAnswer[];
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: string;
}

/** Runs one command line as a person or a script would, in this process. The client stays open. */
export async function atTerminal(
  client: OffboilClient | undefined,
  args: readonly string[],
  options: TerminalOptions = {},
): Promise<Shown> {
  const { answers, env = { USER: 'ops-oncall', LANG: 'en_US.UTF-8' } } = options;
  const isTTY = answers !== undefined;
  const stdin = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  if (!isTTY) stdin.end(options.stdin ?? '');
  const shown = { stdout: '', stderr: '' };
  const interrupt = new AbortController();
  const waiting = [...(answers ?? [])];
  let seen = 0;
  const typeWhenAsked = (): void => {
    const [next] = waiting;
    const text = shown.stdout + shown.stderr;
    if (next === undefined) return;
    const at = text.indexOf(next.when, seen);
    if (at === -1) return;
    seen = at + next.when.length;
    waiting.shift();
    if (typeof next.type === 'function') next.type();
    else if (next.type === '^C') interrupt.abort();
    else stdin.write(`${next.type}\n`);
  };
  stdout.on('data', (chunk: Buffer) => {
    shown.stdout += String(chunk);
    typeWhenAsked();
  });
  stderr.on('data', (chunk: Buffer) => {
    shown.stderr += String(chunk);
    typeWhenAsked();
  });
  const programs: string[] = [];
  const exitCode = await runCli(args, {
    stdin,
    stdout,
    stderr,
    env,
    interrupt,
    connect: async () => {
      if (client === undefined) throw new Error('this command needs no Temporal');
      return client;
    },
    runProgram: async (program, programArgs, programEnv) => {
      const address = programEnv['TEMPORAL_ADDRESS'];
      programs.push([program, ...programArgs, ...(address === undefined ? [] : [`at ${address}`])].join(' '));
      return 7;
    },
  });
  return { exitCode, ...shown, programs };
}
