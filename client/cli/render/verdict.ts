import type { Report, RunResult } from '../../../domain/contracts/report.js';
import { OUTCOME_FACTS, OUTCOMES, type Outcome, provenOf } from '../../../domain/outcomes.js';
import type { Say } from '../texts/index.js';
import { printable, printableLines } from './printable.js';

/** How the run ended, in one line: counts with the servers that need a look, and the checks. */
export function verdictLine(say: Say, result: RunResult, report: Report | undefined): string {
  if (result.planned === 0) {
    const isNothing = result.end === 'completed' && (report?.left ?? []).length === 0;
    return isNothing ? say('verdict.nothing') : printableLines(result.message);
  }
  const parts = [say('progress.proven', { proven: provenOf(result.outcomes), planned: result.planned })];
  for (const outcome of OUTCOMES) {
    const n = result.outcomes[outcome] ?? 0;
    if (n === 0 || outcome === 'stopped') continue;
    const where = OUTCOME_FACTS[outcome].proven ? '' : serversOf(report, outcome);
    parts.push(say('progress.count', { n, outcome: say(`outcome.${outcome}`) }) + (where === '' ? '' : ` (${where})`));
  }
  if (report !== undefined && report.checks.length > 0) {
    const red = report.checks.filter((check) => check.after === 'red' && check.before !== 'red').length;
    parts.push(red === 0 ? say('verdict.checksGreen') : say('verdict.checksRed', { n: red }));
  }
  if (result.end !== 'completed' && result.end !== 'incomplete') parts.push(say(`end.${result.end}`));
  return parts.join(' · ');
}

/** What a person does next after this end. */
export function nextSteps(say: Say, result: RunResult): (readonly [string, string])[] {
  const steps: (readonly [string, string])[] = [[`offboil report ${result.runId}`, say('hint.report')]];
  const open = result.planned - provenOf(result.outcomes) - (result.outcomes.replaced ?? 0);
  if (open > 0 && result.end !== 'refused') steps.push([`offboil retry ${result.runId}`, say('hint.retry')]);
  return steps;
}

const NAMED_SERVERS = 3;

function serversOf(report: Report | undefined, outcome: Outcome): string {
  const all = [...new Set((report?.results ?? []).filter((row) => row.outcome === outcome).map((row) => row.server))];
  const named = all.slice(0, NAMED_SERVERS).map(printable).join(', ');
  return all.length > NAMED_SERVERS ? `${named}, …` : named;
}
