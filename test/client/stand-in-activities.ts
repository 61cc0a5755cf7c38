import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/create-activities.js';
import { hashOf } from '../../activities/deps.js';
import { requestHashOf } from '../../activities/open-run.js';
import type { PlanBrief } from '../../activities/plan-run.js';
import type { ConfirmNeed } from '../../domain/contracts/plan.js';
import { parseRequest, type TerminationRequest } from '../../domain/contracts/request.js';
import type { RunResult } from '../../domain/contracts/report.js';
import { untouchedTally, type Tally } from '../../domain/outcomes.js';
import { aReport, aRow } from '../rules/client/samples.js';

/** A fleet of two tasks behind the real workflows, for tests of what stands before them: client and command line. */
export interface StandIn {
  readonly activities: Activities;
  /** What people did, in order. */
  readonly acts: string[];
  /** Lets a stop that was held go on. */
  readonly release: () => void;
}

export interface StandInOptions {
  readonly confirm?: ConfirmNeed;
  /** Names of the targets that never prove their end. */
  readonly stuck?: readonly string[];
  /** The first stop waits for `release`, so that a test meets the run in its wave. */
  readonly hold?: boolean;
}

const TARGETS = ['a1', 'a2'];
const NEVER = 3_600_000;

export function standIn({ confirm = 'count', stuck = [], hold = false }: StandInOptions = {}): StandIn {
  const acts: string[] = [];
  const runs = new Map<string, { request: TerminationRequest; result?: RunResult }>();
  let release: () => void = () => undefined;
  const released = hold ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve();

  const wanted = (runId: string): string[] => {
    const ids = runs.get(runId)?.request.select?.ids?.map((id) => id.split('/')[1] ?? '');
    return TARGETS.filter((id) => ids?.includes(id) ?? true);
  };
  const after = (runId: string): Tally => {
    const all = wanted(runId);
    const open = all.filter((id) => stuck.includes(id)).length;
    const outcomes = { stopped: all.length - open, ...(open === 0 ? {} : { unconfirmed: open }) };
    return { targets: all.length, requested: all.length, open: 0, late: 0, outcomes };
  };
  const planOf = (runId: string) => ({
    schemaVersion: 1,
    runId,
    requestHash: '',
    policyHash: '',
    estateHash: '',
    waves: [waveOf(runId)],
  });
  const waveOf = (runId: string) => ({
    priority: 'low' as const,
    targets: wanted(runId).map((id) => ({
      server: 'carte-1',
      id,
      name: `load_${id}`,
      kind: 'job' as const,
      rungs: ['stop'],
      within: 1000,
      checks: [],
      compensate: null,
    })),
  });
  const briefOf = (runId: string): PlanBrief => {
    const targets = wanted(runId).length;
    const shards = [{ label: `carte-1 · ${targets} tasks` }];
    return {
      planHash: hashOf(planOf(runId)),
      plannedAt: Date.now(),
      confirm,
      policy: {
        name: 'contain',
        waves: ['100%'],
        settleMs: 0,
        confirm: 'count',
        validForMs: NEVER,
        gate: { waitMs: NEVER },
        verify: { withinMs: 1000, everyMs: 100, lingerMs: 0 },
        watchAfterMs: 0,
        climb: 'auto',
        snapshot: 'none',
        inFlight: 10,
        floors: [],
      },
      waves: [
        {
          priority: 'low',
          targets,
          servers: 1,
          shards,
          tallies: [untouchedTally(targets)],
        },
      ],
      linger: shards,
      left: 1,
      findings: [{ level: 'warning', text: 'a restart cannot be seen on carte-1' }],
      notSeen: ['processes: no engine covers them'],
      hasChecks: false,
      hasCompensations: false,
      hasBystanders: false,
      longestWithinMs: 1000,
    };
  };
  const documents: Record<string, (runId: string) => unknown> = {
    plan: (runId) => ({
      schemaVersion: 1,
      planHash: hashOf(planOf(runId)),
      plan: planOf(runId),
      left: [{ server: 'carte-1', id: 'w1', name: 'load_waiting', why: 'it waits: nothing to stop' }],
      findings: [],
      notSeen: ['processes: no engine covers them'],
      confirm,
      extras: {},
    }),
    request: (runId) => runs.get(runId)?.request,
    report: (runId) => reportOf(runId, runs.get(runId)?.result, wanted(runId), stuck),
    survey: () => ({
      schemaVersion: 1,
      servers: [
        {
          server: 'carte-1',
          askedAt: 0,
          tasks: TARGETS.map((id) => ({
            server: 'carte-1',
            id,
            name: `load_${id}`,
            kind: 'job',
            word: 'Running',
            state: 'active',
            closesBy: 'list',
          })),
        },
        { server: 'carte-2', askedAt: 0, problem: { code: 'SERVER_UNREACHABLE', message: 'no answer' } },
      ],
    }),
  };

  const activities: Activities = {
    openRun: async ({ request, dryRunId, idFromWorkflow }) => {
      const parsed = parseRequest(request, dryRunId === undefined ? idFromWorkflow : 'dry-run');
      const runId = dryRunId ?? parsed.requestId;
      const known = runs.get(runId);
      if (known !== undefined && requestHashOf(known.request) !== requestHashOf(parsed)) {
        throw ApplicationFailure.create({
          type: 'REQUEST_CONFLICT',
          message: 'another request has this id',
          nonRetryable: true,
        });
      }
      runs.set(runId, { ...known, request: parsed });
      return {
        decision: known?.result === undefined ? 'new' : 'finished',
        ...(known?.result === undefined ? {} : { result: known.result }),
        requestHash: requestHashOf(parsed),
        startedAt: '2026-11-24T02:15:00.000Z',
        confirmed: false,
        control: 'go',
        standing: { approvedBy: [] },
        runId,
        request: parsed,
        searchAttributes: [],
      };
    },
    prepareDiscovery: async ({ runId }) => ({ groups: [], policy: briefOf(runId).policy }),
    noteUnread: () => Promise.resolve(),
    giveUpShard: () => Promise.reject(new Error('no shard is given up here')),
    surveyServers: async () => ({ read: 1, unread: 0, tasks: 2 }),
    planRun: async ({ runId }) => briefOf(runId),
    confirmPlan: async () => ({ protected: 0 }),
    readTallies: async ({ runId }) => [[after(runId)]],
    recordAct: async ({ act }) => {
      acts.push('actor' in act ? `${act.kind} by ${act.actor.by}` : act.kind);
    },
    command: async () => undefined,
    skipTargets: async ({ runId }) => ({ skipped: 0, tallies: [[after(runId)]] }),
    notify: async () => undefined,
    checkData: async () => undefined,
    stopShard: async ({ runId }) => {
      await released;
      return { end: 'all', sent: wanted(runId).length, tally: after(runId) };
    },
    verifyShard: async ({ runId }) => ({ due: 0, climbable: {}, tally: after(runId) }),
    lingerShard: async ({ runId }) => ({ due: 0, climbable: {}, tally: after(runId) }),
    compensate: async () => {
      throw new Error('no target has a compensation');
    },
    watchServers: async () => ({ cameBack: 0 }),
    sampleBystanders: async () => undefined,
    lookAfterwards: async () => undefined,
    certifyBystanders: async () => undefined,
    closeRun: async ({ runId, ending }) => {
      const result = resultOf(runId, ending, after(runId));
      const known = runs.get(runId);
      if (known !== undefined) runs.set(runId, { ...known, result });
      return result;
    },
    readPage: async ({ runId, part, page }) => {
      const known = runs.get(runId);
      if (part !== 'survey' && (known === undefined || (part === 'report' && known.result === undefined))) {
        throw ApplicationFailure.create({
          type: 'RUN_UNKNOWN',
          message: `there is no run ${runId}`,
          nonRetryable: true,
        });
      }
      const text = JSON.stringify(documents[part]?.(runId));
      const middle = Math.floor(text.length / 2); // always two pages
      return { pages: 2, digest: hashOf(text), text: page === 0 ? text.slice(0, middle) : text.slice(middle) };
    },
    readSurvey: async ({ runId }) => ({
      runId,
      estateHash: '',
      servers: [
        { server: 'carte-1', product: 'Carte', version: '9.4', tasks: 2, active: 2 },
        { server: 'carte-2', problem: { code: 'SERVER_UNREACHABLE', message: 'no answer' } },
      ],
    }),
    identifyEstate: async () => ({ estateHash: '', worker: 'stand-in' }),
    listRuns: async () =>
      [...runs].map(([runId, { request, result }]) => ({
        runId,
        startedAt: '2026-11-24T02:15:00.000Z',
        ...(result === undefined ? {} : { end: result.end, exitCode: result.exitCode }),
        requestedBy: request.requestedBy,
        reason: request.reason,
        planned: 2,
      })),
  };
  return {
    activities,
    acts,
    release: () => {
      release();
    },
  };
}

