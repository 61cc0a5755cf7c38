import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.js';
import type { Clock, Estates, Ledger } from '../domain/ports.js';
import type { ShardDeps } from './shard-deps.js';

/** What the worker hands to the activities. */
export interface ActivityDeps {
  readonly ledger: Ledger;
  readonly estates: Estates;
  readonly clock: Clock;
  readonly shard: ShardDeps;
  /** This worker, as Temporal names it: process and host. */
  readonly worker: string;
  /** Our search attributes that the namespace has; a missing one never fails a run. */
  searchAttributes(): Promise<readonly string[]>;
  log(level: 'info' | 'warn', text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** `sha256:` and 64 hex digits of the canonical JSON. */
export function hashOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
