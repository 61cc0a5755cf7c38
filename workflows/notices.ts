import type { Waits } from '../domain/contracts/messages.js';
import type { RunState } from './state/run-state.js';
import { steps } from './steps.js';

type Notice = Omit<Parameters<typeof steps.notify>[0], 'runId' | 'waits'> & { readonly waits?: Waits | undefined };

/**
 * Tells people beside the run: a receiver that hangs holds nothing up, and no notice ends a run.
 * @returns resolves when it was sent or has failed, which only the end of a halt asks
 */
export function tell(run: RunState, { waits, ...notice }: Notice): Promise<void> {
  run.notices += 1;
  return steps
    .notify({ runId: run.runId, ...notice, ...(waits === undefined ? {} : { waits }) })
    .catch(() => undefined)
    .finally(() => (run.notices -= 1));
}
