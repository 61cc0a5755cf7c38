import type { Progress, Report, RunHandle, RunResult } from '../../index.js';
import { OffboilError } from '../../../domain/errors.js';
import { answerPlan, type Consent } from './answer-plan.js';
import { printableLines } from '../render/printable.js';
import { progressLine, waitsLines } from '../render/progress.js';
import { nextSteps, verdictLine } from '../render/verdict.js';
import { nextLines, type Session } from '../session.js';

export interface FollowOptions {
  readonly handle: RunHandle;
  /** How a plan that waits for consent is answered; left out by those who only watch. */
  readonly consent?: Consent;
  /** Leave as soon as nothing is left to answer. */
  readonly detach?: boolean;
}

/** Follows a run to its end, or until Ctrl+C, and sets the exit code: the run's own, 130, or 0 for `--detach`. */
export async function followRun(session: Session, options: FollowOptions): Promise<void> {
  const { handle, consent, detach } = options;
  const isLeaving = detach === true && consent?.kind !== 'yes';
  if (isLeaving || !(await watchToEnd(session, options))) {
    sayDetached(session, handle.requestId, session.signal.aborted ? 130 : 0);
    return;
  }
  try {
    await tellEnd(session, handle, await handle.result(session.signal));
  } catch (error) {
    if (!session.signal.aborted) throw error;
    sayDetached(session, handle.requestId, 130);
  }
}

/** @returns true when the run has ended, false when we left before */
async function watchToEnd(session: Session, { handle, consent, detach }: FollowOptions): Promise<boolean> {
  const { screen, say, signal } = session;
  let started = consent === undefined; // whoever only watches did not start it
  let answered = false;
  let waited = '';
  let sawVerdict = false;
  const onTrouble = (trouble: OffboilError | undefined): void => {
    screen.line(trouble === undefined ? say('progress.again') : printableLines(trouble.message));
  };
  for await (const progress of handle.watch({ signal, onTrouble })) {
    if (!started && isUnderWay(progress)) {
      started = true;
      screen.line(say('stop.started', { run: handle.requestId }));
    }
    screen.live(progressLine(say, progress));
    if (consent !== undefined && !answered && hasPlanToShow(progress)) {
      answered = true;
      await answerPlan(session, handle, progress.phase === 'confirm' ? consent : undefined);
      if (signal.aborted || detach === true) return false;
      continue;
    }
    if (detach === true && isPastConfirm(progress)) return false;
    const waits = waitsLines(say, progress);
    if (waits.length > 0 && waits.join() !== waited && !(answered && progress.phase === 'confirm')) screen.lines(waits);
    waited = waits.join();
    if (!sawVerdict && isProvenButOpen(progress)) {
      sawVerdict = true;
      screen.line(say('progress.verdict', { planned: progress.planned }));
    }
  }
  return !signal.aborted;
}

/** Before it is opened the request can still be refused; one that has ended before only says so again. */
function isUnderWay({ requestHash, phase }: Progress): boolean {
  return requestHash !== '' && phase !== 'done';
}

/** In phase `plan` it is about to ask; in phase `done` there is nothing left to know before. */
function hasPlanToShow({ planHash, phase }: Progress): boolean {
  return planHash !== undefined && phase !== 'plan' && phase !== 'done';
}

function isPastConfirm(progress: Progress): boolean {
  return !['discover', 'plan', 'confirm', 'done'].includes(progress.phase);
}

function isProvenButOpen(progress: Progress): boolean {
  const stillLooks = ['linger', 'check', 'compensate', 'watch'].includes(progress.phase);
  return stillLooks && progress.planned > 0 && progress.proven === progress.planned;
}

function sayDetached(session: Session, runId: string, exitCode: number): void {
  const { screen, say } = session;
  screen.line(say('stop.detached', { run: runId }));
  screen.lines(
    nextLines(say, [
      [`offboil watch ${runId}`, say('hint.watch')],
      [`offboil brake ${runId}`, say('hint.brake')],
    ]),
  );
  screen.document({ runId, detached: true });
  session.exitCode = exitCode;
}

async function tellEnd(session: Session, handle: RunHandle, result: RunResult): Promise<void> {
  const { screen, say } = session;
  const report = await reportOrNothing(handle);
  const verdict = verdictLine(say, result, report);
  screen.line();
  screen.line(verdict);
  const message = printableLines(result.message);
  if (result.code !== undefined && message !== verdict) screen.line(message); // without a code it counts as the verdict does
  for (const need of report?.needsYou ?? []) screen.line(`! ${printableLines(need)}`);
  screen.lines(nextLines(say, nextSteps(say, result)));
  screen.document(result);
  session.exitCode = result.exitCode;
}

/** The verdict stands without it: a refused run may have no report, and the worker may be away. */
async function reportOrNothing(handle: RunHandle): Promise<Report | undefined> {
  try {
    return await handle.report();
  } catch (error) {
    if (error instanceof OffboilError) return undefined;
    throw error;
  }
}
