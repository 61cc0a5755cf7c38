import { keyOf } from '../contracts/plan.js';
import type { BystanderVerdict } from '../contracts/report.js';
import type { Outcome } from '../outcomes.js';
import { owesApproval } from '../planning/confirmation.js';
import type { RunFacts, TargetFacts } from '../ports.js';
import { counted, some } from '../wording.js';
import { settledOutcome } from './settled.js';
import { unreadCovered } from './verdict.js';

/** What stays for a person to do, most pressing first, one sentence each with the way out. */
export function needsYou(facts: RunFacts): string[] {
  return [
    ...unconfirmed(facts),
    ...askAgain(facts),
    ...approvalOwed(facts),
    ...redChecks(facts),
    ...inconclusiveChecks(facts),
    ...compensations(facts),
    ...cameBack(facts),
    ...disturbed(facts.bystanders),
    ...unreadCovered(facts).map(
      ({ server, code, message }) => `${server} was not read (${code}), so nobody knows what runs there: ${message}`,
    ),
  ];
}

/** The last way out for what nothing reaches is a restart of its server; who would die with it must be said. */
function unconfirmed(facts: RunFacts): string[] {
  const servers = new Map<string, TargetFacts[]>();
  for (const target of facts.targets.filter((one) => settledOutcome(one) === 'unconfirmed')) {
    const known = servers.get(target.target.server);
    if (known === undefined) servers.set(target.target.server, [target]);
    else known.push(target);
  }
  return [...servers].map(([server, targets]) => {
    const others = facts.bystanders
      .filter((one) => one.server === server && one.verdict !== 'ended')
      .map(({ name }) => name);
    const cost =
      others.length === 0 ? 'no other task that was seen' : `${counted(others.length, 'bystander')}: ${few(others)}`;
    const names = few(targets.map(({ target }) => `${target.name} (${target.id})`));
    return (
      `${server}: ${targets.length} requested and not proven ended: ${names}. Ask again with "offboil retry ${facts.run.runId}"; ` +
      `the last way out is a restart of ${server}, which would also end ${cost}.`
    );
  });
}

const WORDS: Partial<Record<Outcome, string>> = {
  unreachable: 'not reached',
  refused: 'refused by their server',
  failed: 'failed by our own error',
};

function askAgain(facts: RunFacts): string[] {
  return (['unreachable', 'refused', 'failed'] as const).flatMap((outcome) => {
    const hit = facts.targets.filter((target) => settledOutcome(target) === outcome).map(({ target }) => keyOf(target));
    if (hit.length === 0) return [];
    return [
      `${counted(hit.length, 'target')} ${WORDS[outcome] ?? outcome}, running on: ${few(hit)}. Ask again with "offboil retry ${facts.run.runId}".`,
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

function redChecks({ checks }: RunFacts): string[] {
  return checks
    .filter(({ before, after }) => after === 'red' && before !== 'red')
    .map(
      ({ name, database, before, detail }) =>
        `The check "${name}" on ${database} is red and was ${before === 'green' ? 'green' : 'not green or red'} before: ${detail}`,
    );
}

/** Missing data is not health. */
function inconclusiveChecks({ checks }: RunFacts): string[] {
  return checks
    .filter(({ after }) => after === 'inconclusive')
    .map(({ name, database, detail }) => `The check "${name}" on ${database} gave no answer after the stop: ${detail}`);
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
