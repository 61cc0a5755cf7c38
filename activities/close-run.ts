import { OffboilError } from '../domain/errors.js';
import type { RunResult } from '../domain/contracts/report.js';
import { provenOf } from '../domain/outcomes.js';
import { buildReport } from '../domain/reporting/build-report.js';
import { countOutcomes } from '../domain/reporting/settled.js';
import { judgeRun, type Ending } from '../domain/reporting/verdict.js';
import { hashOf, type ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

export interface CloseInput {
  readonly runId: string;
  readonly ending: Ending;
}

/** Derives verdict and report from the ledger and closes the run with them, once. A closed run answers as it was closed. */
export async function closeRun(
  deps: ActivityDeps,
  { runId, ending }: CloseInput,
  { signal }: ActivityContext,
): Promise<RunResult> {
  const facts = await deps.ledger.closing.facts(runId, signal);
  if (facts.run.result !== undefined) return facts.run.result;
  const verdict = judgeRun(facts, ending);
  const now = deps.clock.now();
  const outcomes = countOutcomes(facts.targets);
  const policyHash = facts.run.plan === undefined ? {} : { policyHash: hashOf(facts.run.plan.policy) };
  const report = buildReport(facts, verdict, now, policyHash);
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

/** A run that nobody can read. */
export function runUnknown(runId: string): OffboilError {
  return new OffboilError('RUN_UNKNOWN', `There is no run ${runId} in the ledger.`);
}
