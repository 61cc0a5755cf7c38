import { ERROR_CODES, OffboilError, type ErrorCode } from '../domain/errors.js';
import type { RunResult } from '../domain/contracts/report.js';
import { provenOf } from '../domain/outcomes.js';
import { buildReport } from '../domain/reporting/build-report.js';
import { judgeRun, type Ending } from '../domain/reporting/verdict.js';
import { hashOf, type ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

export interface CloseInput {
  readonly runId: string;
  readonly ending: Ending;
}

/** Derives verdict and report from the ledger and closes the run with them, once. A closed run answers as it was closed. */
export async function closeRun(deps: ActivityDeps, { runId, ending }: CloseInput, { signal }: ActivityContext): Promise<RunResult> {
  const facts = await deps.ledger.closing.facts(runId, signal);
  if (facts.run.result !== undefined) return facts.run.result;
  const verdict = judgeRun(facts, ending);
  const now = deps.clock.now();
  const outcomes = countOutcomes(facts.targets.map(({ outcome }) => outcome));
  const report = buildReport(facts, verdict, now);
  const result: RunResult = {
    schemaVersion: 1,
    runId,
    end: verdict.end,
    exitCode: verdict.exitCode,
    ...(ending.code === undefined ? {} : { code: ending.code }),
    message: verdict.message,
    planned: facts.targets.length,
    outcomes,
    ...(facts.run.plan === undefined ? {} : { planHash: facts.run.plan.planHash }),
    reportDigest: hashOf(report),
  };
  await deps.ledger.runs.close(runId, result, report, now, signal);
  deps.log('info', 'run closed', { runId, end: result.end, exitCode: result.exitCode, proven: provenOf(outcomes) });
  return result;
}

function countOutcomes(outcomes: readonly (keyof RunResult['outcomes'] | undefined)[]): RunResult['outcomes'] {
  const counts: RunResult['outcomes'] = {};
  for (const outcome of outcomes) if (outcome !== undefined) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** Does a failure with this code refuse the run, or is it an own error? */
export function endOfCode(code: string): 'refused' | 'error' {
  return code in ERROR_CODES ? ERROR_CODES[code as ErrorCode].end : 'error'; // `in` proves that it is a key
}

/** A run that nobody can read. */
export function runUnknown(runId: string): OffboilError {
  return new OffboilError('RUN_UNKNOWN', `There is no run ${runId} in the ledger.`);
}
