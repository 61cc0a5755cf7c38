import type { Progress } from '../../../domain/contracts/messages.js';
import { OUTCOME_FACTS, OUTCOMES, type Outcome, type OutcomeCounts } from '../../../domain/outcomes.js';
import type { Say } from '../texts/index.js';
import { printable } from './printable.js';

const BAR_COLUMNS = 20;

/** Where a run stands, on one line. */
export function progressLine(say: Say, progress: Progress): string {
  const { phase, planned, proven, requested, wave, waves, etaSeconds } = progress;
  const parts = [say(`phase.${phase}`)];
  if (waves > 0 && phase !== 'confirm') parts.push(say('progress.wave', { wave, waves }));
  if (planned > 0) {
    parts.push(say('progress.proven', { proven, planned }));
    if (requested > proven) parts.push(say('progress.requested', { n: requested }));
    parts.push(...outcomeParts(say, progress.outcomes, (outcome) => !OUTCOME_FACTS[outcome].proven));
  }
  if (etaSeconds !== undefined && phase === 'wave') parts.push(say('progress.eta', { time: clock(etaSeconds) }));
  return `${planned > 0 ? `${bar(proven / planned)} ` : ''}${parts.join(' · ')}`;
}

/** Counts of outcomes in words, in the fixed order, without the empty ones. */
export function outcomeParts(
  say: Say,
  outcomes: OutcomeCounts,
  wanted: (outcome: Outcome) => boolean = () => true,
): string[] {
  return OUTCOMES.filter((outcome) => (outcomes[outcome] ?? 0) > 0 && wanted(outcome)).map((outcome) =>
    say('progress.count', { n: outcomes[outcome] ?? 0, outcome: say(`outcome.${outcome}`) }),
  );
}

/** What the run waits for: one state, its reason, and the commands that answer it. */
export function waitsLines(say: Say, progress: Progress): string[] {
  const { waits } = progress;
  if (waits === undefined) return [];
  const until = waits.until === undefined ? '' : ` (${say('progress.until', { time: waits.until })})`;
  return [
    `${say('progress.waits', { reason: waits.reason })}${until}`,
    ...(waits.answers.length === 0 ? [] : [say('progress.answer')]),
    ...waits.answers.map((answer) => `  ${printable(answer)}`),
  ];
}

function bar(share: number): string {
  const full = Math.floor(Math.min(1, share) * BAR_COLUMNS);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_COLUMNS - full)}]`;
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  return `${hours > 0 ? `${String(hours)}:` : ''}${pad(Math.floor((whole % 3600) / 60))}:${pad(whole % 60)}`;
}
