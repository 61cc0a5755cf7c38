import type { PlanSummary } from '../../../domain/contracts/messages.js';
import type { ConfirmNeed } from '../../../domain/contracts/plan.js';
import type { PlanDocument } from '../../index.js';
import type { Say } from '../texts/index.js';
import { ageOf } from './age.js';
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
  /** Until when it may be agreed to, while it waits for that. */
  readonly validUntil?: string | undefined;
  readonly notSeen: readonly string[];
  /** Undefined for a plan too long to be read whole. */
  readonly whole: PlanDocument | undefined;
}

/** The plan as people read it: waves, servers, what is left alone and why, what cannot be seen. */
export function planLines(say: Say, plan: ShownPlan, now = Date.now()): string[] {
  const { summary, whole } = plan;
  const servers =
    whole === undefined
      ? Math.max(0, ...summary.waves.map((wave) => wave.servers))
      : new Set(whole.plan.waves.flatMap(({ targets }) => targets.map(({ server }) => server))).size;
  const lines = [say('plan.title', { run: plan.runId, targets: plan.targets, servers })];
  if (plan.targets === 0) lines.push(say('plan.nothing'));
  else lines.push('', ...waveTable(say, summary));
  if (plan.targets > 0) lines.push('', ...targetLines(say, plan, now));
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
  if (plan.validUntil !== undefined) lines.push(say('plan.valid', { time: plan.validUntil }));
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

/** Every target by name, those of one name on one server folded; the first lines, and how to see all. */
function targetLines(say: Say, { runId, whole }: ShownPlan, now: number): string[] {
  const all = say('plan.allTargets', { command: `offboil plan ${runId} --json` });
  if (whole === undefined) return [all];
  const folded = new Map<string, { readonly cells: readonly string[]; count: number; oldest: string | undefined }>();
  for (const target of whole.plan.waves.flatMap(({ targets }) => targets)) {
    const group = whole.extras[`${target.server}/${target.id}`]?.group ?? '';
    const cells = [target.server, target.name, target.kind, group, target.rungs.join(' → ')];
    const key = JSON.stringify(cells);
    const one = folded.get(key) ?? { cells, count: 0, oldest: target.startedAt };
    one.count += 1;
    if (target.startedAt !== undefined && !(one.oldest !== undefined && one.oldest <= target.startedAt)) {
      one.oldest = target.startedAt;
    }
    folded.set(key, one);
  }
  const rows = [...folded.values()].map(({ cells: [server, name, kind, group, how], count, oldest }) => [
    server ?? '',
    count === 1 ? (name ?? '') : `${name ?? ''} ×${String(count)}`,
    kind ?? '',
    ageOf(oldest, now),
    group ?? '',
    how ?? '',
  ]);
  const head = (['server', 'task', 'kind', 'age', 'group', 'how'] as const).map((name) => say(`column.${name}`));
  const lines = clip(say, tableLines(head, rows));
  return rows.length > LIST_LINES ? [...lines, all] : lines;
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
