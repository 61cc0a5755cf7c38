import type { RunHandle } from '../../index.js';
import { OffboilError } from '../../../domain/errors.js';
import { planLines, type ShownPlan } from '../render/plan.js';
import { printableLines } from '../render/printable.js';
import { nextLines, type Session } from '../session.js';
import { shownPlan } from './shown-plan.js';

/** How consent is given: by a person who types the number, or beforehand by `--yes`. */
export interface Consent {
  readonly kind: 'ask' | 'yes';
  readonly by: string;
  /** Everything at once is asked once more. */
  readonly everything: boolean;
  /** Set by `approve`: this person is the other one, so the number is theirs to type whatever the plan needs. */
  readonly isApprover?: boolean;
  readonly note?: string;
}

const TRIES = 3;

/**
 * Shows the plan that waits and answers it as far as this consent reaches; what needs somebody else is left to wait,
 * with the command that this person needs.
 * @param consent undefined: the plan is shown, and needs no answer any more
 */
export async function answerPlan(session: Session, handle: RunHandle, consent: Consent | undefined): Promise<void> {
  const { screen, say } = session;
  const summary = await handle.planSummary();
  if (summary === null) throw new OffboilError('MESSAGE_REFUSED', say('message.noPlan', { run: handle.requestId }));
  const { requestId: runId } = handle;
  const requestedBy = consent?.isApprover === true ? undefined : consent?.by;
  const { phase, waits } = await handle.progress();
  const validUntil = phase === 'confirm' ? waits?.until : undefined;
  const known = { runId, summary, confirm: summary.confirm, requestedBy, validUntil };
  const plan = await shownPlan(known, () => handle.plan());
  screen.lines(planLines(say, plan));
  if (consent === undefined || plan.confirm === 'none') return;
  if (plan.confirm !== 'count' && consent.isApprover !== true) {
    const needsTwo = plan.confirm === 'twoApprovers';
    screen.line(needsTwo ? say('stop.needsTwo') : say('stop.needsOther', { by: consent.by }));
    screen.lines(approveSteps(session, plan));
    return;
  }
  const answer = consent.kind === 'yes' ? 'yes' : await askNumber(session, plan.targets, consent.everything);
  if (answer === undefined) {
    screen.lines(approveSteps(session, plan)); // Ctrl+C: the run waits, and is neither agreed to nor refused
    return;
  }
  await send(session, handle, plan, consent, answer);
}

async function send(
  session: Session,
  handle: RunHandle,
  plan: ShownPlan,
  consent: Consent,
  answer: 'yes' | 'no',
): Promise<void> {
  const { screen, say } = session;
  const message = {
    by: consent.by,
    planHash: plan.summary.planHash,
    ...(consent.note === undefined ? {} : { note: consent.note }),
  };
  if (answer === 'no') {
    await handle.reject(message);
    screen.line(say('stop.rejected'));
    return;
  }
  try {
    await handle.approve(message);
    screen.line(say('stop.approved', { n: plan.targets }));
  } catch (error) {
    // The plan may have been answered, expired or replaced meanwhile; an approver must hear it, a starter watches on.
    if (consent.isApprover === true || !(error instanceof OffboilError)) throw error;
    screen.line(printableLines(error.message));
  }
}

async function askNumber(
  { screen, say }: Session,
  targets: number,
  everything: boolean,
): Promise<'yes' | 'no' | undefined> {
  let question = say('ask.count');
  for (let left = TRIES; left > 0; left -= 1) {
    const answer = await screen.ask(question);
    if (answer === undefined) return undefined;
    if (answer === '') return 'no';
    if (answer === String(targets)) return everything ? askEverything(await screen.ask(say('ask.everything'))) : 'yes';
    question = say('ask.countAgain', { n: targets });
  }
  return 'no';
}

function askEverything(answer: string | undefined): 'yes' | 'no' | undefined {
  if (answer === undefined) return undefined;
  return answer === 'everything' ? 'yes' : 'no';
}

function approveSteps({ say }: Session, plan: ShownPlan): string[] {
  const hash = plan.summary.planHash;
  return nextLines(say, [
    [`offboil approve ${plan.runId} --plan-hash ${hash}`, say('hint.approve')],
    [`offboil reject ${plan.runId} --plan-hash ${hash}`, say('hint.reject')],
  ]);
}
