import {
  allHandlersFinished,
  CancellationScope,
  condition,
  ContinueAsNew,
  continueAsNew,
  setWorkflowOptions,
  workflowInfo,
} from '@temporalio/workflow';
import type { ServerGroup, SurveyPhase } from '../activities/discover.js';
import type { RunResult } from '../domain/contracts/report.js';
import { ERROR_CODES, OffboilError } from '../domain/errors.js';
import { counted } from '../domain/wording.js';
import { closingSteps } from './closing.js';
import { closeAs, faultOf, localResult, type Fault } from './failures.js';
import { applyCancel, registerMessages } from './handlers.js';
import { requestIdOf, type RunInput } from './messages.js';
import { Pursuits } from './pursuits.js';
import { RunState } from './state/run-state.js';
import { steps } from './steps.js';
import { consentUntil } from './state/waits.js';
import { sampleBystanders, skipBraked, stopInWaves } from './waves.js';

setWorkflowOptions({ failureExceptionTypes: [OffboilError] }, bulkTermination);

/**
 * Stops the tasks that a request names, in waves, and proves it: discover → filter → plan → confirm → stop in waves → verify →
 * check → compensate → report.
 *
 * History: six events per shard and wave, none per target; a wave has at most 16 shards. Between waves it continues as new when
 * the server suggests it. Nothing but the run's id is carried: everything else is read from the ledger, which is also how a
 * terminated, reset or repeated execution goes on with the same run.
 *
 * It completes only when the run is done and proven; every other end is a failure with the result as its details.
 */
export async function bulkTermination(input: RunInput): Promise<RunResult> {
  const run = new RunState();
  const pursuits = new Pursuits(run);
  registerMessages(run, pursuits);
  const cancelled = watchCancel(run, pursuits);
  // A cancel is a brake with a clean end, so the work itself is shielded from it.
  const result = await CancellationScope.nonCancellable(async () => {
    const end = await carryOut(run, pursuits, input);
    await condition(allHandlersFinished);
    return end;
  });
  run.enter('done');
  const cancel = cancelled();
  if (cancel !== undefined) throw cancel;
  return closeAs(result);
}

/** Notices the cancel request and turns it into a brake. @returns what to rethrow at the end */
function watchCancel(run: RunState, pursuits: Pursuits): () => Error | undefined {
  let cancel: Error | undefined;
  CancellationScope.current().cancelRequested.catch((error: unknown) => {
    cancel = error instanceof Error ? error : new Error(String(error));
    const reason = 'the workflow was cancelled';
    run.brake ??= { how: 'cancelled', by: 'temporal', reason };
    void CancellationScope.nonCancellable(() => applyCancel(run, pursuits, reason));
  });
  return () => cancel;
}

async function carryOut(run: RunState, pursuits: Pursuits, input: RunInput): Promise<RunResult> {
  const { continued, ...request } = { ...input }; // a script may start it without any input
  try {
    const idFromWorkflow = requestIdOf(workflowInfo().workflowId);
    const opened = await steps.openRun({
      request,
      ...(idFromWorkflow === undefined ? {} : { idFromWorkflow }),
      ...(continued === undefined ? {} : { continues: continued.runId }),
    });
    if (opened.decision === 'finished' && opened.result !== undefined) return opened.result;
    run.open(opened);
  } catch (error) {
    run.enter('report');
    return localResult(requestIdOf(workflowInfo().workflowId) ?? '', faultOf(error));
  }
  try {
    return await drive(run, pursuits, input);
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    return await closeFailed(run, faultOf(error));
  }
}

