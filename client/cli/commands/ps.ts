import type { SurveyAnswer, SurveyedTask } from '../../index.js';
import { type Root, withClient } from '../root.js';
import { collect } from '../request-flags.js';
import { tableLines } from '../render/table.js';
import type { Session } from '../session.js';
import type { Say } from '../texts/index.js';

/** `offboil ps`: what runs now, on which server, and which servers could not be read. */
export function addPs(root: Root, session: Session): void {
  const { say, screen } = session;
  root
    .command('ps')
    .description(say('help.ps'))
    .option('--server <name>', say('help.server'), collect)
    .action(async ({ server }) =>
      withClient(root, session, async (client) => {
        screen.live(say('phase.discover'));
        const survey = await client.survey(server === undefined ? {} : { servers: server });
        const tasks = (await client.readSurvey(survey)).filter((task) => task.state !== 'ended');
        screen.lines([...serverLines(say, survey), '', ...taskLines(say, tasks)]);
        screen.document({ servers: survey.servers, tasks });
      }),
    );
}

function serverLines(say: Say, survey: SurveyAnswer): string[] {
  const head = [
    say('column.server'),
    say('column.product'),
    say('column.active'),
    say('column.listed'),
    say('column.problem'),
  ];
  return tableLines(
    head,
    survey.servers.map((row) => [
      row.server,
      [row.product, row.version].filter((part) => part !== undefined).join(' '),
      row.active === undefined ? '' : String(row.active),
      row.tasks === undefined ? '' : String(row.tasks),
      row.problem === undefined ? '' : `${row.problem.code}: ${row.problem.message}`,
    ]),
  );
}

function taskLines(say: Say, tasks: readonly SurveyedTask[]): string[] {
  if (tasks.length === 0) return [say('ps.none')];
  const head = [
    say('column.server'),
    say('column.task'),
    say('column.kind'),
    say('column.state'),
    say('column.started'),
    'ID',
  ];
  return tableLines(
    head,
    tasks.map((task) => [
      task.server,
      task.name,
      task.kind,
      `${task.state} (${task.word})`,
      task.startedAt ?? '',
      task.id,
    ]),
  );
}
