import type { ErrorCode } from '../domain/errors.js';
import type { Tally } from '../domain/outcomes.js';
import type { Evidence, ShardKey, ShardTarget } from '../domain/ports.js';
import { effectiveAttempts } from '../domain/stopping/judge.js';
import type { ActivityContext, ShardDeps } from './shard-deps.js';

export interface GiveUpKey extends ShardKey {
  readonly code: ErrorCode;
  readonly why: string;
}

/**
 * Writes what it means that nobody works on a shard: an activity that fails or never starts is an observation of its group and
 * not the end of the run. Provisional: a retry asks again. It takes the claim, so that whoever still works on it sends no more.
 */
export async function giveUpShard(
  deps: ShardDeps,
  { code, why, ...key }: GiveUpKey,
  { signal }: ActivityContext,
): Promise<{ readonly tally: Tally }> {
  const at = deps.clock.now();
  const claim = await deps.shards.claim(key, at, signal);
  const open = (await deps.shards.open(claim, signal)).filter(({ outcome }) => outcome === undefined);
  const evidence = open.map((target): Evidence => ({
    target: { server: target.server, id: target.id },
    at,
    what: `${code}: ${why}`,
    outcome: outcomeOf(target, code),
  }));
  if (evidence.length > 0) await deps.shards.record(claim, evidence, signal);
  return { tally: await deps.shards.tally(key, signal) };
}

function outcomeOf({ attempts }: ShardTarget, code: ErrorCode): 'unconfirmed' | 'unreachable' | 'failed' {
  if (effectiveAttempts(attempts).length > 0) return 'unconfirmed';
  return code === 'SITE_UNREACHABLE' ? 'unreachable' : 'failed';
}
