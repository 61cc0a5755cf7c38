import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { openLedger, type OpenLedger } from '../../../adapters/ledger/ledger.js';
import { keyOf, type PlanDraft, type PlannedTarget, type TargetExtras } from '../../../domain/contracts/plan.js';
import type { Policy } from '../../../domain/contracts/policy.js';
import { parseRequest, type TerminationRequest } from '../../../domain/contracts/request.js';
import type { FrozenPlan } from '../../../domain/ports.js';
import type { TargetKey } from '../../../domain/tasks.js';
import { usePostgres } from '../../support/postgres.js';

/** Aborted by nobody, and listened to by many calls at once. */
export const never = new AbortController().signal;
setMaxListeners(0, never);
/** 2026-01-02T03:04:05.678Z */
export const NOW = 1767323045678;

/** A migrated ledger of the test file, and a connection that looks past it. */
export function useLedger(): {
  readonly url: string;
  readonly ledger: OpenLedger;
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
} {
  const postgres = usePostgres();
  let opened: OpenLedger | undefined;
  let client: pg.Client | undefined;
  beforeAll(async () => {
    opened = await openLedger(postgres.url);
    await opened.migrate(never);
    client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await opened?.close();
  });
  return {
    get url() {
      return postgres.url;
    },
    get ledger() {
      if (opened === undefined) throw new TypeError('the ledger opens in beforeAll');
      return opened;
    },
    async sql(text, values = []) {
      if (client === undefined) throw new TypeError('the connection opens in beforeAll');
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    },
  };
}

export const aRunId = (): string => `INC-${randomBytes(4).toString('hex')}`;

export function aRequest(runId: string, more: Partial<TerminationRequest> = {}): TerminationRequest {
  const request = parseRequest({
    requestId: runId,
    reason: 'ERP source corrupt',
    requestedBy: 'ops-oncall',
    policy: 'contain',
    select: { names: ['*'] },
  });
  return { ...request, ...more };
}

export function aPolicy(more: Partial<Policy> = {}): Policy {
  return {
    name: 'contain',
    waves: ['100%'],
    settleMs: 0,
    confirm: 'count',
    validForMs: 900_000,
    gate: { waitMs: 1_800_000 },
    verify: { withinMs: 60_000, everyMs: 500, lingerMs: 600_000 },
    watchAfterMs: 300_000,
    climb: 'auto',
    snapshot: 'none',
    inFlight: 200,
    floors: [],
    ...more,
  };
}

export function aTarget(server: string, id: string, more: Partial<PlannedTarget> = {}): PlannedTarget {
  return {
    server,
    id,
    name: 'load_orders',
    kind: 'transformation',
    rungs: ['stop', 'rollback'],
    within: 60_000,
    checks: [],
    compensate: null,
    ...more,
  };
}

const EXTRAS: TargetExtras = {
  hasContract: true,
  why: 'name load_orders*',
  sessions: [],
  closesByDetailWhenStopped: false,
};

export interface DraftParts {
  readonly waves: readonly (readonly PlannedTarget[])[];
  readonly groups?: Readonly<Record<string, string>>;
  readonly groupMembers?: ReadonlyMap<string, number>;
}

export function aDraft(runId: string, { waves, groups = {}, groupMembers }: DraftParts): PlanDraft {
  const extras = (target: PlannedTarget): TargetExtras => {
    const group = groups[keyOf(target)];
    return group === undefined ? EXTRAS : { ...EXTRAS, group };
  };
  return {
    plan: {
      schemaVersion: 1,
      runId,
      requestHash: 'sha256:request',
      policyHash: 'sha256:policy',
      estateHash: 'sha256:estate',
      waves: waves.map((targets) => ({ priority: 'low', targets })),
    },
    extras: new Map(waves.flat().map((target) => [keyOf(target), extras(target)])),
    left: [{ server: 'carte-1', id: 'left', name: 'payments', code: 'excepted', why: 'except: name payments' }],
    findings: [{ level: 'info', text: 'one server tells no start times' }],
    notSeen: ['carte-9 could not be read'],
    confirm: 'count',
    ...(groupMembers === undefined ? {} : { groupMembers }),
  };
}

export interface RunParts extends DraftParts {
  readonly policy?: Policy;
  readonly sites?: ReadonlyMap<string, string>;
}

/** A run that has just been opened. */
export async function openedRun(ledger: OpenLedger, runId = aRunId()): Promise<string> {
  await ledger.runs.open({ runId, request: aRequest(runId), requestHash: 'sha256:request', dryRun: false }, NOW, never);
  return runId;
}

/** A run with a frozen plan that waits for its confirm. */
export async function plannedRun(
  ledger: OpenLedger,
  parts: RunParts,
  runId = aRunId(),
): Promise<{ runId: string; plan: FrozenPlan }> {
  await openedRun(ledger, runId);
  const frozen = {
    planHash: `sha256:${runId}`,
    policy: parts.policy ?? aPolicy(),
    at: NOW,
    sites: parts.sites ?? new Map<string, string>(),
  };
  return { runId, plan: await ledger.plans.freeze(runId, aDraft(runId, parts), frozen, never) };
}

/** A run that may send. */
export async function confirmedRun(ledger: OpenLedger, parts: RunParts): Promise<{ runId: string; plan: FrozenPlan }> {
  const run = await plannedRun(ledger, parts);
  await ledger.plans.confirm(run.runId, run.plan.planHash, NOW, never);
  return run;
}

export const stopOf = (target: TargetKey, n = 1) => ({
  target: { server: target.server, id: target.id },
  n,
  rung: 'stop' as const,
});
export const keysOf = (targets: readonly TargetKey[]): string[] => targets.map(({ server, id }) => `${server}/${id}`);

/** Task ids that no other test uses: reservations are for the whole ledger. */
export const someTargets = (count: number, server = 'carte-1'): PlannedTarget[] => {
  const mark = randomBytes(4).toString('hex');
  return Array.from({ length: count }, (_, index) => aTarget(server, `${mark}-${index}`));
};

/** A check of one target; its verdict is the test's to say. */
export const aCheck = {
  name: 'no half batch',
  database: 'warehouse',
  query: 'SELECT 1',
  targets: ['carte-1/1'],
  detail: '',
} as const;
