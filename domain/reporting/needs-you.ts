import { keyOf } from '../contracts/plan.js';
import type { BystanderVerdict } from '../contracts/report.js';
import type { Outcome } from '../outcomes.js';
import { owesApproval } from '../planning/confirmation.js';
import type { RunFacts, TargetFacts } from '../ports.js';
import { counted, saysRestarted, some } from '../wording.js';
import { settledOutcome } from './settled.js';
import { leftOpen, redAfter, unansweredAfter, unreadCovered } from './verdict.js';

/** What stays for a person to do, most pressing first, one sentence each with the way out. */
export function needsYou(facts: RunFacts): string[] {
  return [
    ...unconfirmed(facts),
    ...askAgain(facts),
    ...approvalOwed(facts),
    ...redChecks(facts),
    ...unansweredChecks(facts),
    ...compensations(facts),
    ...cameBack(facts),
    ...stillLeft(facts),
    ...disturbed(facts.bystanders),
    ...unreadCovered(facts).map(
      ({ server, code, message }) => `${server} was not read (${code}), so nobody knows what runs there: ${message}`,
    ),
  ];
}

/** What is not proven ended, a sentence a server. What was asked of it and what was not are two things (the attempts say which). */
function unconfirmed(facts: RunFacts): string[] {
  const servers = new Map<string, TargetFacts[]>();
  for (const target of facts.targets.filter((one) => settledOutcome(one) === 'unconfirmed')) {
    const known = servers.get(target.target.server);
    if (known === undefined) servers.set(target.target.server, [target]);
    else known.push(target);
  }
  const again = `Ask again with "offboil retry ${facts.run.runId}"`;
  return [...servers].map(([server, targets]) => {
    const [asked, unasked] = [targets.filter(({ requests }) => requests > 0), targets.filter(wasNeverAsked)];
    const said = [
      ...(asked.length === 0 ? [] : [`${asked.length} requested and not proven ended: ${namesOf(asked)}`]),
      ...(unasked.length === 0 ? [] : [`${unasked.length} not asked and not proven ended: ${namesOf(unasked)}`]),
    ];
    return `${server}: ${said.join('; ')}. ${again}${lastWayOut(facts, server, targets)}.`;
  });
}

function wasNeverAsked({ requests }: TargetFacts): boolean {
  return requests === 0;
}

/**
 * The last way out for what nothing reaches is a restart of its server; who would die with it must be said. Of a server that has
 * just started again it is none, and of one that gives no list nobody knows what a restart would end.
 */
function lastWayOut({ bystanders }: RunFacts, server: string, targets: readonly TargetFacts[]): string {
  if (targets.some(({ evidence }) => evidence.some(({ what }) => saysRestarted(what)))) {
    return `; ${server} has started again since they were asked: look there whether they were started anew`;
  }
  const others = bystanders.filter((one) => one.server === server && one.verdict !== 'ended').map(({ name }) => name);
  const cost =
    others.length === 0 ? 'no other task that was seen' : `${counted(others.length, 'bystander')}: ${few(others)}`;
  return `; the last way out is a restart of ${server}, which would also end ${cost}`;
}

function namesOf(targets: readonly TargetFacts[]): string {
  return few(targets.map(({ target }) => `${target.name} (${target.id})`));
}

const WORDS: Partial<Record<Outcome, string>> = {
  unreachable: 'not reached, and whether they run nobody knows',
  refused: 'refused by their server, and not seen to end',
  failed: 'failed by our own error, and not seen to end',
};

function askAgain(facts: RunFacts): string[] {
  return (['unreachable', 'refused', 'failed'] as const).flatMap((outcome) => {
    const hit = facts.targets.filter((target) => settledOutcome(target) === outcome).map(({ target }) => keyOf(target));
    if (hit.length === 0) return [];
    return [
      `${counted(hit.length, 'target')} ${WORDS[outcome] ?? outcome}: ${few(hit)}. Ask again with "offboil retry ${facts.run.runId}".`,
    ];
  });
}

function approvalOwed({ run, targets }: RunFacts): string[] {
  if (run.plan === undefined || run.estate === undefined || targets.length === 0) return [];
  const hasUnmatched = targets.some(({ target }) => !target.hasContract);
  return owesApproval(run.plan.policy, run.request, hasUnmatched, run.estate)
    ? [`This was an emergency: an approval by someone other than ${run.request.requestedBy} is owed.`]
    : [];
}

function redChecks(facts: RunFacts): string[] {
  return redAfter(facts).map(
    ({ name, database, before, detail }) =>
      `The check "${name}" on ${database} is red and was ${before === 'green' ? 'green' : 'not green or red'} before: ${detail}`,
  );
}

function unansweredChecks(facts: RunFacts): string[] {
  return unansweredAfter(facts).map(
    ({ name, database, detail }) => `The check "${name}" on ${database} gave no answer after the stop: ${detail}`,
  );
}

/** What the request meant and this run left without anybody having decided so. */
function stillLeft(facts: RunFacts): string[] {
  const open = leftOpen(facts);
  return [...new Set(open.map(({ why }) => why))].map((why) => {
    const tasks = open.filter((task) => task.why === why).map(({ server, id, name }) => `${name} (${server}/${id})`);
    return `${counted(tasks.length, 'task')} left, and perhaps at work (${why}): ${few(tasks)}`;
  });
}

function compensations(facts: RunFacts): string[] {
  return facts.compensations
    .filter(({ state }) => state === 'failed' || state === 'unanswered' || state === 'notDone')
    .map(
      ({ name, server, kind, state, detail }) =>
        `The ${kind} for ${name} on ${server} ${STATE_WORDS[state] ?? state}: ${detail}`,
    );
}

const STATE_WORDS: Readonly<Record<string, string>> = {
  failed: 'failed',
  unanswered: 'was not answered',
  notDone: 'was not done',
};

function cameBack(facts: RunFacts): string[] {
  return facts.cameBack.map(
    ({ name, server, id, why, active }) =>
      `${name} (${server}/${id}) came back${active ? ' and is at work' : ''}: ${why}`,
  );
}

function disturbed(bystanders: readonly BystanderVerdict[]): string[] {
  return bystanders
    .filter(({ verdict }) => verdict === 'disturbed')
    .map(({ name, server, id, why }) => `Bystander ${name} (${server}/${id}) needs a look: ${why}`);
}

function few(words: readonly string[]): string {
  return some(words, 10);
}
