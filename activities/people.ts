import type { Message } from '../domain/contracts/messages.js';
import type { Tally } from '../domain/outcomes.js';
import type { ControlState, PersonalAct } from '../domain/ports.js';
import type { ActivityDeps } from './deps.js';
import { readTallies } from './plan-run.js';
import type { ActivityContext } from './shard-deps.js';

/** Writes what a person did (or what the run itself decided) into the audit trail. */
export async function recordAct(
  deps: ActivityDeps,
  { runId, act }: { readonly runId: string; readonly act: PersonalAct },
  { signal }: ActivityContext,
): Promise<void> {
  await deps.ledger.runs.act(runId, act, deps.clock.now(), signal);
}

/** Commits the control row, which every worker asks before each request. */
export async function command(
  deps: ActivityDeps,
  { runId, state, orderedAt }: { readonly runId: string; readonly state: ControlState; readonly orderedAt: number },
  { signal }: ActivityContext,
): Promise<void> {
  await deps.ledger.control.command(runId, state, orderedAt, signal);
}

/** Targets that had no request and get none: all that are left, or those a person named. */
export async function skipTargets(
  deps: ActivityDeps,
  input: { readonly runId: string; readonly why: string; readonly targets?: Message<'skip'>['targets'] },
  context: ActivityContext,
): Promise<{ readonly skipped: number; readonly tallies: readonly (readonly Tally[])[] }> {
  const { runId, why, targets } = input;
  const skipped = await deps.ledger.closing.skipOpen(
    runId,
    targets ?? 'unrequested',
    why,
    deps.clock.now(),
    context.signal,
  );
  return { skipped, tallies: await readTallies(deps, { runId }, context) };
}
