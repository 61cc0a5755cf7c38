import { OUTCOMES, type Outcome, type OutcomeCounts } from '../outcomes.js';
import type { TargetFacts } from '../ports.js';

/** How a target stands when the run closes: one without evidence was never asked, or asked and not proven ended. */
export function settledOutcome({ outcome, requests }: Pick<TargetFacts, 'outcome' | 'requests'>): Outcome {
  return outcome ?? (requests > 0 ? 'unconfirmed' : 'skipped');
}

/** Counts over all targets; they add up to the plan. */
export function countOutcomes(targets: readonly Pick<TargetFacts, 'outcome' | 'requests'>[]): OutcomeCounts {
  const counts: OutcomeCounts = {};
  for (const target of targets) {
    const outcome = settledOutcome(target);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

/** `38 stopped, 2 unconfirmed`, in the fixed order of outcomes. */
export function formatCounts(outcomes: OutcomeCounts): string {
  const parts = OUTCOMES.filter((outcome) => (outcomes[outcome] ?? 0) > 0);
  return parts.length === 0 ? 'no targets' : parts.map((outcome) => `${outcomes[outcome] ?? 0} ${outcome}`).join(', ');
}
