import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { RUNGS, type TargetKey } from '../../../domain/tasks.js';
import { type Delivered, OffboilError, type Progress, type RunHandle, type SendOptions } from '../../index.js';
import { answerPlan } from '../follow/answer-plan.js';
import { followRun } from '../follow/follow-run.js';
import { type Root, withClient } from '../root.js';
import { progressLine, waitsLines } from '../render/progress.js';
import { type Session, userOf } from '../session.js';

/** The commands that answer a run: one message each, and the run's new progress as the answer. */
export function addMessages(root: Root, session: Session): void {
  addConsent(root, session);
  addHolds(root, session);
  addTargets(root, session);
  addRetry(root, session);
}

type MessageCommand = 'approve' | 'reject' | 'pause' | 'resume' | 'brake' | 'skip' | 'resolve' | 'retry';

function toRun(root: Root, { say }: Session, name: MessageCommand) {
  return root
    .command(name)
    .description(say(`help.${name}`))
    .argument('<run>', say('help.run'));
}

/** Sends one message as this person and shows the run's answer. */
async function send(
  root: Root,
  session: Session,
  to: { readonly run: string; readonly name: MessageCommand; readonly by: string | undefined },
  message: (handle: RunHandle, by: string, options: SendOptions) => Promise<Delivered>,
): Promise<void> {
  const by = userOf(session, to.by, '--by');
  await withClient(root, session, async (client) => {
    tell(session, to, await message(client.handle(to.run), by, patience(session, to)));
  });
}

/** Nobody watches a silent screen while an order is under way. */
function patience({ screen, say }: Session, sent: { readonly run: string; readonly name: string }): SendOptions {
  let isTold = false;
  const onTrouble = (): void => {
    if (!isTold) screen.line(say('message.again', sent));
    isTold = true;
  };
  return { onTrouble };
}

function tell(session: Session, sent: { readonly run: string; readonly name: string }, answer: Delivered): void {
  const { answeredBy, ...progress } = answer;
  session.screen.line(session.say(`message.answered.${answeredBy}`, sent));
  showProgress(session, progress, answeredBy);
}

function showProgress(
  { screen, say }: Session,
  progress: Progress,
  answeredBy: Delivered['answeredBy'] = 'update',
): void {
  screen.lines([progressLine(say, progress), ...waitsLines(say, progress)]);
  screen.document({ progress, answeredBy });
}

function addConsent(root: Root, session: Session): void {
  const { say, screen } = session;
  for (const name of ['approve', 'reject'] as const) {
    toRun(root, session, name)
      .option('--plan-hash <hash>', say('help.planHash'))
      .option('--by <who>', say('help.by'))
      .option('--note <text>', say('help.note'))
      .action(async (run, { planHash, note, by }) => {
        if (planHash === undefined && !screen.canAsk) {
          throw new OffboilError('CONFIRMATION_MISSING', say('message.noTerminal'));
        }
        const noted = note === undefined ? {} : { note };
        if (planHash === undefined && name === 'approve') return approveByHand(root, session, { run, by, ...noted });
        await send(root, session, { run, name, by }, async (handle, who, options) => {
          const answered = planHash ?? (await handle.progress()).planHash;
          if (answered === undefined) throw new OffboilError('MESSAGE_REFUSED', say('message.noPlan', { run }));
          return handle[name]({ by: who, planHash: answered, ...noted }, options);
        });
      });
  }
}

/** Shows the plan and takes the typed number as consent, bound to the hash of what was shown. */
async function approveByHand(
  root: Root,
  session: Session,
  { run, by, ...noted }: { readonly run: string; readonly by: string | undefined; readonly note?: string },
): Promise<void> {
  const who = userOf(session, by, '--by');
  await withClient(root, session, async (client) => {
    const handle = client.handle(run);
    await answerPlan(session, handle, { kind: 'ask', by: who, everything: false, isApprover: true, ...noted });
    showProgress(session, await handle.progress());
  });
}

