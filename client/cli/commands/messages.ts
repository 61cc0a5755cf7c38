import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { RUNGS, type TargetKey } from '../../../domain/tasks.js';
import { OffboilError, type Progress, type RunHandle } from '../../index.js';
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

function addConsent(root: Root, session: Session): void {
  const { say, screen } = session;
  for (const name of ['approve', 'reject'] as const) {
    root
      .command(name)
      .description(say(`help.${name}`))
      .argument('<run>', say('help.run'))
      .option('--plan-hash <hash>', say('help.planHash'))
      .option('--by <who>', say('help.by'))
      .option('--note <text>', say('help.note'))
      .action(async (run, { planHash, note, ...flags }) => {
        const by = userOf(session, flags.by, '--by');
        await withClient(root, session, async (client) => {
          const handle = client.handle(run);
          const noted = note === undefined ? {} : { note };
          if (planHash !== undefined)
            return tell(session, handle, name, await handle[name]({ by, planHash, ...noted }));
          if (!screen.canAsk) throw new OffboilError('CONFIRMATION_MISSING', say('message.noTerminal'));
          if (name === 'approve') return approveByHand(session, handle, by, noted);
          const waiting = (await handle.progress()).planHash;
          if (waiting === undefined) throw new OffboilError('MESSAGE_REFUSED', say('message.noPlan', { run }));
          tell(session, handle, name, await handle.reject({ by, planHash: waiting, ...noted }));
        });
      });
  }
}

/** Shows the plan and takes the typed number as consent, bound to the hash of what was shown. */
async function approveByHand(session: Session, handle: RunHandle, by: string, noted: { note?: string }): Promise<void> {
  await answerPlan(session, handle, {
    kind: 'ask',
    by,
    everything: false,
    isApprover: true,
    ...noted,
  });
  const progress = await handle.progress();
  session.screen.lines([progressLine(session.say, progress), ...waitsLines(session.say, progress)]);
  session.screen.document({ progress });
}

function addHolds(root: Root, session: Session): void {
  const { say } = session;
  for (const name of ['pause', 'resume', 'brake'] as const) {
    root
      .command(name)
      .description(say(`help.${name}`))
      .argument('<run>', say('help.run'))
      .option('--reason <text>', say('help.messageReason'), say('message.noReason'))
      .option('--by <who>', say('help.by'))
      .action(async (run, { reason, ...flags }) => {
        const by = userOf(session, flags.by, '--by');
        await withClient(root, session, async (client) => {
          const handle = client.handle(run);
          tell(session, handle, name, await handle[name]({ by, reason }));
        });
      });
  }
}

function addTargets(root: Root, session: Session): void {
  const { say } = session;
  root
    .command('skip')
    .description(say('help.skip'))
    .argument('<run>', say('help.run'))
    .argument('<targets...>', say('help.target'), (value, before: TargetKey[] | undefined) => [
      ...(before ?? []),
      parseTarget(session, value),
    ])
    .option('--by <who>', say('help.by'))
    .action(async (run, targets, flags) => {
      const by = userOf(session, flags.by, '--by');
      const [first, ...more] = targets ?? [];
      if (first === undefined) return; // commander demands one
      await withClient(root, session, async (client) => {
        const handle = client.handle(run);
        tell(session, handle, 'skip', await handle.skip({ by, targets: [first, ...more] }));
      });
    });
  root
    .command('resolve')
    .description(say('help.resolve'))
    .argument('<run>', say('help.run'))
    .argument('<target>', say('help.target'), (value) => parseTarget(session, value))
    .requiredOption('--note <text>', say('help.noteDone'))
    .option('--by <who>', say('help.by'))
    .action(async (run, target, { note, ...flags }) => {
      const by = userOf(session, flags.by, '--by');
      await withClient(root, session, async (client) => {
        const handle = client.handle(run);
        tell(session, handle, 'resolve', await handle.resolve({ by, target, note }));
      });
    });
}

function addRetry(root: Root, session: Session): void {
  const { say, screen } = session;
  root
    .command('retry')
    .description(say('help.retry'))
    .argument('<run>', say('help.run'))
    .argument('[targets...]', say('help.target'), (value, before: TargetKey[] | undefined) => [
      ...(before ?? []),
      parseTarget(session, value),
    ])
    .addOption(new Option('--rung <rung>', say('help.rung')).choices(RUNGS))
    .option('--by <who>', say('help.by'))
    .option('--yes', say('help.yes'))
    .option('--detach', say('help.detach'))
    .action(async (run, targets, { rung, yes, detach, ...flags }) => {
      const by = userOf(session, flags.by, '--by');
      await withClient(root, session, async (client) => {
        const handle = client.handle(run);
        const [first, ...more] = targets ?? [];
        const isEnded = (await openState(handle)) !== 'open';
        if (!isEnded || first !== undefined || rung !== undefined) {
          const named = first === undefined ? {} : { targets: [first, ...more] satisfies [TargetKey, ...TargetKey[]] };
          return tell(
            session,
            handle,
            'retry',
            await handle.retry({ by, ...named, ...(rung === undefined ? {} : { rung }) }),
          );
        }
        if (!screen.canAsk && yes !== true) throw new OffboilError('CONFIRMATION_MISSING', say('stop.noTerminal'));
        const next = await client.startRetry(run, by);
        if (next.requestId !== run) screen.line(say('retry.started', { old: run, run: next.requestId }));
        const consent = { kind: yes === true ? 'yes' : 'ask', by, everything: false } as const;
        return followRun(session, { client, handle: next, consent, detach: detach === true });
      });
    });
}

/** Temporal forgets ended runs after its retention; the ledger remembers them. */
async function openState(handle: RunHandle): Promise<'open' | 'ended' | 'forgotten'> {
  try {
    return (await handle.isOpen()) ? 'open' : 'ended';
  } catch (error) {
    if (error instanceof OffboilError && error.code === 'RUN_UNKNOWN') return 'forgotten';
    throw error;
  }
}

function tell({ screen, say }: Session, handle: RunHandle, name: string, progress: Progress): void {
  screen.line(say('message.sent', { name, run: handle.requestId }));
  screen.lines([progressLine(say, progress), ...waitsLines(say, progress)]);
  screen.document({ progress });
}

/** `<server>/<id>`; server names have no slash, ids may. */
function parseTarget({ say }: Session, value: string): TargetKey {
  const slash = value.indexOf('/');
  if (slash > 0 && slash < value.length - 1) return { server: value.slice(0, slash), id: value.slice(slash + 1) };
  throw new InvalidArgumentError(say('usage.target', { value }));
}
