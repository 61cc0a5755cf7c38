import { userInfo } from 'node:os';
import type { ConnectOptions, OffboilClient } from '../index.js';
import { OffboilError } from '../../domain/errors.js';
import type { Screen } from './screen.js';
import type { Language, Say } from './texts/index.js';

/** Programs of `worker/` that the command line starts as processes, without importing them. */
export type WorkerProgram = 'up' | 'main' | 'setup' | 'estate';

/** What one call of the command line works with. */
export interface Session {
  /** As typed, without node and script. */
  readonly args: readonly string[];
  readonly screen: Screen;
  readonly say: Say;
  readonly language: Language;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Buffer | string>;
  /** Fires on Ctrl+C: commands detach, runs go on. */
  readonly signal: AbortSignal;
  readonly connect: (options: ConnectOptions) => Promise<OffboilClient>;
  readonly runProgram: (program: WorkerProgram, args: readonly string[], env: NodeJS.ProcessEnv) => Promise<number>;
  /** Exit code of the call; 0 unless a command says otherwise. */
  exitCode: number;
}

/** Who sits here; asserted, never proven. */
export function userOf(session: Session, given: string | undefined, flag: string): string {
  const user = given ?? session.env['USER'] ?? session.env['LOGNAME'] ?? accountName();
  if (user !== undefined && user.trim() !== '') return user;
  throw new OffboilError('USAGE_WRONG', session.say('usage.user', { flag }));
}

function accountName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // an account without an entry, as in many containers
  }
}

/** A command with what it does, in two columns, as the last lines of a screen. */
export function nextLines(say: Say, steps: readonly (readonly [command: string, why: string])[]): string[] {
  const indent = ' '.repeat(say('next').length + 1);
  const width = Math.max(...steps.map(([command]) => command.length));
  return steps.map(
    ([command, why], index) => `${index === 0 ? `${say('next')} ` : indent}${command.padEnd(width)}  ${why}`,
  );
}
