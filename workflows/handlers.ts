import { condition, defineUpdate, setHandler, sleep } from '@temporalio/workflow';
import { readMessage, type Message, type MessageName, type Progress } from '../domain/contracts/messages.js';
import type { Actor } from '../domain/contracts/report.js';
import { approvalRefusal } from '../domain/planning/confirmation.js';
import type { ErrorCode } from '../domain/errors.js';
import type { PersonalAct } from '../domain/ports.js';
import { LEASE_MS } from '../domain/shard-ledger.js';
import type { Hold } from '../domain/standing.js';
import { refusal, refusalOf } from './failures.js';
import * as messages from './messages.js';
import type { Pursuits } from './pursuits.js';
import type { RunState } from './state/run-state.js';
import { steps } from './steps.js';

/** Phases in which something may still be asked of targets. */
const ACTING_PHASES: ReadonlySet<string> = new Set(['wave', 'linger']);

/** Registers every message before the first await. Validators are synchronous and only read; a refusal leaves no event. */
export function registerMessages(run: RunState, pursuits: Pursuits): void {
  setHandler(messages.progress, () => run.snapshot(), { description: 'Where the run stands.' });
  setHandler(messages.plan, () => run.summary(), { description: 'Summary of the frozen plan.' });

  on(run, 'approve', 'Consent to the plan with this hash.', {
    refuse: (message) => refuseAnswer(run, message) ?? refuseApprover(run, message.by),
    handle: async ({ by, planHash, note }) => {
      await record(run, {
        kind: 'approve',
        actor: actor('approver', by),
        planHash,
        ...(note === undefined ? {} : { note }),
      });
      run.hold({ approvedBy: [...run.approvedBy, by] });
    },
  });
  on(run, 'reject', 'Refuse the plan with this hash: nothing is sent.', {
    refuse: (message) => refuseAnswer(run, message),
    handle: async ({ by, planHash, note }) => {
      const noted = note === undefined ? {} : { note };
      // It holds before it is written: an approval that comes meanwhile must not pass it.
      run.hold({ rejected: { by, ...noted } });
      run.unwritten += 1;
      await record(run, { kind: 'reject', actor: actor('approver', by), planHash, ...noted }).finally(
        () => (run.unwritten -= 1),
      );
    },
  });
  on(run, 'pause', 'Hold: nothing leaves after the answer, until resume.', {
    refuse: () => (run.control === 'braked' ? no('the run is braked, a pause adds nothing.') : undefined),
    handle: (message) => pause(run, pursuits, message),
  });
  on(run, 'resume', 'End a pause, or go on after a halt.', {
    refuse: () =>
      run.control === 'paused' || run.halt !== undefined ? undefined : no('the run is neither paused nor halted.'),
    handle: (message) => resume(run, pursuits, message),
  });
  on(run, 'brake', 'Send nothing more in this run. It cannot be taken back.', {
    refuse: () => undefined,
    handle: (message) => brake(run, pursuits, message),
  });
  on(run, 'skip', 'Leave targets out that have had no request.', {
    refuse: () => (run.plan === undefined ? no('there is no plan yet.') : undefined),
    handle: async ({ by, targets }) => {
      const { tallies } = await steps.skipTargets({ runId: run.runId, targets, why: `skipped by ${by}` });
      run.retally(tallies);
      await record(run, { kind: 'skip', actor: actor('operator', by), targets });
    },
  });
  on(run, 'retry', 'Ask again: what is unconfirmed, unreachable, refused or failed, or the targets named.', {
    refuse: () => refuseRetry(run),
    handle: async ({ by, targets, rung }) => {
      const act: PersonalAct = {
        kind: 'retry',
        actor: actor('operator', by),
        ...(targets === undefined ? {} : { targets }),
        ...(rung === undefined ? {} : { rung }),
      };
      await record(run, act);
      run.retries += 1;
      // A halt and linger wait for it and ask again themselves.
      if (run.phase === 'wave' && run.halt === undefined) pursuits.askAgain(run.wave);
    },
  });
  on(run, 'resolve', 'Say what was done about a manual compensation.', {
    refuse: () => (run.plan === undefined ? no('there is no plan yet.') : undefined),
    handle: async ({ by, target, note }) => {
      await record(run, { kind: 'resolve', actor: actor('operator', by), target, note });
      run.resolutions += 1;
    },
  });

  // Signals of the same meaning, for places that can only signal. An invalid one changes nothing.
  setHandler(messages.pauseSignal, (message) => ifValid('pause', message, (valid) => pause(run, pursuits, valid)));
  setHandler(messages.resumeSignal, (message) => ifValid('resume', message, (valid) => resume(run, pursuits, valid)));
  setHandler(messages.brakeSignal, (message) => ifValid('brake', message, (valid) => brake(run, pursuits, valid)));
}

const OVER = 'the run is over; `offboil report` shows how it ended.';

/** Why a message cannot be taken now. */
interface Refusal {
  readonly code: ErrorCode;
  readonly why: string;
}

function no(why: string, code: ErrorCode = 'MESSAGE_REFUSED'): Refusal {
  return { code, why };
}

interface Answer<N extends MessageName> {
  refuse(message: Message<N>): Refusal | undefined;
  handle(message: Message<N>): Promise<void>;
}

