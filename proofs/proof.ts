/** What an experiment is asked. */
export interface ProofPlan {
  readonly seed: number;
  /** Fewer repetitions, for CI. */
  readonly quick: boolean;
  /** Says on stderr how far it is. */
  readonly progress: (text: string) => void;
}

/** What an experiment found: the Proof JSON of `design.md` §18. */
export interface ProofReport {
  readonly name: string;
  readonly seed: number;
  readonly tried: number;
  readonly held: number;
  readonly violations: readonly string[];
  readonly figures: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
  /** What this proof says nothing about. */
  readonly notMeasured: readonly string[];
}

export interface Proof {
  /** One line for `--help`. */
  readonly about: string;
  run(plan: ProofPlan): Promise<ProofReport>;
}
