import type { Report } from '../contracts/report.js';
import type { RunFacts, TargetFacts } from '../ports.js';
import { needsYou } from './needs-you.js';
import { countOutcomes, settledOutcome } from './settled.js';
import { unreadCovered, type Verdict } from './verdict.js';

/**
 * The report of a run, derived from the ledger's facts: outcomes add up to the targets, and of the bystanders undisturbed,
 * ended, disturbed and unknown add up to all.
 * @param now when the run is closed, milliseconds since 1970 UTC
 * @param hashes what the facts do not carry
 */
export function buildReport(
  facts: RunFacts,
  verdict: Verdict,
  now: number,
  hashes: { readonly policyHash?: string } = {},
): Report {
  const { run } = facts;
  const { request, estateHash, plan } = run;
  return {
    schemaVersion: 1,
    runId: run.runId,
    end: verdict.end,
    exitCode: verdict.exitCode,
    ...(verdict.code === undefined ? {} : { code: verdict.code }),
    message: verdict.message,
    mode: request.mode,
    policy: request.policy,
    emergency: request.emergency,
    reason: request.reason,
    ...(request.ticket === undefined ? {} : { ticket: request.ticket }),
    actors: [...facts.actors],
    requestHash: run.requestHash,
    ...(plan === undefined ? {} : { planHash: plan.planHash }),
    ...(hashes.policyHash === undefined ? {} : { policyHash: hashes.policyHash }),
    ...(estateHash === undefined ? {} : { estateHash }),
    startedAt: run.startedAt,
    finishedAt: iso(now),
    targets: facts.targets.length,
    outcomes: countOutcomes(facts.targets),
    results: facts.targets.map((target) => resultOf(target, now)),
    left: facts.left.map(({ server, id, name, code, why }) => ({ server, id, name, code, why })),
    bystanders: certificateOf(facts.bystanders),
    checks: [...facts.checks],
    compensations: [...facts.compensations],
    needsYou: needsYou(facts),
    unread: [...unreadCovered(facts)],
    notSeen: [...facts.notSeen],
    cameBack: facts.cameBack.map(({ server, id, name, why }) => ({ server, id, name, why })),
    timeline: facts.timeline
      .toSorted((a, b) => a.at - b.at)
      .map(({ at, what, by }) => ({ at: iso(at), what, ...(by === undefined ? {} : { by }) })),
  };
}

function resultOf(facts: TargetFacts, now: number): Report['results'][number] {
  const { server, id, name, kind } = facts.target;
  return {
    server,
    id,
    name,
    kind,
    outcome: settledOutcome(facts),
    ...(facts.late ? { late: true } : {}),
    at: iso(facts.at ?? now),
    requests: facts.requests,
    ...(facts.rung === undefined ? {} : { rung: facts.rung }),
    evidence: facts.evidence.map(({ at, what }) => ({ at: iso(at), what })),
    ...(facts.outcome === undefined ? { note: 'the run closed before this target had an outcome' } : {}),
  };
}

function certificateOf(list: RunFacts['bystanders']): Report['bystanders'] {
  const count = (verdict: RunFacts['bystanders'][number]['verdict']): number =>
    list.filter((one) => one.verdict === verdict).length;
  return {
    total: list.length,
    undisturbed: count('undisturbed'),
    ended: count('ended'),
    disturbed: count('disturbed'),
    unknown: count('unknown'),
    notSampled: list.filter(({ sampled }) => !sampled).length,
    list: [...list],
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
