import { withDeadline } from '../domain/deadline.js';
import type { Evidence, Reply, ShardTarget } from '../domain/ports.js';
import type { Rung } from '../domain/tasks.js';
import type { HeldLease } from './lease.js';
import { reasonOf, refOf } from './look-at-server.js';
import { endSessions } from './end-sessions.js';
import type { RunScene, ServerScene, ShardDeps } from './shard-deps.js';

/** A snapshot before the stop has so long; one that fails is noted and holds up nothing (`design.md` §8.3). */
export const SNAPSHOT_MS = 2000;

export interface SendRequest {
  readonly target: ShardTarget;
  readonly rung: Rung;
}

/**
 * One request to one target, on one rung. Nothing leaves without a fresh lease, and the look at the lease and the write of
 * the request are one synchronous step (`mayLeave`).
 */
export async function send(
  deps: ShardDeps,
  scene: RunScene,
  server: ServerScene,
  lease: HeldLease,
  { target, rung }: SendRequest,
  signal: AbortSignal,
): Promise<{ readonly reply: Reply; readonly snapshot?: Evidence }> {
  // Aborted: what has not left stays here; what has left is waited for, its answer is evidence.
  if (signal.aborted) return { reply: { kind: 'unsent', note: 'told to end before its turn' } };
  const snapshot = await takeSnapshot(deps, scene, server, target, signal);
  const reply = await deps.slots.run(scene.policy.inFlight, () =>
    leave(scene, server, lease, { target, rung }, signal),
  );
  return snapshot === undefined ? { reply } : { reply, snapshot };
}

async function leave(
  scene: RunScene,
  server: ServerScene,
  lease: HeldLease,
  { target, rung }: SendRequest,
  signal: AbortSignal,
): Promise<Reply> {
  const mayLeave = (): boolean => lease.verdict() === 'send' && !signal.aborted;
  for (;;) {
    const verdict = await lease.fresh(signal).catch(() => 'ended' as const);
    if (verdict !== 'send') return { kind: 'unsent', note: `held back: ${verdict}` };
    const reply = await step(scene, server, { target, rung }, mayLeave, signal);
    // The lease went stale between the look and the write: provably nothing left, so the same attempt may go on.
    if (reply.kind === 'unsent' && lease.verdict() === 'stale') continue;
    return reply;
  }
}

/** The rung decides what is sent. `rollback`: the task's own sessions first, then the engine's stop. */
async function step(
  scene: RunScene,
  server: ServerScene,
  { target, rung }: SendRequest,
  mayLeave: () => boolean,
  signal: AbortSignal,
): Promise<Reply> {
  switch (rung) {
    case 'safe':
    case 'stop':
      return server.engine.stop(refOf(target), { rung, mayLeave }, signal);
    case 'rollback': {
      const ended = await endSessions(scene, target, mayLeave, signal);
      if (ended.kind !== 'ended') return ended.reply;
      const reply = await server.engine.stop(refOf(target), { rung: 'stop', mayLeave }, signal);
      // Whatever the engine says of its stop, the sessions have ended: that is no refusal.
      return {
        kind: reply.kind === 'unanswered' ? 'unanswered' : 'acknowledged',
        note: [ended.note, reply.note].filter(Boolean).join('; '),
      };
    }
    case 'kill':
      return {
        kind: 'rejected',
        note: 'this engine has no kill: only its server process could be ended, with all its tasks',
      };
  }
}

/** Log tail and step metrics, kept before a stop can lose them. */
async function takeSnapshot(
  deps: ShardDeps,
  scene: RunScene,
  server: ServerScene,
  target: ShardTarget,
  signal: AbortSignal,
): Promise<Evidence | undefined> {
  if (scene.policy.snapshot !== 'full' || target.hasSnapshot) return undefined;
  return snapshotOf(deps, server, target, signal, 'before the stop');
}

/** One bounded look at a single task, as evidence; a failure is evidence too. */
export async function snapshotOf(
  deps: ShardDeps,
  server: ServerScene,
  target: ShardTarget,
  signal: AbortSignal,
  when: string,
): Promise<Evidence> {
  const key = { server: target.server, id: target.id };
  try {
    const snapshot = await withDeadline(deps.clock, SNAPSHOT_MS, signal, (limit) =>
      server.engine.inspect(refOf(target), limit),
    );
    return { target: key, at: deps.clock.now(), what: `snapshot ${when}: "${snapshot.word}"`, snapshot };
  } catch (error) {
    return { target: key, at: deps.clock.now(), what: `no snapshot ${when}: ${reasonOf(error).why}` };
  }
}
