import type { PersonalAct } from './ports.js';
import type { AcceptedCounts } from './stopping/gate.js';

/** A person's words for a hold. */
export interface Hold {
  readonly by: string;
  readonly reason: string;
}

/** Who refused a plan, and why. */
export interface Rejection {
  readonly by: string;
  readonly note?: string;
}

/** Where people left a run: what an execution that goes on with it must know. */
export interface Standing {
  /** Whose approvals of the plan count already. */
  readonly approvedBy: readonly string[];
  readonly rejected?: Rejection;
  /** Whose pause was not resumed. A pause is written beside its answer, so a paused run may stand here without one. */
  readonly pausedBy?: Hold;
  /** What the last resume of a halt accepted. */
  readonly accepted?: AcceptedCounts;
}

/**
 * @param acts in the order in which they were written
 * @param planHash consent is to one plan: what was said of another one counts no more
 */
export function standingOf(acts: readonly PersonalAct[], planHash: string | undefined): Standing {
  return acts.reduce<Standing>((standing, act) => (isAboutAnother(act, planHash) ? standing : after(standing, act)), {
    approvedBy: [],
  });
}

function isAboutAnother(act: PersonalAct, planHash: string | undefined): boolean {
  return (act.kind === 'approve' || act.kind === 'reject') && act.planHash !== planHash;
}

function after(standing: Standing, act: PersonalAct): Standing {
  switch (act.kind) {
    case 'approve':
      return { ...standing, approvedBy: [...standing.approvedBy, act.actor.by] };
    case 'reject':
      return { ...standing, rejected: { by: act.actor.by, ...(act.note === undefined ? {} : { note: act.note }) } };
    case 'pause':
      return { ...standing, pausedBy: { by: act.actor.by, reason: act.reason } };
    case 'resume': {
      if (act.accepted !== undefined) return { ...standing, accepted: act.accepted };
      const { pausedBy: _ended, ...rest } = standing;
      return rest;
    }
    case 'brake':
    case 'cancel':
    case 'skip':
    case 'retry':
    case 'resolve':
    case 'note':
    case 'refused':
    case 'gate':
      return standing; // the ledger's own tables say what followed from these
  }
}
