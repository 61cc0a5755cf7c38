import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { OffboilError } from '../../domain/errors.js';
import type { WorkerProgram } from './session.js';

/**
 * Starts a program of `worker/` on this terminal and waits for it. It is a process of its own: the command line never
 * imports what reads the estate or reaches a server.
 * @returns its exit code; 128 and the signal's number when a signal ended it, as shells count
 */
export async function runProgram(
  program: WorkerProgram,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const child = spawn(process.execPath, [...programArgs(program), ...args], { stdio: 'inherit', env });
  // The terminal gives Ctrl+C to the whole group: the child ends in its own order, and we wait for it.
  const stay = (): void => undefined;
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  // Without a terminal the signal came to us alone, from a supervisor or a script, and must be passed on.
  const interrupted = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY ? stay : forward;
  process.on('SIGINT', interrupted).on('SIGTERM', forward).on('SIGHUP', forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => {
        reject(new OffboilError('INTERNAL', `${program} cannot be started: ${error.message}`, {}, { cause: error }));
      });
      child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', forward).off('SIGHUP', forward);
  }
}

/** Beside the compiled file the program is compiled as well; in development both run through tsx. */
function programArgs(program: WorkerProgram): string[] {
  const isSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(`../../worker/${program}.${isSource ? 'ts' : 'js'}`, import.meta.url));
  return isSource ? ['--import', 'tsx', file] : [file];
}
