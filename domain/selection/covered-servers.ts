import type { TerminationRequest } from '../contracts/request.js';

/**
 * Whether the selection can reach tasks of this server, judged by its name alone: a server it covers and that cannot be read
 * leaves the run without proof. Needs no patterns, so it may be used where re2js may not.
 */
export function coversServer(request: Pick<TerminationRequest, 'select' | 'except'>, server: string): boolean {
  const { select, except } = request;
  if (select?.servers !== undefined && !select.servers.includes(server)) return false;
  // An id without a server may lie anywhere.
  if (select?.ids?.every((id) => id.includes('/') && !id.startsWith(`${server}/`)) === true) return false;
  const excepted = except?.servers?.includes(server) === true && Object.keys(except).length === 1; // AND across fields
  return !excepted;
}
