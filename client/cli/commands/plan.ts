import { existsSync } from 'node:fs';
import { parseRequest, requestIdSchema, type TerminationRequest } from '../../../domain/contracts/request.js';
import { OffboilError } from '../../index.js';
import { type Root, withClient } from '../root.js';
import { planLines } from '../render/plan.js';
import { addRequestOptions, askPolicy, type RequestFlags, writeRequest } from '../request-flags.js';
import { nextLines, type Session } from '../session.js';
import { shownPlan } from '../follow/shown-plan.js';

/** `offboil plan`: what a request would stop, without sending anything. */
export function addPlan(root: Root, session: Session): void {
  const { say } = session;
  const command = root.command('plan').description(say('help.plan')).argument('[request]', say('help.planOf'));
  addRequestOptions(command, session);
  command.action(async (file, flags: RequestFlags) => {
    if (file !== undefined && isRunId(file)) return showPlanOfRun(root, session, file);
    const written = await writeRequest(session, file, flags);
    await askPolicy(session, written);
    await showPlan(root, session, parseRequest(written));
  });
}

/** Plans, shows, and says that nothing was sent; also `stop --dry-run`. */
export async function showPlan(root: Root, session: Session, request: TerminationRequest): Promise<void> {
  const { screen, say } = session;
  screen.live(say('phase.discover'));
  await withClient(root, session, async (client) => {
    const planned = await client.plan(request);
    const { requestId: runId, requestedBy } = request;
    const plan = await shownPlan({ ...planned, runId, requestedBy }, () => client.readPlan(planned));
    screen.lines(planLines(say, plan));
    screen.line(say('plan.dryRun'));
    const next =
      planned.targets > 0
        ? ([stopCommand(session.args), say('hint.stop')] as const)
        : (['offboil ps', say('hint.ps')] as const);
    screen.lines(nextLines(say, [next]));
    // A program gets the whole, however long.
    if (screen.json) screen.document({ ...planned, whole: plan.whole ?? (await client.readPlan(planned)) });
  });
}

/** The plan that a run has frozen, before or after its confirm. */
async function showPlanOfRun(root: Root, session: Session, runId: string): Promise<void> {
  const { screen, say } = session;
  await withClient(root, session, async (client) => {
    const handle = client.handle(runId);
    const summary = await handle.planSummary();
    if (summary === null) throw new OffboilError('MESSAGE_REFUSED', say('message.noPlan', { run: runId }));
    const plan = await shownPlan({ runId, summary, confirm: summary.confirm }, () => handle.plan());
    screen.lines(planLines(say, plan));
    if (screen.json)
      screen.document({ runId, summary, targets: plan.targets, whole: plan.whole ?? (await handle.plan()) });
  });
}

/** A file of that name wins; else a word without a path is the id of a run, as the run's own answers name it. */
function isRunId(word: string): boolean {
  return word !== '-' && requestIdSchema.safeParse(word).success && !word.endsWith('.json') && !existsSync(word);
}

/** The same request as a stop, ready to paste. */
function stopCommand(args: readonly string[]): string {
  const rest = args.filter((arg) => !['plan', 'stop', '--dry-run', '--json'].includes(arg));
  return ['offboil', 'stop', ...rest.map(shellQuoted)].join(' ');
}

function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