type Ending = Parameters<Activities['closeRun']>[0]['ending'];

function resultOf(runId: string, ending: Ending, tally: Tally): RunResult {
  const base = { schemaVersion: 1, runId, planned: tally.targets, outcomes: tally.outcomes } as const;
  const { how, code, message } = ending;
  if (how !== 'finished') {
    const exitCode = how === 'refused' ? 3 : how === 'error' ? 1 : 4;
    return {
      ...base,
      end: how,
      exitCode,
      ...(code === undefined ? {} : { code }),
      message: message ?? `${how} by hand`,
    };
  }
  const open = tally.outcomes.unconfirmed ?? 0;
  return open === 0
    ? { ...base, end: 'completed', exitCode: 0, message: 'all proven stopped' }
    : { ...base, end: 'incomplete', exitCode: 2, message: `${open} unconfirmed` };
}

function reportOf(
  runId: string,
  result: RunResult | undefined,
  ids: readonly string[],
  stuck: readonly string[],
): unknown {
  return aReport({
    runId,
    ...(result === undefined
      ? {}
      : {
          end: result.end,
          exitCode: result.exitCode,
          message: result.message,
          targets: result.planned,
          outcomes: result.outcomes,
        }),
    results: ids.map((id) => aRow({ id, name: `load_${id}`, outcome: stuck.includes(id) ? 'unconfirmed' : 'stopped' })),
  });
}
