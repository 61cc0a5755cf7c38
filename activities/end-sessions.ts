import type { Reply, ShardTarget } from '../domain/ports.js';
import { reasonOf } from './look-at-server.js';
import type { RunScene } from './shard-deps.js';

type Ended = { readonly kind: 'ended'; readonly note: string } | { readonly kind: 'not'; readonly reply: Reply };

/**
 * Ends the database sessions that the contract declares as this task's own, so that the database rolls back
 * (`databases.md` §3: ending them first; a graceful stop sent before would commit).
 * Refused, with nothing ended, when none matches or when one cannot be told to be this task's alone. What cannot be carried
 * through after one may have ended is `unanswered`: no stop follows, which would commit what the other sessions hold.
 */
export async function endSessions(
  scene: RunScene,
  target: ShardTarget,
  mayLeave: () => boolean,
  signal: AbortSignal,
): Promise<Ended> {
  const shared = target.sharesSessionsWith ?? [];
  if (shared.length > 0) return rejected(`its sessions could also belong to ${shared.join(', ')}: none was ended`);
  const notes: string[] = [];
  const younger: number[] = [];
  let isUnderWay = false; // the order to end one has left, and its answer is not back
  const left = (): boolean => (isUnderWay = mayLeave());
  const brokenOff = (kind: 'rejected' | 'unsent', why: string): Ended =>
    notes.length > 0 || isUnderWay
      ? { kind: 'not', reply: { kind: 'unanswered', note: [...notes, why].join(', ') } }
      : { kind: 'not', reply: { kind, note: why } };
  try {
    for (const match of target.sessions) {
      const database = scene.database(match.database);
      const sessions = await database.sessions(
        { applicationName: match.applicationName, ...(match.user === undefined ? {} : { user: match.user }) },
        signal,
      );
      for (const session of sessions) {
        // The plan knows who else was active when it was made; a younger session may be a younger task's.
        if (target.seen !== undefined && Date.parse(session.startedAt) > target.seen.askedAt) {
          younger.push(session.pid);
          continue;
        }
        const result = await database.endSession(session, left, signal);
        isUnderWay = false;
        if (result === 'heldBack') return brokenOff('unsent', `held back before session ${session.pid} was ended`);
        if (result === 'refused')
          return brokenOff(
            'rejected',
            `${match.database} refused to end session ${session.pid}: the account lacks pg_signal_backend`,
          );
        notes.push(`session ${session.pid} on ${match.database} ${result === 'ended' ? 'ended' : 'was gone'}`);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    return brokenOff('rejected', reasonOf(error).why);
  }
  if (notes.length > 0) return { kind: 'ended', note: notes.join(', ') };
  return rejected(
    younger.length > 0
      ? `sessions ${younger.join(', ')} began after the plan and could belong to another task: none was ended`
      : 'no session of this task was found: nothing was ended',
  );
}

function rejected(note: string): Ended {
  return { kind: 'not', reply: { kind: 'rejected', note } };
}
