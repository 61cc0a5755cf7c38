import { LEASE_MS } from '../../domain/shard-ledger.js';
import type { Contract, Estate, ServerEntry } from '../../domain/contracts/estate.js';
import { durationMs } from '../../domain/contracts/request.js';
import { policyNames, resolvePolicy } from '../../domain/planning/policies.js';
import { compileNamePattern, compilePattern, fitsEveryName } from '../../domain/selection/pattern.js';
import { KINDS } from './check-contract.js';

/**
 * Servers on which a stop without a reply is never repeated: it is looked at again when the request limit and the lease have
 * passed (`design.md` §8.4), and by then the target's time, the longer one of policy and contract, is over.
 */
export function checkRepeats(estate: Estate): { readonly server: string; readonly text: string }[] {
  const policies = policyNames(estate).map((name) => resolvePolicy(name, estate));
  return estate.servers.flatMap((server) => {
    const earliest = durationMs(server.limits.timeout) + LEASE_MS;
    const short = policies.filter(({ verify }) => verify.withinMs <= earliest).map(({ name }) => name);
    const tasks = shortTasks(server, estate, earliest);
    if (short.length === 0 || tasks.length === 0) return [];
    const text =
      `a stop that gets no reply is never repeated under policy ${short.join(', ')} for ${tasks.join(', ')}: ` +
      `within is over before the request limit (timeout ${server.limits.timeout}) and the lease (${LEASE_MS} ms). ` +
      'Lower limits.timeout, or raise within of the policy or contract';
    return [{ server: server.name, text }];
  });
}

/** Tasks of the server whose contract does not give them more time than the policy, by what the contract matches. */
function shortTasks(server: ServerEntry, { tasks }: Estate, earliest: number): string[] {
  const own = tasks.filter((contract) => canMatch(contract, server));
  // the first match counts: what stands after a contract for everything is never reached
  const everything = own.findIndex(
    ({ match }) => match.kind === undefined && fitsEveryName(compileNamePattern(match.name)),
  );
  const reached = everything === -1 ? own : own.slice(0, everything + 1);
  const short = reached.filter(
    ({ stop, protected: never }) => !never && (stop.within === undefined || durationMs(stop.within) <= earliest),
  );
  return [...short.map(({ match }) => match.name), ...(everything === -1 ? ['tasks without a contract'] : [])];
}

function canMatch({ match }: Contract, { name, engine }: ServerEntry): boolean {
  return (
    (match.kind === undefined || KINDS[engine].includes(match.kind)) &&
    (match.servers === undefined || match.servers.some((pattern) => compilePattern(pattern)(name)))
  );
}
