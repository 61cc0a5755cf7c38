import { OffboilError } from '../domain/errors.js';
import { faultOf, isNeverStarted, isRunsOwn, type Fault } from './failures.js';
import { siteQueue, TASK_QUEUE } from './messages.js';
import type { RunState } from './state/run-state.js';
import type { Place } from './steps.js';

/** How long a step waits for a worker of its site: short at first, so that a missing one is said at once. */
export const FIRST_START_MS = 10_000;
const LONGEST_START_MS = 60_000;

/** Nobody works at a site. */
export function siteFault(site: string): Fault {
  return {
    code: 'SITE_UNREACHABLE',
    message: `no worker took the work at site ${site} (task queue ${siteQueue(TASK_QUEUE, site)}); start one there: offboil worker --site ${site}`,
  };
}

/** What a step at a place that failed or never started means for its group. @throws what concerns the run as a whole */
export function groupFault(error: unknown, site: string | undefined): Fault {
  if (isNeverStarted(error) && site !== undefined) return siteFault(site);
  if (isRunsOwn(error)) throw error;
  return faultOf(error);
}

/**
 * Runs a step at its place. Where no worker takes it, that is shown with the way out, and the step is started again until it runs
 * or `isOver` holds, so that a worker that comes later goes on from the ledger.
 * @throws OffboilError `SITE_UNREACHABLE` once `isOver` holds; whatever the step throws
 */
export async function atPlace<T>(
  run: RunState,
  place: Place,
  step: (place: Place) => Promise<T>,
  isOver: () => boolean,
): Promise<T> {
  const { site } = place;
  if (site === undefined) return step(place);
  for (let startWithinMs = FIRST_START_MS; ; startWithinMs = Math.min(2 * startWithinMs, LONGEST_START_MS)) {
    try {
      const made = await step({ ...place, startWithinMs });
      run.missSite(site, false);
      return made;
    } catch (error) {
      if (!isNeverStarted(error)) throw error;
      run.missSite(site, true);
      if (!isOver()) continue;
      const { code, message } = siteFault(site);
      throw new OffboilError(code, message);
    }
  }
}
