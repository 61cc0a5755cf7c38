import { CancellationScope, condition } from '@temporalio/workflow';
import { counted } from '../domain/wording.js';
import type { Pursuits } from './pursuits.js';
import { isCancel } from './failures.js';
import { tell } from './notices.js';
import { atPlace, FIRST_START_MS, groupFault } from './places.js';
import type { RunState } from './state/run-state.js';
import { type Place, steps } from './steps.js';
import { throwFailure } from './waves.js';

/** How long a run waits for a person to answer its manual compensations. */
const MANUAL_WAIT_MS = 24 * 3_600_000;

/**
 * After the last wave: linger until nothing is open or its time is over → check → compensate → the rest of the watch, counted
 * from the last gate. Brake and cancel end linger and watch; what was requested has been verified for its `within` by then.
 */
export async function closingSteps(run: RunState, pursuits: Pursuits): Promise<void> {
  const { plan, runId } = run;
  if (plan === undefined) return;
  const lastGateAt = Date.now();
  if (run.brake === undefined) await linger(run, pursuits, lastGateAt + plan.policy.verify.lingerMs);
  tellUnconfirmed(run);
  if (plan.hasChecks) {
    run.enter('check');
    await steps.checksAfter({ runId });
  }
  if (plan.hasCompensations) await compensate(run, pursuits);
  if (run.brake === undefined && plan.policy.watchAfterMs > 0) await watch(run, lastGateAt + plan.policy.watchAfterMs);
  await inGroups(run, 'last look', (place, group) => lastLook(run, place, group));
  run.retally(await steps.readTallies({ runId })); // a later list may have taken a proof back
  await steps.certifyBystanders({ runId });
}

/** One step for each group of touched servers, at its site. */
function inGroups<T>(run: RunState, what: string, step: (place: Place, group: number) => Promise<T>): Promise<T[]> {
  const groups = run.plan?.linger ?? [];
  return Promise.all(
    groups.map(({ label, site }, group) =>
      step({ summary: `${what} · ${label}`, ...(site === undefined ? {} : { site }) }, group),
    ),
  );
}

/** Who cannot be looked at any more is unread in the certificate. */
async function lastLook({ runId }: RunState, place: Place, group: number): Promise<void> {
  try {
    await steps.lookAfterwards({ ...place, startWithinMs: FIRST_START_MS }, { runId, group });
  } catch (error) {
    const { code, message } = groupFault(error, place.site);
    await steps.noteUnread({ runId, phase: 'after', group, code, why: message });
  }
}

/** A look whose group cannot be reached says nothing more of it: what is open there stays open, and the others go on. */
async function ifReached(
  run: RunState,
  place: Place,
  step: (place: Place) => Promise<unknown>,
  isOver: () => boolean,
): Promise<void> {
  try {
    await atPlace(run, place, step, isOver);
  } catch (error) {
    const { code, message } = groupFault(error, place.site);
    await steps.recordAct({ runId: run.runId, act: { kind: 'note', what: `${place.summary}: ${code}: ${message}` } });
  }
}

/** Work that a person may end early; what it has written by then stays. */
export async function untilInterrupted<T>(
  work: () => Promise<T>,
  isInterrupted: () => boolean,
): Promise<T | undefined> {
  const scope = new CancellationScope();
  let done = false;
  const working = scope
    .run(work)
    .catch((error: unknown) => {
      if (!isCancel(error)) throw error;
      return undefined;
    })
    .finally(() => (done = true));
  await condition(() => done || isInterrupted());
  scope.cancel();
  return working;
}

/** A target that ends after its time is not lost: verification goes on slowly. */
async function linger(run: RunState, pursuits: Pursuits, untilMs: number): Promise<void> {
  const { runId } = run;
  while ((run.tally().outcomes.unconfirmed ?? 0) > 0 && Date.now() < untilMs && run.brake === undefined) {
    run.enter('linger');
    const { retries } = run;
    const isOver = (): boolean => run.retries > retries || run.brake !== undefined || Date.now() >= untilMs;
    await untilInterrupted(
      () =>
        inGroups(run, 'linger', (place, shard) =>
          ifReached(run, place, (at) => steps.lingerShard(at, { runId, wave: 0, shard, untilMs }), isOver),
        ),
      () => run.retries > retries || run.brake !== undefined,
    );
    run.retally(await steps.readTallies({ runId }));
    if (run.retries === retries) return;
    pursuits.askAgain(run.plan?.waves.length ?? 0);
    await condition(() => pursuits.isIdle || run.failure !== undefined);
    throwFailure(run);
  }
}

function tellUnconfirmed(run: RunState): void {
  const { runId } = run;
  const unconfirmed = run.tally().outcomes.unconfirmed ?? 0;
  if (unconfirmed === 0) return;
  const text = `requested and not proven ended: ${unconfirmed} of ${counted(run.tally().targets, 'target')}`;
  void tell(run, { id: `${runId}_unconfirmed`, type: 'run.unconfirmed', text });
}

/** Reruns are started at once; a manual one waits for `resolve`. A pause holds reruns back, and a brake ends them. */
async function compensate(run: RunState, pursuits: Pursuits): Promise<void> {
  const { runId } = run;
  run.enter('compensate');
  const until = Date.now() + MANUAL_WAIT_MS;
  for (let told = false; !isBraked(run);) {
    const answers = await untilInterrupted(
      () =>
        pursuits.whileSending(() =>
          inGroups(run, 'compensate', (place, group) =>
            atPlace(
              run,
              place,
              (at) => steps.compensate(at, { runId, group }),
              () => isBraked(run),
            ),
          ),
        ),
      () => isBraked(run),
    );
    if (answers?.every(({ end }) => end === 'all') !== true) {
      await condition(() => run.control !== 'paused' || isBraked(run));
      continue;
    }
    const total = answers.reduce((sum, { waitingTotal }) => sum + waitingTotal, 0);
    if (total === 0) break;
    run.hold({ manual: { waiting: answers.flatMap(({ waiting }) => waiting), total, until } });
    const { resolutions, waits } = run;
    if (!told) void tell(run, { id: `${runId}_manual`, type: 'run.waits', text: waits?.reason ?? '' });
    told = true;
    const left = Math.max(1, until - Date.now());
    if (!(await condition(() => run.resolutions > resolutions || isBraked(run), left))) break;
  }
  run.hold({ manual: undefined });
  const { brake } = run;
  if (brake === undefined) return;
  const over = `${brake.how} by ${brake.by}: ${brake.reason}`;
  await inGroups(run, 'compensate', (place, group) =>
    ifReached(
      run,
      place,
      (at) => steps.compensate(at, { runId, group, over }),
      () => true,
    ),
  );
}

// A function, because messages change the state while a step is awaited, which the compiler cannot see.
function isBraked(run: RunState): boolean {
  return run.brake !== undefined;
}

/** When linger and compensation have used the time up, one look is left: what came back meanwhile is there to see. */
async function watch(run: RunState, untilMs: number): Promise<void> {
  const { runId } = run;
  run.enter('watch');
  const isOver = (): boolean => Date.now() >= untilMs || run.brake !== undefined;
  await untilInterrupted(
    () =>
      inGroups(run, 'what comes back', (place, group) =>
        ifReached(run, place, (at) => steps.watchServers(at, { runId, group, untilMs }), isOver),
      ),
    () => run.brake !== undefined,
  );
}
