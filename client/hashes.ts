import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.js';
import type { TerminationRequest } from '../domain/contracts/request.js';

/** `sha256:` and 64 hex digits of the canonical JSON; the workers' `hashOf`, which clients may not import. */
export function hashOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}

/**
 * What two requests are compared by: after defaults, without `dryRun`, so that a dry run and the run that follows it are the
 * same request.
 */
export function requestHash(request: TerminationRequest): string {
  return hashOf({ ...request, dryRun: undefined });
}
