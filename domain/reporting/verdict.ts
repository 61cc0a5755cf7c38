import { LEFT_FACTS } from '../contracts/plan.js';
import type { RunEnd } from '../contracts/report.js';
import { openedByCode } from '../errors.js';
import { OUTCOMES, provenOf, type Outcome } from '../outcomes.js';
import type { RunFacts, TargetFacts } from '../ports.js';
import { coversServer } from '../selection/covered-servers.js';
import { counted, isReserved, some } from '../wording.js';
import { countOutcomes, formatCounts, settledOutcome } from './settled.js';

export { formatCounts } from './settled.js';

/** How the workflow came to its end, as the workflow itself knows it. */
export interface Ending {
  readonly how: 'finished' | 'refused' | 'braked' | 'cancelled' | 'error';
  readonly code?: string;
  readonly message?: string;
}

export interface Verdict {
  readonly end: RunEnd;
  readonly exitCode: number;
  readonly code?: string;
  /** The verdict in one sentence; an error code opens it. */
  readonly message: string;
}

/** Outcomes that leave a run without proof; `replaced` and `skipped` depend, see `isUnsettled`. */
const UNPROVEN: ReadonlySet<Outcome> = new Set(['unconfirmed', 'failed', 'refused', 'unreachable']);

/**
 * The verdict on a run: end, exit code (the first rule of `design.md` §18 that fits) and one sentence. What came back leaves the
 * code alone, and so does a check that was red before.
 */
export function judgeRun(facts: RunFacts, ending: Ending): Verdict {
  const code = ending.code === undefined ? {} : { code: ending.code };
  const told = openedByCode(ending.code ?? '', ending.message ?? '');
  const standing = facts.targets.length === 0 ? 'nothing was sent' : tallySentence(facts);
  switch (ending.how) {
    case 'braked':
    case 'cancelled':
      return { end: ending.how, exitCode: 4, ...code, message: joined([told, ending.how, standing]) };
    case 'refused':
      return { end: 'refused', exitCode: 3, ...code, message: told === '' ? 'refused, nothing was sent' : told };
    case 'error':
      return { end: 'error', exitCode: 1, ...code, message: joined([told === '' ? 'own error' : told, standing]) };
    case 'finished':
      return { ...judgeFinished(facts), ...code };
  }
}

function judgeFinished(facts: RunFacts): Omit<Verdict, 'code'> {
  const count = facts.targets.length;
  if (facts.run.request.dryRun) {
    return {
      end: 'completed',
      exitCode: 0,
      message: `dry run: ${counted(count, 'task')} would be stopped, nothing was sent`,
    };
  }
  const isOpen =
    facts.targets.some((target) => isUnsettled(target, facts)) ||
    leftOpen(facts).length > 0 ||
    unreadCovered(facts).length > 0 ||
    redAfter(facts).length > 0 ||
    unansweredAfter(facts).length > 0 ||
    compensationsOwed(facts) > 0;
  const message = joined([count === 0 ? nothingSentence(facts) : tallySentence(facts), restSentence(facts)]);
  return isOpen ? { end: 'incomplete', exitCode: 2, message } : { end: 'completed', exitCode: 0, message };
}

/** That all which matched is left (waiting, protected, reserved by another run) is something else than that nothing matched. */
function nothingSentence({ left }: RunFacts): string {
  if (left.length === 0) return 'nothing matched, nothing was sent';
  if (left.every(({ code }) => code === 'ended'))
    return `nothing was sent: what was asked for has ended, ${counted(left.length, 'task')}`;
  return `nothing was sent: what matched is left alone, ${counted(left.length, 'task')} (${left[0]?.why ?? ''})`;
}

/** Tasks that the request meant, that may be at work, and that nobody decided to leave. */
export function leftOpen({ left }: RunFacts): RunFacts['left'] {
  return left.filter(({ code }) => LEFT_FACTS[code].isOpen);
}

/** Servers that the selection covers and that could not be read. */
export function unreadCovered({ run, unreadServers }: RunFacts): RunFacts['unreadServers'] {
  return unreadServers.filter(({ server }) => coversServer(run.request, server));
}

/** Whether the target keeps the run from being done and proven. */
function isUnsettled(target: TargetFacts, { cameBack }: RunFacts): boolean {
  const outcome = settledOutcome(target);
  if (UNPROVEN.has(outcome)) return true;
  const { server, id } = target.target;
  // What replaced it counts as active unless a later look saw it ended.
  if (outcome === 'replaced') return !cameBack.some((task) => task.server === server && task.id === id && !task.active);
  // What another run took between plan and confirm may be at work still; what a floor or a wait protects is decided.
  if (outcome === 'protected') return target.evidence.some(({ what }) => isReserved(what));
  // A person who left a target out knows it; a gate that was never answered does not.
  if (outcome === 'skipped') return !target.evidence.some(({ what }) => what.startsWith('skipped by '));
  return false;
}

/** A check that was red before is not the stop's fault. */
export function redAfter({ checks }: RunFacts): RunFacts['checks'] {
  return checks.filter(({ before, after }) => after === 'red' && before !== 'red');
}

/** Missing data is not health. */
export function unansweredAfter({ checks }: RunFacts): RunFacts['checks'] {
  return checks.filter(({ after }) => after === 'inconclusive' || after === 'notRun');
}

function compensationsOwed({ compensations }: RunFacts): number {
  return compensations.filter(({ state }) => state === 'failed' || state === 'unanswered').length;
}

/** `38 of 40 proven ended · 2 unconfirmed (carte-sh-02)`. */
function tallySentence(facts: RunFacts): string {
  const outcomes = countOutcomes(facts.targets);
  const others = OUTCOMES.flatMap((outcome) => {
    const count = outcomes[outcome] ?? 0;
    if (count === 0 || outcome === 'stopped') return [];
    const servers = facts.targets.filter((one) => settledOutcome(one) === outcome).map(({ target }) => target.server);
    return [`${formatCounts({ [outcome]: count })}${UNPROVEN.has(outcome) ? ` (${few(servers)})` : ''}`];
  });
  return joined([`${provenOf(outcomes)} of ${facts.targets.length} proven ended`, ...others]);
}

function restSentence(facts: RunFacts): string {
  const open = leftOpen(facts);
  const unread = unreadCovered(facts);
  const owed = compensationsOwed(facts);
  return joined([
    open.length === 0 ? '' : `left, and perhaps at work: ${open.length} (${few(open.map(({ server }) => server))})`,
    unread.length === 0 ? '' : `not read: ${few(unread.map(({ server }) => server))}`,
    checksSentence(facts),
    owed > 0 ? `compensations failed or unanswered: ${owed}` : '',
  ]);
}

function checksSentence(facts: RunFacts): string {
  const [red, unanswered] = [redAfter(facts).length, unansweredAfter(facts).length];
  if (red === 0 && unanswered === 0) return facts.checks.length > 0 ? 'no check turned red' : '';
  return joined([
    red > 0 ? `checks that turned red: ${red}` : '',
    unanswered > 0 ? `checks without an answer: ${unanswered}` : '',
  ]);
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ');
}

function few(servers: readonly string[]): string {
  return some([...new Set(servers)], 3);
}
