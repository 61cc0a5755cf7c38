import { estateSchema, type Estate } from '../../domain/contracts/estate.js';
import { keyOf } from '../../domain/contracts/plan.js';
import { requestSchema, type TerminationRequest } from '../../domain/contracts/request.js';
import { makePlan, type PlanInput } from '../../domain/planning/make-plan.js';
import { resolvePolicy } from '../../domain/planning/policies.js';
import type { RunFacts, ServerObservation, TargetFacts } from '../../domain/ports.js';
import type { EngineInfo, ObservedTask, Rung } from '../../domain/tasks.js';
import type { z } from 'zod';

type EstateInput = z.input<typeof estateSchema>;

/** An estate of Carte servers `carte-1` to `carte-3` without contracts, save what is given. */
export function anEstate(input: Partial<EstateInput> = {}): Estate {
  const servers = ['carte-1', 'carte-2', 'carte-3'].map((name) => ({
    name,
    engine: 'carte' as const,
    url: `http://${name}/kettle`,
  }));
  return estateSchema.parse({ servers, ...input });
}

export function aRequest(input: Partial<z.input<typeof requestSchema>> = {}): TerminationRequest {
  const scope = input.everything === true ? {} : { select: { names: ['load_*'] } };
  return requestSchema.parse({
    requestId: 'R-1',
    reason: 'test',
    requestedBy: 'ann',
    policy: 'contain',
    ...scope,
    ...input,
  });
}

let count = 0;

/** An active transformation on carte-1 with an id of its own. */
export function aTask(input: Partial<ObservedTask> = {}): ObservedTask {
  count += 1;
  return {
    server: 'carte-1',
    id: `id-${count}`,
    name: 'load_orders',
    kind: 'transformation',
    word: 'Running',
    state: 'active',
    closesBy: 'list',
    ...input,
  };
}

export function anInfo(input: Partial<EngineInfo> = {}): EngineInfo {
  return {
    product: 'Carte',
    version: '9.4',
    dialect: '9.4',
    source: 'measured',
    rungs: ['safe', 'stop'],
    start: 'list',
    stopReachesChildren: true,
    remarks: [],
    ...input,
  };
}

/** Read lists of the servers that the tasks name. */
export function seen(tasks: readonly ObservedTask[], info: Partial<EngineInfo> = {}): ServerObservation[] {
  const servers = new Set(['carte-1', ...tasks.map(({ server }) => server)]);
  return [...servers].map((server) => ({
    server,
    askedAt: 1_000_000,
    info: anInfo(info),
    tasks: tasks.filter((task) => task.server === server),
  }));
}

export function unread(server: string): ServerObservation {
  return { server, askedAt: 1_000_000, problem: { code: 'SERVER_TIMEOUT', message: 'no answer within 10 s' } };
}

export function aPlan(tasks: readonly ObservedTask[], input: Partial<PlanInput> = {}): ReturnType<typeof makePlan> {
  const request = input.request ?? aRequest();
  const estate = input.estate ?? anEstate();
  return makePlan({
    runId: 'R-1',
    requestHash: 'r',
    policyHash: 'p',
    estateHash: 'e',
    request,
    estate,
    policy: resolvePolicy(request.policy, estate),
    observations: seen(tasks),
    reserved: new Map(),
    now: 1_000_000,
    ...input,
  });
}

/** Keys of all targets, in order. */
export function targetsOf({ plan }: ReturnType<typeof makePlan>): string[] {
  return plan.waves.flatMap(({ targets }) => targets.map(keyOf));
}

type AnyTargetFacts = Omit<Partial<TargetFacts>, 'target'> & { readonly target?: Partial<TargetFacts['target']> };

/** A target that was stopped. */
export function aTarget({ target, ...input }: AnyTargetFacts = {}): TargetFacts {
  count += 1;
  const rungs: [Rung] = ['stop'];
  return {
    wave: 1,
    outcome: 'stopped',
    late: false,
    at: 2_000_000,
    requests: 1,
    evidence: [{ at: 2_000_000, what: 'listed as Stopped' }],
    ...input,
    target: {
      server: 'carte-1',
      id: `id-${count}`,
      name: 'load_orders',
      kind: 'transformation',
      rungs,
      within: 60_000,
      checks: [],
      compensate: null,
      hasContract: true,
      why: 'name load_*',
      sessions: [],
      closesByDetailWhenStopped: false,
      ...target,
    },
  };
}

export function someFacts({
  run,
  ...input
}: Partial<Omit<RunFacts, 'run'>> & { readonly run?: Partial<RunFacts['run']> } = {}): RunFacts {
  return {
    targets: [],
    left: [],
    notSeen: [],
    unreadServers: [],
    actors: [],
    checks: [],
    compensations: [],
    bystanders: [],
    cameBack: [],
    timeline: [],
    ...input,
    run: {
      runId: 'R-1',
      request: aRequest(),
      requestHash: 'r',
      startedAt: '2026-01-01T00:00:00.000Z',
      estate: anEstate(),
      ...run,
    },
  };
}
