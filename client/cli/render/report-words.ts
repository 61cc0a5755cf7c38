import type { Report } from '../../../domain/contracts/report.js';
import type { Say } from '../texts/index.js';

// The sentences of a report, the same in the terminal and in HTML. Not yet safe to show: each form makes its texts safe itself.

export function resultHead(say: Say): string[] {
  return [
    say('column.server'),
    say('column.task'),
    say('column.outcome'),
    say('column.at'),
    say('column.requests'),
    say('column.note'),
  ];
}

export function taskHead(say: Say): string[] {
  return [say('column.server'), say('column.task'), say('column.why')];
}

export function outcome(say: Say, { outcome, late }: Report['results'][number]): string {
  return say(`outcome.${outcome}`) + (late === true ? ` (${say('outcome.late')})` : '');
}

export function how(say: Say, { mode, policy, emergency }: Report): string {
  return `${mode}, ${policy}${emergency ? `, ${say('report.emergency')}` : ''}`;
}

export function compensation({ server, name, kind, state, detail, by }: Report['compensations'][number]): string {
  return `${server}/${name}: ${kind} ${state}. ${detail}${byWords(by)}`;
}

export function timeline({ at, what, by }: Report['timeline'][number]): string {
  return `${at}  ${what}${byWords(by)}`;
}

/** The bystanders that need a look. */
export function bystanders({ list }: Report['bystanders']): string[] {
  return list
    .filter(({ verdict }) => verdict === 'disturbed' || verdict === 'unknown')
    .map(({ server, name, verdict, why }) => `${server}/${name}: ${verdict}. ${why}`);
}

function byWords(by: string | undefined): string {
  return by === undefined ? '' : ` (${by})`;
}
