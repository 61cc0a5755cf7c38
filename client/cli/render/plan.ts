import type { PlanSummary } from '../../../domain/contracts/messages.js';
import type { ConfirmNeed } from '../../../domain/contracts/plan.js';
import type { PlanDocument } from '../../index.js';
import type { Say } from '../texts/index.js';
import { printable } from './printable.js';
import { tableLines } from './table.js';

/** A person reads so many lines of one list before the confirm; the rest is counted. */
const LIST_LINES = 20;

/** What of a plan people see before they agree. */
export interface ShownPlan {
  readonly runId: string;
  readonly summary: PlanSummary;
  readonly targets: number;
  readonly confirm: ConfirmNeed;
  /** Who asked, where the plan still needs consent. */
  readonly requestedBy?: string | undefined;
  readonly notSeen: readonly string[];
  /** Undefined for a plan too long to be read whole. */
  readonly whole: PlanDocument | undefined;
}

/** The plan as people read it: waves, servers, what is left alone and why, what cannot be seen. */
export function planLines(say: Say, plan: ShownPlan): string[] {
  const { summary, whole } = plan;
  const servers =
    whole === undefined ? Math.max(0, ...summary.waves.map((wave) => wave.servers)) : perServer(whole).size;
  const lines = [say('plan.title', { run: plan.runId, targets: plan.targets, servers })];
  if (plan.targets === 0) lines.push(say('plan.nothing'));
  else lines.push('', ...waveTable(say, summary));
  if (whole !== undefined && plan.targets > 0) lines.push('', ...serverTable(say, whole));
  lines.push(...leftLines(say, summary, whole));
  lines.push(
    ...block(
      say,
      say('plan.findings'),
      summary.findings.map((finding) => finding.text),
    ),
  );
  lines.push(...block(say, say('plan.notSeen'), plan.notSeen));
  lines.push('', say('plan.hash', { hash: summary.planHash }));
  if (plan.targets > 0 && plan.requestedBy !== undefined) {
    lines.push(say(`plan.confirm.${plan.confirm}`, { by: plan.requestedBy }));
  }
  return lines;
}

function waveTable(say: Say, summary: PlanSummary): string[] {
  const rows = summary.waves.map((wave, index) => [
    String(index + 1),
    wave.priority,
    String(wave.targets),
    String(wave.servers),
  ]);
  const head = [say('column.wave'), say('column.priority'), say('column.targets'), say('column.servers')];
  return clip(say, tableLines(head, rows));
}

function serverTable(say: Say, whole: PlanDocument): string[] {
  const rows = [...perServer(whole)]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([server, count]) => [server, String(count)]);
  return clip(say, tableLines([say('column.server'), say('column.targets')], rows));
}

function perServer(whole: PlanDocument): Map<string, number> {
  const counts = new Map<string, number>();
  for (const wave of whole.plan.waves) {
    for (const target of wave.targets) counts.set(target.server, (counts.get(target.server) ?? 0) + 1);
  }
  return counts;
}

function leftLines(say: Say, summary: PlanSummary, whole: PlanDocument | undefined): string[] {
  if (summary.left === 0) return [];
  if (whole === undefined) return ['', say('plan.leftCount', { n: summary.left })];
  const rows = whole.left.map((task) => [task.server, task.name, task.why]);
  return [
    '',
    say('plan.left'),
    ...clip(say, tableLines([say('column.server'), say('column.task'), say('column.why')], rows)),
  ];
}

function block(say: Say, title: string, texts: readonly string[]): string[] {
  return texts.length === 0
    ? []
    : [
        '',
        title,
        ...clip(
          say,
          texts.map((text) => `  ${printable(text)}`),
        ),
      ];
}

function clip(say: Say, lines: readonly string[]): string[] {
  if (lines.length <= LIST_LINES + 1) return [...lines];
  return [...lines.slice(0, LIST_LINES + 1), say('plan.more', { n: lines.length - LIST_LINES - 1 })];
}
