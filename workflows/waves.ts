import { CancellationScope, condition, workflowInfo } from '@temporalio/workflow';
import type { GateDecision } from '../domain/stopping/gate.js';
import { tell } from './notices.js';
import type { Pursuits } from './pursuits.js';
import type { RunState } from './state/run-state.js';
import { steps } from './steps.js';

/** A baseline that is slow must not hold up a stop. */
const CHECKS_BEFORE_MS = 3000;

/**
 * Wave by wave: send, decide at the gate, settle. Verification of earlier waves goes on beside the next one where the policy's
 * gate does not wait for it.
 */
export async function stopInWaves(run: RunState, pursuits: Pursuits): Promise<'done' | 'continueAsNew'> {
  const { plan } = run;
  if (plan === undefined) return 'done';
  await checksBefore(run);
  let gated = 0;
  for (const wave of plan.waves.keys()) {
    const number = wave + 1;
    if (run.waveTally(number).open === 0) continue;
    if (isBraked(run)) break;
    // What an earlier execution did (terminated, reset, continued as new) is judged at its gate before anything more is sent:
    // a halt stays until it is answered, and what is left of the pause after it is waited.
    const before = lastRequested(run, wave);
    if (before > gated && run.waveTally(number).requested === 0) {
      run.wave = before;
      run.enter('wave');
      if ((await passGate(run, pursuits, before, false)) === 'over') break;
      await settle(run, before);
      if (isBraked(run)) break;
    }
    gated = number;
    run.wave = number;
    run.enter('wave');
    pursuits.start(number);
    const answer = await passGate(run, pursuits, number, number === plan.waves.length);
    if (answer === 'over') break;
    if (number < plan.waves.length) {
      await settle(run, number);
      if (workflowInfo().continueAsNewSuggested && !isBraked(run)) {
        await condition(() => pursuits.isIdle || isInterrupted(run));
        if (!isInterrupted(run)) return 'continueAsNew';
      }
    }
  }
  await condition(() => pursuits.isIdle || run.failure !== undefined);
  throwFailure(run);
  if (run.brake === undefined) await askToClimb(run, pursuits);
  await skipBraked(run);
  return 'done';
}

/** After a brake, what had no request gets none. */
export async function skipBraked(run: RunState): Promise<void> {
  if (run.brake !== undefined) await skipRest(run, `${run.brake.how} by ${run.brake.by}: ${run.brake.reason}`);
}

/** The last of the first `waves` waves that was asked for anything; 0: none. */
function lastRequested(run: RunState, waves: number): number {
  let wave = waves;
  while (wave > 0 && run.waveTally(wave).requested === 0) wave -= 1;
  return wave;
}

/**
 * The policy's pause after a wave. It counts from the moment in which the gate was passed, which stands in the ledger: an
 * execution that goes on with the run waits for what is left of it.
 */
async function settle(run: RunState, wave: number): Promise<void> {
  const settleMs = run.plan?.policy.settleMs ?? 0;
  if (settleMs === 0) return;
  const known = run.opened?.passed;
  const passed = known?.wave === wave ? known : { wave, at: Date.now() };
  if (passed !== known) await steps.recordAct({ runId: run.runId, act: { kind: 'gate', ...passed } });
  const left = passed.at + settleMs - Date.now();
  if (left > 0) {
    run.hold({ settlesUntil: passed.at + settleMs });
    await condition(() => isInterrupted(run), left);
    run.hold({ settlesUntil: undefined });
  }
  throwFailure(run);
}

/** The gate after one wave: goes on, or halts until a person answers or its wait is over. */
async function passGate(run: RunState, pursuits: Pursuits, wave: number, isLast: boolean): Promise<'go' | 'over'> {
  if (run.opened?.passed?.wave === wave) return 'go'; // by an earlier execution
  for (;;) {
    const decide = (): GateDecision =>
      run.decideGate(wave, {
        allRequested: pursuits.allRequested(wave),
        withinOver: pursuits.isOver(wave),
      });
    // After the last wave there is nothing left to hold back: what is open is followed to its end.
    if (isLast) {
      await condition(() => pursuits.isOver(wave) || isInterrupted(run));
      throwFailure(run);
      return 'go';
    }
    // A halt means that nothing more is sent, so it waits for what this wave is still sending.
    await condition(() => (pursuits.allRequested(wave) && decide().kind !== 'wait') || isInterrupted(run));
    throwFailure(run);
    if (run.brake !== undefined) return 'over';
    const decision = decide();
    if (decision.kind !== 'halt') return 'go';
    const answer = await halt(run, pursuits, wave, `gate after wave ${wave}: ${decision.why}`);
    if (answer !== 'retry') return answer;
    // The counts still hold what halted it: the gate decides anew when what was asked again has been followed.
    await condition(() => pursuits.isOver(wave) || isInterrupted(run));
  }
}

