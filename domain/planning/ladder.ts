import type { Mode } from '../contracts/request.js';
import type { EngineInfo, Rung, TaskKind } from '../tasks.js';

/** Rungs that a mode asks for, in the order they are climbed. `design.md` §8. */
const ASKED: Readonly<Record<Mode, readonly Rung[]>> = {
  graceful: ['safe', 'stop'],
  rollback: ['rollback'],
  forced: ['safe', 'stop', 'rollback', 'kill'],
};

export interface Ladder {
  /** Permitted rungs in order; empty when nothing that was asked for is permitted. */
  readonly rungs: readonly Rung[];
  /** What was asked for or declared and cannot be had, one clause each. */
  readonly notes: readonly string[];
  /** Set when the mode asks for a rollback and a normal stop takes its place. */
  readonly stopInsteadOfRollback?: string;
}

/**
 * Rungs for one task: what the mode asks for, of that what the contract's ladder permits and the server's dialect has.
 * @param hasSessions whether the contract says how the task's database sessions are recognised
 */
export function rungsFor(
  mode: Mode,
  ladder: readonly Rung[],
  info: Pick<EngineInfo, 'rungs' | 'product' | 'version'>,
  kind: TaskKind,
  hasSessions: boolean,
): Ladder {
  const notes: string[] = [];
  const rungs = ASKED[mode].filter((rung) => {
    if (!ladder.includes(rung)) return false;
    const obstacle = obstacleOf(rung, info, kind, hasSessions);
    if (obstacle !== undefined) notes.push(obstacle);
    return obstacle === undefined;
  });
  if (mode !== 'rollback' || rungs.length > 0) return { rungs, notes };

  // A rollback that cannot be had becomes a normal stop, and the plan says so before the confirm.
  const why = notes[0] ?? 'its contract permits no rollback';
  const canStop = ladder.includes('stop') && info.rungs.includes('stop');
  return canStop
    ? { rungs: ['stop'], notes, stopInsteadOfRollback: why }
    : { rungs, notes: notes.length > 0 ? notes : [why] };
}

function obstacleOf(
  rung: Rung,
  info: Pick<EngineInfo, 'rungs' | 'product' | 'version'>,
  kind: TaskKind,
  hasSessions: boolean,
): string | undefined {
  const server = `${info.product} ${info.version}`;
  switch (rung) {
    case 'safe':
      if (kind !== 'transformation' && kind !== 'pipeline') return `a ${kind} has no safe stop`;
      return info.rungs.includes('safe') ? undefined : `${server} has no safe stop`;
    case 'stop':
      return info.rungs.includes('stop') ? undefined : `${server} cannot stop a task`;
    case 'rollback':
      return hasSessions ? undefined : 'its contract declares no sessions, so there is nothing to roll back';
    case 'kill':
      return `a task on ${server} is no process of its own, so it cannot be killed`;
  }
}