function addHolds(root: Root, session: Session): void {
  const { say } = session;
  for (const name of ['pause', 'resume', 'brake'] as const) {
    toRun(root, session, name)
      .option('--reason <text>', say('help.messageReason'), say('message.noReason'))
      .option('--by <who>', say('help.by'))
      .action((run, { reason, by }) =>
        send(root, session, { run, name, by }, (handle, who, options) => handle[name]({ by: who, reason }, options)),
      );
  }
}

function addTargets(root: Root, session: Session): void {
  const { say } = session;
  toRun(root, session, 'skip')
    .argument('<targets...>', say('help.target'), manyTargets(session))
    .option('--by <who>', say('help.by'))
    .action(async (run, given, { by }) => {
      const targets = named(given);
      if (targets === undefined) return; // commander demands one
      await send(root, session, { run, name: 'skip', by }, (handle, who, options) =>
        handle.skip({ by: who, targets }, options),
      );
    });
  toRun(root, session, 'resolve')
    .argument('<target>', say('help.target'), (value) => parseTarget(session, value))
    .requiredOption('--note <text>', say('help.noteDone'))
    .option('--by <who>', say('help.by'))
    .action((run, target, { note, by }) =>
      send(root, session, { run, name: 'resolve', by }, (handle, who, options) =>
        handle.resolve({ by: who, target, note }, options),
      ),
    );
}

function addRetry(root: Root, session: Session): void {
  const { say, screen } = session;
  toRun(root, session, 'retry')
    .argument('[targets...]', say('help.target'), manyTargets(session))
    .addOption(new Option('--rung <rung>', say('help.rung')).choices(RUNGS))
    .option('--by <who>', say('help.by'))
    .option('--yes', say('help.yes'))
    .option('--detach', say('help.detach'))
    .action(async (run, given, { rung, yes, detach, by }) => {
      const targets = named(given);
      const who = userOf(session, by, '--by');
      await withClient(root, session, async (client) => {
        const asked = { ...(targets === undefined ? {} : { targets }), ...(rung === undefined ? {} : { rung }) };
        if (Object.keys(asked).length > 0 || (await isOpen(client.handle(run)))) {
          const sent = { run, name: 'retry' };
          const answer = await client.handle(run).retry({ by: who, ...asked }, patience(session, sent));
          return tell(session, sent, answer);
        }
        if (!screen.canAsk && yes !== true) throw new OffboilError('CONFIRMATION_MISSING', say('stop.noTerminal'));
        const handle = await client.startRetry(run, who);
        if (handle.requestId !== run) screen.line(say('retry.started', { old: run, run: handle.requestId }));
        const consent = { kind: yes === true ? 'yes' : 'ask', by: who, everything: false } as const;
        return followRun(session, { handle, consent, detach: detach === true });
      });
    });
}

/** Temporal forgets ended runs after its retention; the ledger remembers them. */
async function isOpen(handle: RunHandle): Promise<boolean> {
  try {
    return await handle.isOpen();
  } catch (error) {
    if (error instanceof OffboilError && error.code === 'RUN_UNKNOWN') return false;
    throw error;
  }
}

function manyTargets(session: Session): (value: string, before: TargetKey[] | undefined) => TargetKey[] {
  return (value, before) => [...(before ?? []), parseTarget(session, value)];
}

/** Without any, commander gives an empty list. */
function named(targets: readonly TargetKey[] | undefined): [TargetKey, ...TargetKey[]] | undefined {
  const [first, ...more] = targets ?? [];
  return first === undefined ? undefined : [first, ...more];
}

/** `<server>/<id>`; server names have no slash, ids may. */
function parseTarget({ say }: Session, value: string): TargetKey {
  const slash = value.indexOf('/');
  if (slash > 0 && slash < value.length - 1) return { server: value.slice(0, slash), id: value.slice(slash + 1) };
  throw new InvalidArgumentError(say('usage.target', { value }));
}
