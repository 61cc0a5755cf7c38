/** How a target ended: exactly one of a closed set. Meanings: `design.md` §9. */
export const OUTCOMES = [
  'stopped',
  'stoppedByForce',
  'alreadyEnded',
  'replaced',
  'protected',
  'refused',
  'unreachable',
  'unconfirmed',
  'failed',
  'skipped',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/**
 * What evidence of each outcome settles.
 * `final` is never replaced by later evidence; the others stand until a retry or a late proof says otherwise.
 * `proven` means: the task has ended, and an observation shows it.
 */
export const OUTCOME_FACTS: Readonly<
  Record<Outcome, { final: boolean; proven: boolean; gate?: 'failed' | 'unconfirmed' }>
> = {
  stopped: { final: true, proven: true },
  stoppedByForce: { final: true, proven: true },
  alreadyEnded: { final: true, proven: true },
  replaced: { final: true, proven: false },
  protected: { final: true, proven: false },
  refused: { final: false, proven: false, gate: 'failed' },
  unreachable: { final: false, proven: false, gate: 'failed' },
  unconfirmed: { final: false, proven: false, gate: 'unconfirmed' },
  failed: { final: false, proven: false, gate: 'failed' },
  skipped: { final: true, proven: false },
};

/** Counts over outcomes; the sum over all, with `open`, is the number of targets. */
export type OutcomeCounts = Partial<Record<Outcome, number>>;

/** Counts of one shard, one wave or one run. */
export interface Tally {
  readonly targets: number;
  /** Targets with at least one request that may have left. */
  readonly requested: number;
  /** Targets without any outcome yet. */
  readonly open: number;
  readonly outcomes: OutcomeCounts;
  /** Of the proven ones, those that ended after their time. */
  readonly late: number;
}

/** Counts of targets of which nothing has been requested. */
export function untouchedTally(targets: number): Tally {
  return { targets, requested: 0, open: targets, outcomes: {}, late: 0 };
}

/** Adds tallies of disjoint sets of targets. */
export function addTallies(tallies: readonly Tally[]): Tally {
  const outcomes: OutcomeCounts = {};
  let [targets, requested, open, late] = [0, 0, 0, 0];
  for (const tally of tallies) {
    targets += tally.targets;
    requested += tally.requested;
    open += tally.open;
    late += tally.late;
    for (const outcome of OUTCOMES) {
      const more = tally.outcomes[outcome];
      if (more !== undefined) outcomes[outcome] = (outcomes[outcome] ?? 0) + more;
    }
  }
  return { targets, requested, open, outcomes, late };
}

/** Targets proven ended. */
export function provenOf(outcomes: OutcomeCounts): number {
  return OUTCOMES.filter((outcome) => OUTCOME_FACTS[outcome].proven).reduce(
    (sum, outcome) => sum + (outcomes[outcome] ?? 0),
    0,
  );
}

/** Targets that a gate counts as failed: failed, refused, unreachable. */
export function failedOf(outcomes: OutcomeCounts): number {
  return (outcomes.failed ?? 0) + (outcomes.refused ?? 0) + (outcomes.unreachable ?? 0);
}
