import { parseArgs } from 'node:util';
import { ERROR_CODES, OffboilError } from '../domain/errors.js';

/** Options that all programs of the worker share. */
export interface ProgramArgs {
  readonly estate?: string;
  readonly site?: string;
  readonly json: boolean;
  readonly words: readonly string[];
}

export function readArgs(argv: readonly string[]): ProgramArgs {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { estate: { type: 'string' }, site: { type: 'string' }, json: { type: 'boolean', default: false } },
    });
    const { estate, site, json } = values;
    return {
      json,
      words: positionals,
      ...(estate === undefined ? {} : { estate }),
      ...(site === undefined ? {} : { site }),
    };
  } catch (error) {
    throw new OffboilError('USAGE_WRONG', error instanceof Error ? error.message : String(error));
  }
}

// Whoever reads us through `head` has seen enough; the program and its exit code go on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/** Runs a program: its messages for people go to stderr, and what goes wrong is one sentence and exit code 1 or 3. */
export async function runProgram(program: (args: ProgramArgs) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await program(readArgs(process.argv.slice(2)));
  } catch (error) {
    console.error(error instanceof OffboilError ? error.message : error);
    if (process.argv.includes('--json')) {
      const code = error instanceof OffboilError ? error.code : 'INTERNAL';
      const message = error instanceof Error ? error.message : String(error);
      process.stdout.write(`${JSON.stringify({ schemaVersion: 1, error: { code, message } })}\n`);
    }
    process.exitCode = error instanceof OffboilError && ERROR_CODES[error.code].end === 'refused' ? 3 : 1;
  }
}

/**
 * Aborted at the first Ctrl+C or SIGTERM. Further ones change nothing, because one may arrive several times (the group has
 * got it, and everybody above passes it on) and must not end us in the middle of the clean-up. Only a person's third
 * Ctrl+C does: on a terminal each arrives once.
 */
export function stopRequested(): AbortSignal {
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort(new Error('stopped'));
  };
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  let interrupts = 0;
  process.on('SIGINT', () => {
    stop();
    interrupts += 1;
    if (interrupts > 2 && process.stdin.isTTY) process.exit(130);
  });
  return stopped.signal;
}

/** Resolves when it is aborted, at once if it is already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}

/** Closes everything in turn. @throws the first failure, after all the others were closed too: nothing is left open for it */
export async function closeAll(closing: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing) await close().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
