import { keyOf } from '../domain/contracts/plan.js';
import { findCameBack } from '../domain/reporting/came-back.js';
import { judgeBystanders } from '../domain/reporting/bystanders.js';
import type { ServerObservation } from '../domain/ports.js';
import { observe } from './discover.js';
import type { ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const BACK_OFF = 1.5;

/**
 * Until `untilMs` the servers are listed again and again, and in any case once: what came back under a target's name is named,
 * never stopped.
 */
export async function watchServers(
  deps: ActivityDeps,
  { runId, untilMs }: { readonly runId: string; readonly untilMs: number },
  { signal }: ActivityContext,
): Promise<{ readonly cameBack: number }> {
  const before = await deps.ledger.plans.observations(runId, 'discovery', signal);
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * BACK_OFF, LONGEST_WAIT_MS)) {
    const left = untilMs - deps.clock.now();
    await deps.clock.sleep(Math.max(0, Math.min(wait, left)), signal);
    const cameBack = await lookOnce(deps, runId, before, signal);
    if (deps.clock.now() >= untilMs) return { cameBack };
  }
}

async function lookOnce(
  deps: ActivityDeps,
  runId: string,
  before: readonly ServerObservation[],
  signal: AbortSignal,
): Promise<number> {
  const facts = await deps.ledger.closing.facts(runId, signal);
  const seen = await observeTouched(deps, runId, signal);
  const startedByUs = facts.compensations.flatMap(({ server, started }) => (started === undefined ? [] : [`${server}/${started}`]));
  const rows = findCameBack({ facts, before, after: seen, startedByUs: new Set(startedByUs) });
  await deps.ledger.closing.recordCameBack(runId, rows, signal);
  return rows.length;
}

/** One look at each server that had a target. */
async function observeTouched(deps: ActivityDeps, runId: string, signal: AbortSignal): Promise<ServerObservation[]> {
  const { run, targets } = await deps.ledger.closing.facts(runId, signal);
  const { estate, estateHash } = run;
  if (estate === undefined || estateHash === undefined) return [];
  const touched = new Set(targets.map(({ target }) => target.server));
  const servers = estate.servers.filter(({ name }) => touched.has(name));
  return Promise.all(servers.map((server) => observe(deps, estateHash, server, signal)));
}

/** The bystander certificate: every non-target on the touched servers, before and after. */
export async function certifyBystanders(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<void> {
  const { targets } = await deps.ledger.closing.facts(runId, signal);
  const before = await deps.ledger.plans.observations(runId, 'discovery', signal);
  const after = await observeTouched(deps, runId, signal);
  for (const seen of after) await deps.ledger.plans.observe(runId, 'after', seen, signal);
  const touched = new Set(after.map(({ server }) => server));
  const verdicts = judgeBystanders({
    before: before.filter(({ server }) => touched.has(server)),
    after,
    targets: new Set(targets.map(({ target }) => keyOf(target))),
  });
  await deps.ledger.closing.recordBystanders(runId, verdicts, signal);
}
