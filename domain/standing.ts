import type { PersonalAct } from './ports.js';

/** A person's words for a hold. */
export interface Hold {
  readonly by: string;
  readonly reason: string;
}

/** Where people left a run: what an execution that goes on with it must know. */
export interface Standing {
  /** Whose pause was not resumed. A pause is written beside its answer, so a paused run may stand here without one. */
  readonly pausedBy?: Hold;
}

/** @param acts in the order in which they were written */
export function standingOf(acts: readonly PersonalAct[]): Standing {
  let standing: Standing = {};
  for (const act of acts) {
    if (act.kind === 'pause') standing = { ...standing, pausedBy: { by: act.actor.by, reason: act.reason } };
    if (act.kind === 'resume') {
      const { pausedBy: _ended, ...rest } = standing;
      standing = rest;
    }
  }
  return standing;
}
