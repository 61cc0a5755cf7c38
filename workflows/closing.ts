import { CancellationScope, condition } from '@temporalio/workflow';
import type { Pursuits } from './pursuits.js';
import { isCancel } from './failures.js';
import type { RunState } from './run-state.js';
import { steps } from './steps.js';
import { askAgain, throwFailure } from './waves.js';

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
  if (plan.hasChecks) {
    run.enter('check');
    await steps.checkData({ runId, phase: 'after' });
  }
  if (plan.hasCompensations && run.brake === undefined) await compensate(run);
  if (run.brake === undefined && plan.policy.watchAfterMs > 0) await watch(run, lastGateAt + plan.policy.watchAfterMs);
  await steps.certifyBystanders({ runId });
}

/** A target that ends after its time is not lost: verification goes on slowly. */
async function linger(run: RunState, pursuits: Pursuits, untilMs: number): Promise<void> {
  while ((run.tally().outcomes.unconfirmed ?? 0) > 0 && Date.now() < untilMs && run.brake === undefined) {
    run.enter('linger');
    const retries = run.retries;
    const lasted = await lingerOnce(run, untilMs, () => run.retries > retries || run.brake !== undefined);
    run.retally(await steps.readTallies({ runId: run.runId }));
    if (run.retries === retries) return lasted;
    askAgain(run, pursuits, run.plan?.waves.length ?? 0);
    await condition(() => pursuits.isIdle || run.failure !== undefined);
    throwFailure(run);
  }
}

async function lingerOnce(run: RunState, untilMs: number, isInterrupted: () => boolean): Promise<void> {
  const scope = new CancellationScope();
  let done = false;
  const lingering = scope
    .run(() =>
      Promise.all(
        (run.plan?.linger ?? []).map(({ label, site }, shard) =>
          steps.lingerShard(
            { summary: `linger · ${label}`, ...(site === undefined ? {} : { site }) },
            { runId: run.runId, wave: 0, shard, untilMs },
          ),
        ),
      ),
    )
    .catch((error: unknown) => {
      if (!isCancel(error)) throw error;
    })
    .finally(() => (done = true));
  await condition(() => done || isInterrupted());
  scope.cancel();
  await lingering;
}

/** Reruns are started at once; a manual one waits for `resolve`. */
async function compensate(run: RunState): Promise<void> {
  const { runId } = run;
  run.enter('compensate');
  let answer = await steps.compensate({ runId });
  if (answer.waitingTotal > 0) {
    const until = Date.now() + MANUAL_WAIT_MS;
    await steps.notify({ runId, id: `msg_${runId}_manual`, type: 'run.waits', text: `${answer.waitingTotal} compensations wait for a person` });
    while (answer.waitingTotal > 0 && run.brake === undefined) {
      run.waitFor({
        reason: `${answer.waitingTotal} compensations wait for a person`,
        until: new Date(until).toISOString(),
        answers: answer.waiting.map(({ server, id }) => `offboil resolve ${runId} ${server}/${id} --note TEXT`),
      });
      const { resolutions } = run;
      const inTime = await condition(() => run.resolutions > resolutions || run.brake !== undefined, Math.max(1, until - Date.now()));
      if (!inTime) break;
      answer = await steps.compensate({ runId });
    }
    run.waitFor(undefined);
  }
}

/** When linger and compensation have used the time up, one look is left: what came back meanwhile is there to see. */
async function watch(run: RunState, untilMs: number): Promise<void> {
  run.enter('watch');
  const scope = new CancellationScope();
  let done = false;
  const watching = scope
    .run(() => steps.watchServers({ runId: run.runId, untilMs }))
    .catch((error: unknown) => {
      if (!isCancel(error)) throw error;
    })
    .finally(() => (done = true));
  await condition(() => done || run.brake !== undefined);
  scope.cancel();
  await watching;
}
