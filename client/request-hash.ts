import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.js';
import type { TerminationRequest } from '../domain/contracts/request.js';

/**
 * What two requests are compared by: `sha256:` of the canonical JSON after defaults, without `dryRun`,
 * so that a dry run and the run that follows it are the same request.
 */
export function requestHash(request: TerminationRequest): string {
  const compared = { ...request, dryRun: undefined };
  return `sha256:${createHash('sha256').update(canonicalJson(compared)).digest('hex')}`;
}