function on<N extends MessageName>(run: RunState, name: N, description: string, answer: Answer<N>): void {
  const read = (input: unknown): Message<N> => {
    const parsed = readMessage(name, input);
    if (parsed.success) return parsed.data;
    throw refusal('MESSAGE_INVALID', `${name}: ${parsed.error.issues.map(issueText).join('; ')}. Nothing changed.`);
  };
  setHandler(
    defineUpdate<Progress, [unknown]>(name),
    async (input) => {
      try {
        await answer.handle(read(input));
      } catch (error) {
        throw refusalOf(error); // its code and sentence, not those of the step that found out
      }
      return run.snapshot();
    },
    {
      description,
      validator: (input) => {
        const refused = run.stage === 'over' ? no(OVER) : answer.refuse(read(input));
        if (refused !== undefined) throw refusal(refused.code, `${name} is refused: ${refused.why} Nothing changed.`);
      },
    },
  );
}

function issueText({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
}

function refuseAnswer(run: RunState, { planHash }: { readonly planHash: string }): Refusal | undefined {
  if (!run.awaitsConsent || run.plan === undefined)
    return no(`the run is in phase ${run.phase} and waits for no confirmation.`);
  if (planHash !== run.plan.planHash) {
    return no(
      `that is another hash; this plan is ${run.plan.planHash}. Read it again before you consent.`,
      'PLAN_HASH_MISMATCH',
    );
  }
  return undefined;
}

function refuseApprover(run: RunState, by: string): Refusal | undefined {
  if (run.plan === undefined || run.request === undefined) return no('there is no plan yet.');
  const why = approvalRefusal(run.plan.confirm, run.request, by, run.approvedBy, run.request.emergency);
  return why === undefined ? undefined : no(why, 'APPROVAL_REFUSED');
}

function refuseRetry(run: RunState): Refusal | undefined {
  if (run.control === 'braked') return no('the run is braked; start a new run over what is left.');
  if (run.halt === undefined && !ACTING_PHASES.has(run.phase))
    return no(`the run is in phase ${run.phase}: there is nothing to ask again.`);
  return undefined;
}

async function ifValid(
  name: 'pause' | 'resume' | 'brake',
  message: unknown,
  handle: (message: Message<'pause'>) => Promise<void>,
): Promise<void> {
  const parsed = readMessage(name, message);
  if (parsed.success) await handle(parsed.data).catch(() => undefined); // a signal cannot be refused: it changes nothing
}

/** Every actor is recorded with how sure we are: what a caller types is asserted. */
function actor(role: string, by: string): Actor {
  return { role, by, assurance: 'asserted', at: new Date().toISOString() };
}

async function record(run: RunState, act: PersonalAct): Promise<void> {
  await steps.recordAct({ runId: run.runId, act });
}

/** Messages may come before the ledger has been asked. @throws ApplicationFailure when this is no run, or one that is over */
async function untilOpen(run: RunState, name: MessageName): Promise<void> {
  await condition(() => run.stage !== 'opening');
  if (run.opened === undefined) throw refusal('MESSAGE_REFUSED', `${name} is refused: ${OVER} Nothing changed.`);
}

async function pause(run: RunState, pursuits: Pursuits, { by, reason }: Message<'pause'>): Promise<void> {
  if (run.control === 'braked') return;
  run.hold({ control: 'paused', pausedBy: { by, reason } });
  await answerHold(run, pursuits, { kind: 'pause', actor: actor('operator', by), reason });
}

/** One resume ends one hold: the pause first, the halt below it by one of its own. */
async function resume(run: RunState, pursuits: Pursuits, { by, reason }: Message<'resume'>): Promise<void> {
  await untilOpen(run, 'resume');
  const { halt, pausedBy } = run;
  const act = { kind: 'resume', actor: actor('operator', by), reason } as const;
  if (run.control === 'paused') {
    if (!(await run.controlRow.write(run.runId, 'go'))) return;
    await record(run, act);
    // Paused again, or braked, while this was written: the newer order stands.
    if (isPausedBy(run, pausedBy)) run.hold({ control: 'go', pausedBy: undefined });
  } else if (run.control === 'go' && halt !== undefined) {
    const accepted = run.acceptable(halt.wave, pursuits.isOver(halt.wave));
    await record(run, { ...act, accepted });
    if (run.halt === halt) run.hold({ halt: undefined, accepted });
  }
}

// A function, because messages change the state while a step is awaited, which the compiler cannot see.
function isPausedBy(run: RunState, pausedBy: Hold | undefined): boolean {
  return run.control === 'paused' && run.pausedBy === pausedBy;
}

async function brake(run: RunState, pursuits: Pursuits, { by, reason }: Message<'brake'>): Promise<void> {
  run.brake ??= { how: 'braked', by, reason };
  run.hold({ control: 'braked' });
  await answerHold(run, pursuits, { kind: 'brake', actor: actor('operator', by), reason });
}

/** A hold is answered while the ledger is away too: only the end of the run waits until it stands there. */
async function answerHold(run: RunState, pursuits: Pursuits, act: PersonalAct): Promise<void> {
  run.unwritten += 1;
  try {
    await untilOpen(run, act.kind === 'pause' ? 'pause' : 'brake');
    if (await pursuits.holdSending()) await sleep(LEASE_MS);
  } catch (error) {
    run.unwritten -= 1;
    throw error;
  }
  void record(run, act)
    .catch((error: unknown) => {
      run.failure ??= error;
    })
    .finally(() => (run.unwritten -= 1));
}

/** A cancel request is a brake; Temporal does not tell whose it was. */
export async function applyCancel(run: RunState, pursuits: Pursuits, reason: string): Promise<void> {
  run.hold({ control: 'braked' });
  await answerHold(run, pursuits, { kind: 'cancel', actor: actor('operator', 'temporal'), reason });
}
