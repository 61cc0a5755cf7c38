import { type CommandUnknownOpts, InvalidArgumentError } from '@commander-js/extra-typings';
import { duration } from '../../../domain/contracts/request.js';
import { SELECTION_FIELDS } from '../request-flags.js';
import type { Session } from '../session.js';

/** Adds the flags of a request, the same to `plan` and `stop`. */
export function addRequestOptions(command: CommandUnknownOpts, { say }: Session): void {
  for (const { flag, value, takes, help } of SELECTION_FIELDS) {
    addSelection(command, `--${flag} <${value}>`, say(help), takes);
  }
  command.option('--everything', say('help.everything'));
  for (const { flag, value, takes, help } of SELECTION_FIELDS) {
    addSelection(command, `--except-${flag} <${value}>`, say('help.except', { what: say(help) }), takes);
  }
  command
    .option('--reason <text>', say('help.reason'))
    .option('--requested-by <who>', say('help.requestedBy'))
    .option('--ticket <ticket>', say('help.ticket'))
    .option('--request-id <id>', say('help.requestId'))
    .option('--mode <mode>', say('help.mode'))
    .option('--policy <policy>', say('help.policy'))
    .option('--emergency', say('help.emergency'));
}

function addSelection(command: CommandUnknownOpts, flags: string, help: string, takes: 'one' | 'many'): void {
  if (takes === 'one') command.option(flags, help);
  else command.option(flags, help, (value: string, before: string[] | undefined) => [...(before ?? []), value]);
}

/** Reads a duration flag. */
export function parseDuration(complaint: (value: string) => string): (value: string) => string {
  return (value) => {
    if (duration.safeParse(value).success) return value;
    throw new InvalidArgumentError(complaint(value));
  };
}