/**
 * Nothing more is sent until a person answers. A halt stays until answered, even if late proofs come; what waits longer than
 * the policy's `wait` ends skipped, never before somebody was told.
 */
async function halt(run: RunState, pursuits: Pursuits, wave: number, why: string): Promise<'go' | 'over' | 'retry'> {
  const { runId, plan } = run;
  const until = Date.now() + (plan?.policy.gate.waitMs ?? 0);
  const retries = run.retries;
  run.hold({ halt: { wave, why, until, climbTo: pursuits.climbable.map(([rung]) => rung) } });
  const { waits } = run;
  await steps.recordAct({ runId, act: { kind: 'note', what: `halted at the ${why}` } });
  const text = `halted at the ${why}`;
  const told = tell(run, { id: `${runId}_halt_${wave}_${retries}`, type: 'run.halted', text, waits });
  const answered = await condition(
    () => !isHalted(run) || run.retries > retries || isInterrupted(run),
    Math.max(1, until - Date.now()),
  );
  throwFailure(run);
  const resumed = !isHalted(run);
  run.unanswered = !answered;
  run.hold({ halt: undefined });
  if (!answered) {
    await told;
    await skipRest(run, 'nobody answered the halt in time');
    return 'over';
  }
  if (run.brake !== undefined) return 'over';
  if (resumed) return 'go';
  pursuits.askAgain(wave);
  return 'retry';
}

/** Where the policy wants it asked: targets whose time is over and that have a further permitted rung. */
async function askToClimb(run: RunState, pursuits: Pursuits): Promise<void> {
  const { plan } = run;
  if (plan?.policy.climb !== 'ask') return;
  const last = plan.waves.length;
  if (run.accepted?.wave === last) return; // asked and answered by an earlier execution
  pursuits.followUnseen();
  for (;;) {
    await condition(() => pursuits.isIdle || run.failure !== undefined);
    throwFailure(run);
    if (pursuits.climbable.length === 0 || isBraked(run)) return;
    const rungs = pursuits.climbable.map(([rung, count]) => `${rung} for ${count}`).join(', ');
    const why = `end of the last wave: targets did not end, and their ladder goes on: ${rungs}`;
    if ((await halt(run, pursuits, last, why)) !== 'retry') return;
  }
}

/** What has not ended in time has no baseline: it is cancelled, and its end waited for, before the first request. */
async function checksBefore(run: RunState): Promise<void> {
  const { plan, runId } = run;
  if (plan?.hasChecks !== true || run.tally().requested > 0) return;
  const scope = new CancellationScope();
  let done = false;
  const taking = scope
    .run(() => steps.checksBefore({ runId }))
    .catch(() => undefined) // a baseline that cannot be taken is said in the report; it holds up nothing
    .finally(() => (done = true));
  await condition(() => done || run.brake !== undefined, CHECKS_BEFORE_MS);
  scope.cancel();
  await taking;
}

/** Beside the first wave, once, so that it holds up no stop. Who could not be sampled is said in the certificate. */
export async function sampleBystanders(run: RunState): Promise<void> {
  const { runId, plan } = run;
  if (plan?.hasBystanders !== true || run.tally().requested > 0) return;
  const sites = [...new Set(plan.linger.map(({ site }) => site))];
  await Promise.allSettled(
    sites.map((site) => {
      const where = site === undefined ? {} : { site };
      return steps.sampleBystanders({ summary: 'sample bystanders', ...where }, { runId, ...where });
    }),
  );
}

async function skipRest(run: RunState, why: string): Promise<void> {
  const { tallies } = await steps.skipTargets({ runId: run.runId, why });
  run.retally(tallies);
}

// Functions, because messages change the state while a step is awaited, which the compiler cannot see.
function isBraked(run: RunState): boolean {
  return run.brake !== undefined;
}

function isHalted(run: RunState): boolean {
  return run.halt !== undefined;
}

function isInterrupted(run: RunState): boolean {
  return run.brake !== undefined || run.failure !== undefined;
}

export function throwFailure(run: RunState): void {
  if (run.failure !== undefined) throw run.failure as Error; // only what an activity threw is kept there
}