async function drive(run: RunState, pursuits: Pursuits, input: RunInput): Promise<RunResult> {
  const frozen = run.opened?.plan;
  if (frozen === undefined) {
    await discover(run);
    await planTargets(run);
  } else {
    run.planned(frozen);
  }
  if (run.request?.dryRun === true) return dryRunResult(run);
  if (run.tally().targets > 0) {
    if (run.opened?.confirmed !== true) await confirm(run);
    const sampled = sampleBystanders(run);
    const end = await stopInWaves(run, pursuits);
    await sampled;
    if (end === 'continueAsNew') {
      await condition(() => allHandlersFinished() && run.unwritten === 0 && run.controlRow.isWritten);
      // After a cancel request a continue-as-new would lose the request, and a braked run has nothing to continue.
      if (run.brake === undefined) {
        await continueAsNew<typeof bulkTermination>({ ...input, continued: { runId: run.runId } });
      }
      await skipBraked(run);
    }
    await closingSteps(run, pursuits);
  }
  run.enter('report');
  await condition(() => run.unwritten === 0);
  const result = await steps.closeRun({ runId: run.runId, ending: { how: run.brake?.how ?? 'finished' } });
  await tellEnd(run, result);
  return result;
}

/** One list per server of what the request can reach, side by side. */
async function discover(run: RunState): Promise<void> {
  run.enter('discover');
  const { groups } = await steps.prepareDiscovery({ runId: run.runId });
  await Promise.all(groups.map((place, group) => surveyGroup(run.runId, 'discovery', place, group)));
}

export async function surveyGroup(runId: string, phase: SurveyPhase, place: ServerGroup, group: number): Promise<void> {
  const site = place.site === undefined ? {} : { site: place.site };
  const where = place.site === undefined ? '' : ` at ${place.site}`;
  await steps.surveyServers(
    { summary: `list ${counted(place.servers, 'server')}${where}`, ...site },
    { runId, phase, group },
  );
}

async function planTargets(run: RunState): Promise<void> {
  run.enter('plan');
  run.planned(await steps.planRun({ runId: run.runId }));
}

/** Waits for the consent that the plan needs, bound to its hash, and reserves the targets. */
async function confirm(run: RunState): Promise<void> {
  const { plan, runId } = run;
  if (plan === undefined) return;
  run.enter('confirm');
  if (run.awaitsConsent) {
    const { waits } = run;
    const notice = { runId, id: `${runId}_confirm`, type: 'run.waits', text: waits?.reason ?? '' } as const;
    await steps.notify({ ...notice, ...(waits === undefined ? {} : { waits }) });
    await condition(() => !run.awaitsConsent, Math.max(1, consentUntil(plan) - Date.now()));
  }
  if (run.rejected !== undefined) {
    const note = run.rejected.note === undefined ? '' : `: ${run.rejected.note}`;
    throw new OffboilError('PLAN_REJECTED', `${run.rejected.by} rejected the plan${note}. Nothing was sent.`);
  }
  if (run.awaitsConsent) throw expired('Nobody confirmed the plan in time.');
  // what was consented to in time may be too old by now: an earlier execution may have ended in between
  if (Date.now() > consentUntil(plan)) throw expired('The plan is older than its validity.');
  if (run.brake === undefined) await steps.confirmPlan({ runId, planHash: plan.planHash });
}

function expired(why: string): OffboilError {
  return new OffboilError('PLAN_EXPIRED', `${why} Nothing was sent; a new request makes a new plan.`);
}

function dryRunResult(run: RunState): RunResult {
  const { targets } = run.tally();
  return {
    schemaVersion: 1,
    runId: run.runId,
    end: 'completed',
    exitCode: 0,
    message: `Dry run: ${counted(targets, 'task')} would be stopped, nothing was sent.`,
    planned: targets,
    outcomes: {},
    ...(run.plan === undefined ? {} : { planHash: run.plan.planHash }),
  };
}

/** A run that was refused or broke is closed in the ledger too; if even that fails, the result says what is known here. */
async function closeFailed(run: RunState, fault: Fault): Promise<RunResult> {
  run.enter('report');
  if (run.request?.dryRun === true) return localResult(run.runId, fault);
  try {
    await condition(() => run.unwritten === 0);
    const how = run.brake?.how ?? ERROR_CODES[fault.code].end;
    return await steps.closeRun({ runId: run.runId, ending: { how, code: fault.code, message: fault.message } });
  } catch {
    return localResult(run.runId, fault);
  }
}

async function tellEnd(run: RunState, result: RunResult): Promise<void> {
  const { runId } = run;
  await steps.notify({ runId, id: `${runId}_finished`, type: 'run.finished', text: result.message });
}
