import { CommanderError } from '@commander-js/extra-typings';
import { ERROR_CODES, OffboilError } from '../../domain/errors.js';
import { createProgram } from './program.js';
import { printableLines } from './render/printable.js';
import { Screen, type Streams } from './screen.js';
import type { Session } from './session.js';
import { languageOf, textsIn } from './texts/index.js';

/** What the command line takes from its surroundings; the bin gives the real ones. */
export interface Surroundings extends Streams, Pick<Session, 'env' | 'connect' | 'runProgram'> {
  /** Fired by Ctrl+C. */
  readonly interrupt: AbortController;
}

/**
 * Runs one command.
 * @param args without node and script
 * @returns the exit code of `design.md` §18
 */
export async function runCli(args: readonly string[], around: Surroundings): Promise<number> {
  const language = languageOf(args, around.env);
  const session: Session = {
    args,
    screen: new Screen(around, args.includes('--json'), around.interrupt),
    say: textsIn(language),
    language,
    env: around.env,
    stdin: around.stdin,
    signal: around.interrupt.signal,
    connect: around.connect,
    runProgram: around.runProgram,
    exitCode: 0,
  };
  try {
    await createProgram(session).parseAsync([...args], { from: 'user' });
    return session.exitCode;
  } catch (error) {
    return tellError(session, error);
  }
}

function tellError({ screen, say }: Session, error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help
    const isHelp = error.code === 'commander.help'; // no command was named, and the help is told already
    const message = isHelp ? say('usage.noCommand') : error.message.replace(/^error: /, '');
    if (!isHelp) screen.error(`${say('error')} USAGE_WRONG: ${printableLines(message)}`);
    screen.document({ error: { code: 'USAGE_WRONG', message } });
    return 1;
  }
  const code = error instanceof OffboilError ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  screen.error(`${say('error')} ${code}: ${printableLines(message)}`);
  // what we throw on purpose says all; a stack helps only with what nobody expected
  if (!(error instanceof OffboilError) && error instanceof Error && error.stack !== undefined)
    screen.error(error.stack);
  screen.document({ error: { code, message } });
  return ERROR_CODES[code].end === 'refused' ? 3 : 1;
}
