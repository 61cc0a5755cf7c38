import type { Progress } from '../../../domain/contracts/messages.js';
import { type Report, reportSchema } from '../../../domain/contracts/report.js';

/** A small finished report; what a test is about is given. */
export function aReport(fields: Partial<Report> = {}): Report {
  return reportSchema.parse({
    schemaVersion: 1,
    runId: 'INC-42',
    end: 'incomplete',
    exitCode: 2,
    message: '1 of 2 proven stopped, 1 unconfirmed.',
    mode: 'graceful',
    policy: 'contain',
    emergency: false,
    reason: 'ERP source corrupt since 02:10',
    actors: [{ role: 'requester', by: 'ops-oncall', assurance: 'asserted', at: '2026-11-24T02:15:00Z' }],
    requestHash: `sha256:${'0'.repeat(64)}`,
    startedAt: '2026-11-24T02:15:00Z',
    finishedAt: '2026-11-24T02:17:00Z',
    targets: 2,
    outcomes: { stopped: 1, unconfirmed: 1 },
    results: [aRow({ id: 'a1', outcome: 'stopped' }), aRow({ id: 'a2', outcome: 'unconfirmed' })],
    left: [],
    bystanders: { total: 0, undisturbed: 0, ended: 0, disturbed: 0, unknown: 0, notSampled: 0, list: [] },
    checks: [],
    compensations: [],
    needsYou: [],
    unread: [],
    notSeen: [],
    cameBack: [],
    timeline: [],
    ...fields,
  });
}

export function aRow(fields: Partial<Report['results'][number]>): Report['results'][number] {
  return {
    server: 'carte-1',
    id: 'a1',
    name: 'load_orders',
    kind: 'job',
    outcome: 'stopped',
    at: '2026-11-24T02:16:00Z',
    requests: 1,
    evidence: [{ at: '2026-11-24T02:16:00Z', what: 'listed as Stopped' }],
    ...fields,
  };
}

export function aProgress(fields: Partial<Progress> = {}): Progress {
  return {
    runId: 'INC-42',
    requestHash: '',
    phase: 'wave',
    wave: 1,
    waves: 2,
    planned: 40,
    requested: 10,
    proven: 5,
    unconfirmed: 0,
    outcomes: { stopped: 5 },
    startedAt: '2026-11-24T02:15:00Z',
    ...fields,
  };
}
