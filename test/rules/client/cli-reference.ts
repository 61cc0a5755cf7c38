import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { PassThrough } from 'node:stream';
import { ERROR_CODES } from '../../../domain/errors.js';
import { OffboilError } from '../../../client/index.js';
import { createProgram } from '../../../client/cli/program.js';
import { Screen } from '../../../client/cli/screen.js';
import { textsIn } from '../../../client/cli/texts/index.js';

/** What each exit code means, `design.md` §18; the first that fits. */
const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [4, 'braked or cancelled'],
  [
    3,
    'refused: request, estate, budget, plan or approval; also no terminal and no `--yes`, and then no run is started',
  ],
  [1, 'own error or wrong usage'],
  [
    2,
    'a target unconfirmed, failed, refused, unreachable, replaced by an active task or skipped by a gate; a server of the selection ' +
      'not readable; a check red after that was not red before; a compensation failed or unanswered',
  ],
  [0, 'otherwise; also a dry run, and when nothing matched'],
  [130, 'Ctrl+C: detached, the run goes on'],
];

/** The reference of the command line in Markdown, from its own help. */
export function cliReference(): string {
  const program = createProgram(offlineSession());
  const commands = program.commands.flatMap(withSubcommands);
  return [
    '# The command line',
    '',
    'Generated from `offboil --help`; refresh it with `npx vitest run -u test/rules/client/reference-cli.test.ts`.',
    '',
    ...helpBlock(program),
    ...commands.flatMap(([name, command]) => [`## ${name}`, '', ...helpBlock(command)]),
    '## Exit codes',
    '',
    'The first that fits. `stop` and `watch` exit with the code of the run, `--detach` with 0.',
    '',
    ...EXIT_CODES.map(([code, meaning]) => `- **${String(code)}** ${meaning}`),
    '',
    '## Documents',
    '',
    'With `--json`, stdout holds one document. Their schemas: `stop`, `watch` and `retry` of an ended run',
    '[result](../schema/result.schema.json), `report` [report](../schema/report.schema.json), `ps`',
    '[ps](../schema/ps.schema.json), `runs` [runs](../schema/runs.schema.json), `estate check`',
    '[estate-check](../schema/estate-check.schema.json), and whatever failed [error](../schema/error.schema.json).',
    '',
    '## Error codes',
    '',
    'They stand in results, reports and, with `--json`, in `error.code` on stdout.',
    '',
    ...Object.entries(ERROR_CODES).map(
      ([code, { end }]) => `- \`${code}\` (exit code ${end === 'refused' ? '3' : '1'})`,
    ),
    '',
  ].join('\n');
}

function withSubcommands(command: CommandUnknownOpts): (readonly [string, CommandUnknownOpts])[] {
  const parent = command.parent?.parent == null ? '' : `${command.parent.name()} `;
  const own = [`offboil ${parent}${command.name()}`, command] as const;
  return command.commands.length === 0 ? [own] : command.commands.flatMap(withSubcommands);
}

function helpBlock(command: CommandUnknownOpts): string[] {
  return ['```text', command.helpInformation().trimEnd(), '```', ''];
}

/** Help needs no Temporal, no terminal and no environment, so that it reads the same everywhere. */
export function offlineSession(): Parameters<typeof createProgram>[0] {
  const nowhere = new PassThrough();
  const interrupt = new AbortController();
  const offline = (): never => {
    throw new OffboilError('USAGE_WRONG', 'help needs no connection');
  };
  return {
    args: [],
    screen: new Screen({ stdin: nowhere, stdout: nowhere, stderr: nowhere }, false, interrupt),
    say: textsIn('en'),
    language: 'en',
    env: {},
    stdin: nowhere,
    signal: interrupt.signal,
    connect: offline,
    runProgram: offline,
    exitCode: 0,
  };
}
