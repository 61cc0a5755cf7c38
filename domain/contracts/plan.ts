import type { Compensation, CheckEntry } from './estate.js';
import type { Priority, Rung, TargetKey, TaskKind } from '../tasks.js';

export const SCHEMA_VERSION = 1;

/** One task to stop, with all that carrying it out needs. Part of what is hashed. */
export interface PlannedTarget extends TargetKey {
  readonly name: string;
  readonly kind: TaskKind;
  readonly startedAt?: string;
  /** Permitted rungs in the order they are climbed: mode ∩ ladder ∩ dialect. */
  readonly rungs: readonly [Rung, ...Rung[]];
  /** Per rung, milliseconds: the longest of contract and policy. */
  readonly within: number;
  readonly checks: readonly CheckEntry[];
  readonly compensate: Compensation | null;
}

export interface PlannedWave {
  readonly priority: Priority;
  readonly targets: readonly PlannedTarget[];
}

/** What is hashed: `planHash` is `sha256:` and 64 hex digits of its canonical JSON. Free of times of planning. */
export interface Plan {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly runId: string;
  readonly requestHash: string;
  readonly policyHash: string;
  readonly estateHash: string;
  readonly waves: readonly PlannedWave[];
}

/**
 * Why a task that fits the selection is not touched. `isOpen`: it may be at work although the request meant it, and nobody
 * decided that it stays. A run that leaves such a one is not done (`design.md` §9, "Green means").
 */
export const LEFT_FACTS = {
  excepted: { isOpen: false },
  protected: { isOpen: false },
  floor: { isOpen: false },
  waiting: { isOpen: false },
  ended: { isOpen: false },
  stateNotSelected: { isOpen: false },
  stateUnknown: { isOpen: true },
  startUnknown: { isOpen: true },
  idRepeated: { isOpen: true },
  gone: { isOpen: true },
  reserved: { isOpen: true },
  versionUnknown: { isOpen: true },
  unreadable: { isOpen: true },
} as const satisfies Readonly<Record<string, { readonly isOpen: boolean }>>;
export type LeftCode = keyof typeof LEFT_FACTS;
export const LEFT_CODES = Object.keys(LEFT_FACTS) as [LeftCode, ...LeftCode[]]; // the keys of the table above, and there are some

/** A task that fits the selection and is not touched, with the reason. `*` as server: asked for by an id that no server lists. */
export interface LeftTask extends TargetKey {
  readonly name: string;
  readonly code: LeftCode;
  readonly why: string;
}

/** How hard a finding weighs: `refuses` ends the run before anything is sent. */
export interface PlanFinding {
  readonly level: 'info' | 'warning';
  readonly text: string;
}

/** Beside the hashed plan: what execution needs and what people read, not part of the consent. */
export interface TargetExtras {
  /** Contract's group, for floors. */
  readonly group?: string;
  readonly owner?: string;
  readonly hasContract: boolean;
  /** Which rule chose it, in words. */
  readonly why: string;
  readonly sessions: readonly { readonly database: string; readonly applicationName: string; readonly user?: string }[];
  /** Tables it writes, as `<database>.<table>`. */
  readonly writes?: readonly string[];
  /** Active tasks whose contract recognises sessions the same way, and unread servers that may hold one: then no session is ended. */
  readonly sharesSessionsWith?: readonly string[];
  readonly closesByDetailWhenStopped: boolean;
}

/** What planning gives to the ledger. */
export interface PlanDraft {
  readonly plan: Plan;
  readonly extras: ReadonlyMap<string, TargetExtras>;
  readonly left: readonly LeftTask[];
  readonly findings: readonly PlanFinding[];
  /** What cannot be seen: unread servers, kinds without an engine, children in no list. */
  readonly notSeen: readonly string[];
  readonly confirm: ConfirmNeed;
  /** Members of each contract group seen active in this estate, targets and others: what a floor counts from. */
  readonly groupMembers?: ReadonlyMap<string, number>;
}

/** Which consent a plan needs. `twoApprovers`: two different people. */
export type ConfirmNeed = 'none' | 'count' | 'approver' | 'twoApprovers';

/** Key of a target in maps and sets. Server names have no slash, so it reads back without doubt. */
export function keyOf(target: TargetKey): string {
  return `${target.server}/${target.id}`;
}
