import type { Contract } from '../contracts/estate.js';
import type { PlannedTarget, TargetExtras } from '../contracts/plan.js';
import type { ObservedTask, Priority } from '../tasks.js';

/** A target while the plan is made. */
export interface DraftedTarget {
  readonly server: string;
  readonly id: string;
  readonly name: string;
  readonly priority: Priority;
  readonly task: ObservedTask;
  readonly contract?: Contract;
  readonly planned: PlannedTarget;
  readonly extras: TargetExtras;
  /** Rungs that were asked for and cannot be had. */
  readonly notes: readonly string[];
  readonly stopInsteadOfRollback?: string;
}
