import type { Report } from '../../../domain/contracts/report.js';
import type { Say } from '../texts/index.js';
import { outcomeParts } from './progress.js';
import { printable, printableLines } from './printable.js';
import * as words from './report-words.js';
import { tableLines } from './table.js';

/** The report for a terminal: the verdict and what needs somebody first, the evidence last. */
export function reportLines(say: Say, report: Report): string[] {
  return [
    say('report.title', { run: report.runId }),
    `${say(`end.${report.end}`)} · ${say('report.exitCode')} ${String(report.exitCode)}${report.code === undefined ? '' : ` · ${report.code}`}`,
    printableLines(report.message),
    '',
    ...headLines(say, report),
    ...section(
      say('report.needsYou'),
      report.needsYou.map((text) => `! ${printable(text)}`),
    ),
    ...section(say('report.results'), resultLines(say, report)),
    ...section(say('report.left'), taskTable(say, report.left)),
    ...section(say('report.checks'), checkLines(say, report)),
    ...section(
      say('report.compensations'),
      report.compensations.map((entry) => printable(words.compensation(entry))),
    ),
    ...section(say('report.bystanders'), bystanderLines(say, report)),
    ...section(say('report.cameBack'), taskTable(say, report.cameBack)),
    ...section(say('report.notSeen'), report.notSeen.map(printable)),
    ...section(
      say('report.timeline'),
      report.timeline.map((entry) => printable(words.timeline(entry))),
    ),
  ];
}

function headLines(say: Say, report: Report): string[] {
  const actors = report.actors.map((actor) => `${actor.role} ${actor.by} (${actor.assurance})`).join(', ');
  const rows: [string, string][] = [
    [say('report.reason'), report.reason],
    ...(report.ticket === undefined ? [] : [[say('report.ticket'), report.ticket] satisfies [string, string]]),
    [say('report.people'), actors],
    [say('report.how'), words.how(say, report)],
    [say('report.time'), `${report.startedAt} – ${report.finishedAt}`],
    ...(report.planHash === undefined ? [] : [[say('report.hashes'), report.planHash] satisfies [string, string]]),
  ];
  return rows.map(([label, value]) => `${label}: ${printable(value)}`);
}

function resultLines(say: Say, report: Report): string[] {
  if (report.results.length === 0) return [];
  const rows = report.results.map((row) => [
    row.server,
    row.name,
    words.outcome(say, row),
    row.at,
    String(row.requests),
    row.note ?? row.evidence.at(-1)?.what ?? '',
  ]);
  return [outcomeParts(say, report.outcomes).join(' · '), ...tableLines(words.resultHead(say), rows)];
}

function taskTable(say: Say, tasks: readonly { server: string; name: string; why: string }[]): string[] {
  if (tasks.length === 0) return [];
  const rows = tasks.map((task) => [task.server, task.name, task.why]);
  return tableLines(words.taskHead(say), rows);
}

function checkLines(say: Say, report: Report): string[] {
  return report.checks.map(
    (check) =>
      `${printable(check.name)} (${printable(check.database)}): ${say('report.before')} ${check.before}, ${say('report.after')} ${check.after}. ${printable(check.detail)}`,
  );
}

function bystanderLines(say: Say, report: Report): string[] {
  const { list: _list, ...counts } = report.bystanders;
  if (counts.total === 0) return [];
  return [say('report.bystanderCounts', counts), ...words.bystanders(report.bystanders).map(printable)];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}
