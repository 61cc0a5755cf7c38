import type { Policy } from '../domain/contracts/policy.js';
import type { Tally } from '../domain/outcomes.js';
import type { Clock, Database, Engine, ShardKey, ShardLedger } from '../domain/ports.js';
import type { Rung } from '../domain/tasks.js';
import type { Lease } from './lease.js';

/** What every activity body gets from its wrapper: how it is told to end, and how it says that it lives. */
export interface ActivityContext {
  readonly signal: AbortSignal;
}

/** A server as a run sees it: its engine and the limits its estate declares. */
export interface ServerScene {
  readonly engine: Engine;
  /** Requests at once to this server. */
  readonly perServer: number;
  /** Limit of one request; also how late a lost one may still arrive. */
  readonly timeoutMs: number;
}

/** What a run's estate and policy say, resolved on this worker. */
export interface RunScene {
  readonly policy: Policy;
  /** @throws OffboilError for a server whose references this worker cannot resolve: that server's targets `failed` */
  server(name: string): ServerScene;
  /** @throws OffboilError when the estate has no such database or its URL cannot be resolved */
  database(name: string): Database;
}

/** Requests at once per worker, over all shards of one policy. */
export interface Slots {
  run<T>(inFlight: number, work: () => Promise<T>): Promise<T>;
}

/** What stopping and verifying need; the simulation builds the same from its models. */
export interface ShardDeps {
  readonly shards: ShardLedger;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly slots: Slots;
  /** Attempts of one server that are written as `intended` at a time. */
  readonly chunk: number;
  scene(runId: string, signal: AbortSignal): Promise<RunScene>;
}

/** Why a shard's sending came to its end. */
export type SendingEnd = 'all' | 'paused' | 'braked';

/** What `stopShard` answers: counts, never lists. */
export interface StopAnswer {
  readonly end: SendingEnd;
  readonly sent: number;
  readonly tally: Tally;
}

/**
 * What `verifyShard` is asked. `openAtMost`: answer early once the whole shard has no more than so many open. `last`: nothing
 * more will be sent, so nothing is `due` and every target is followed to the end of its time.
 */
export interface VerifyKey extends ShardKey {
  readonly last?: boolean;
  readonly openAtMost?: number;
}

/** Targets by the rung that comes next for them. */
export type Climbable = Readonly<Partial<Record<Rung, number>>>;

/**
 * What `verifyShard` answers. `due`: targets whose next request is due, so `stopShard` has work again.
 * `climbable`: targets whose time is over, by the further permitted rung which the policy wants asked for.
 */
export interface VerifyAnswer {
  readonly due: number;
  readonly climbable: Climbable;
  readonly tally: Tally;
}

// Signatures of the two bodies (activities/stop-shard.ts, activities/verify-shard.ts):
//   stopShard(deps: ShardDeps, key: ShardKey, context: ActivityContext): Promise<StopAnswer>
//   verifyShard(deps: ShardDeps, key: VerifyKey, context: ActivityContext): Promise<VerifyAnswer>
