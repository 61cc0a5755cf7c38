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
import { closingSteps, untilInterrupted } from './closing.js';
import { closeAs, faultOf, localResult, type Fault } from './failures.js';
import { applyCancel, registerMessages } from './handlers.js';
import { requestIdOf, type RunInput } from './messages.js';
import { tell } from './notices.js';
import { FIRST_START_MS, groupFault } from './places.js';
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
    run.stage = 'over'; // a message that waited for the ledger's answer is refused now, and none is left waiting
    await condition(allHandlersFinished);
    await condition(() => run.notices === 0, LAST_NOTICES_MS);
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
    void CancellationScope.nonCancellable(() => applyCancel(run, pursuits, reason)).catch(() => undefined); // over already
  });
  return () => cancel;
}

async function carryOut(run: RunState, pursuits: Pursuits, input: RunInput): Promise<RunResult> {
  const { continued, request } = readInput(input);
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
    return await closeFailed(run, pursuits, faultOf(error));
  }
}

/** The end of a run waits for one try of a notice, not longer for a receiver that hangs. */
const LAST_NOTICES_MS = 5000;
/** So much of what is no request is shown to whoever refuses it. */
const SHOWN_CHARACTERS = 200;

/** A script may start it with anything: without input, with a text, with a list. Only an object is a request. */
function readInput(input: unknown): { readonly request: unknown; readonly continued?: { readonly runId: string } } {
  if (input === undefined) return { request: {} };
  if (typeof input === 'string') return { request: input.slice(0, SHOWN_CHARACTERS) };
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return { request: [] };
  const { continued, ...request } = input as Partial<RunInput>; // an object with any fields: each is checked by `openRun`
  return { request, ...(continued === undefined ? {} : { continued }) };
}

async function drive(run: RunState, pursuits: Pursuits, input: RunInput): Promise<RunResult> {
  const frozen = run.opened?.plan;
  if (frozen === undefined) {
    // a brake ends the reading of servers and the planning too
    await untilInterrupted(
      async () => {
        await discover(run);
        await planTargets(run);
      },
      () => run.brake !== undefined,
    );
    // the plan may be frozen although its answer never came: then its targets need their outcome
    if (run.plan === undefined) await skipBraked(run);
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
      await condition(() => run.notices === 0, LAST_NOTICES_MS);
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
  run.stage = 'over'; // an order that came now would be answered and change nothing
  const result = await steps.closeRun({ runId: run.runId, ending: { how: run.brake?.how ?? 'finished' } });
  void tell(run, { id: `${run.runId}_finished`, type: 'run.finished', text: result.message });
  return result;
}

/** One list per server of what the request can reach, side by side. */
async function discover(run: RunState): Promise<void> {
  run.enter('discover');
  const { groups } = await steps.prepareDiscovery({ runId: run.runId });
  await Promise.all(groups.map((place, group) => surveyGroup(run.runId, 'discovery', place, group)));
}

/** Servers that nobody can list (no worker at their site, a step that fails) are unread, and the others go on. */
export async function surveyGroup(runId: string, phase: SurveyPhase, place: ServerGroup, group: number): Promise<void> {
  const { site, servers } = place;
  const at = site === undefined ? {} : { site, startWithinMs: FIRST_START_MS };
  const summary = `list ${counted(servers, 'server')}${site === undefined ? '' : ` at ${site}`}`;
  try {
    await steps.surveyServers({ summary, ...at }, { runId, phase, group });
  } catch (error) {
    const { code, message } = groupFault(error, site);
    await steps.noteUnread({ runId, phase, group, code, why: message });
  }
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
    void tell(run, { id: `${runId}_confirm`, type: 'run.waits', text: waits?.reason ?? '', waits });
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
  const { brake } = run;
  return {
    schemaVersion: 1,
    runId: run.runId,
    end: brake?.how ?? 'completed',
    exitCode: brake === undefined ? 0 : 4,
    message:
      brake === undefined
        ? `Dry run: ${counted(targets, 'task')} would be stopped, nothing was sent.`
        : `Dry run: ${brake.how} by ${brake.by}, nothing was sent.`,
    planned: targets,
    outcomes: {},
    ...(run.plan === undefined ? {} : { planHash: run.plan.planHash }),
  };
}

/**
 * A run that was refused or broke is closed in the ledger too, once nothing of it sends any more; if even that fails, the result
 * says what is known here. After the first request a refusal's code is an error: something was sent.
 */
async function closeFailed(run: RunState, pursuits: Pursuits, { code, message }: Fault): Promise<RunResult> {
  if (run.request?.dryRun === true) return localResult(run.runId, { code, message });
  try {
    await windUp(run, pursuits);
    run.enter('report');
    await condition(() => run.unwritten === 0);
    const how = run.brake?.how ?? (run.tally().requested > 0 ? 'error' : ERROR_CODES[code].end);
    return await steps.closeRun({ runId: run.runId, ending: { how, code, message } });
  } catch {
    return localResult(run.runId, { code, message });
  }
}

/** Nothing more leaves; what was asked is looked at to the end of its time, and nothing is still under way. */
async function windUp(run: RunState, pursuits: Pursuits): Promise<void> {
  if (pursuits.isIdle) return;
  run.hold({ control: 'braked' });
  await pursuits.holdSending();
  await condition(() => pursuits.isIdle);
}
