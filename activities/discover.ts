import pLimit from 'p-limit';
import type { Estate, ServerEntry } from '../domain/contracts/estate.js';
import type { Policy } from '../domain/contracts/policy.js';
import { type ErrorCode, OffboilError } from '../domain/errors.js';
import { resolvePolicy } from '../domain/planning/policies.js';
import type { ServerObservation } from '../domain/ports.js';
import type { TerminationRequest } from '../domain/contracts/request.js';
import { checkSelection } from '../domain/selection/check-selection.js';
import { coversServer } from '../domain/selection/covered-servers.js';
import { asksForStarts, startsUnknown } from '../domain/selection/select-tasks.js';
import type { ObservedTask, TaskDetail } from '../domain/tasks.js';
import { reasonOf } from './look-at-server.js';
import type { ActivityDeps } from './deps.js';
import type { ActivityContext } from './shard-deps.js';

/** Activities for one look over all servers: each costs about 10 ms, each reads its servers side by side. */
const MOST_GROUPS = 16;
const LISTS_AT_ONCE = 64;
/** A look over all servers leaves one alone after so many lists without an answer. */
const LISTS_WITHOUT_ANSWER = 3;
const BETWEEN_LISTS_MS = 500;

export type SurveyPhase = 'discovery' | 'after' | 'watch';

/** Servers that one activity looks at: all of one site. */
export interface ServerGroup {
  readonly site?: string;
  readonly servers: number;
}

export interface SurveyKey {
  readonly runId: string;
  readonly phase: SurveyPhase;
  readonly group: number;
}

/**
 * Ties the run to the estate file as it is now (or to the one it already has) and checks what the request asks of it.
 * @throws OffboilError `ESTATE_INVALID`, `POLICY_UNKNOWN`, `REQUEST_INVALID`
 */
export async function prepareDiscovery(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<{ readonly groups: readonly ServerGroup[]; readonly policy: Policy }> {
  const { request } = await deps.ledger.runs.read(runId, signal);
  const current = await deps.estates.current();
  const { estate } = await deps.ledger.runs.adoptEstate(runId, current.hash, current.estate, signal);
  const policy = resolvePolicy(request.policy, estate);
  checkSelection(request, estate);
  const groups = await groupsOf(deps, runId, signal);
  return {
    groups: groups.map(({ site, servers }) => ({ ...(site === undefined ? {} : { site }), servers: servers.length })),
    policy,
  };
}

/** Lists the servers of one group, side by side, each at most three times, and writes what was seen. */
export async function surveyServers(
  deps: ActivityDeps,
  key: SurveyKey,
  { signal }: ActivityContext,
): Promise<{ readonly read: number; readonly unread: number; readonly tasks: number }> {
  const group = (await groupsOf(deps, key.runId, signal))[key.group];
  if (group === undefined) return { read: 0, unread: 0, tasks: 0 };
  const atOnce = pLimit(LISTS_AT_ONCE);
  const seen = await Promise.all(
    group.servers.map((server) =>
      atOnce(async () => {
        const seen = await observe(deps, group.estateHash, server, signal);
        const observation = key.phase === 'discovery' ? await readStarts(deps, group, server, seen, signal) : seen;
        await deps.ledger.plans.observe(key.runId, key.phase, observation, signal);
        return observation;
      }),
    ),
  );
  const read = seen.filter(({ tasks }) => tasks !== undefined);
  return {
    read: read.length,
    unread: seen.length - read.length,
    tasks: read.reduce((sum, { tasks }) => sum + (tasks?.length ?? 0), 0),
  };
}

/** Notes of the servers of a group that nobody could look at them, unless somebody has. */
export async function noteUnread(
  deps: ActivityDeps,
  { code, why, ...key }: SurveyKey & { readonly code: ErrorCode; readonly why: string },
  { signal }: ActivityContext,
): Promise<void> {
  const group = (await groupsOf(deps, key.runId, signal))[key.group];
  const seen = new Set(
    (await deps.ledger.plans.observations(key.runId, key.phase, signal)).map(({ server }) => server),
  );
  for (const { name: server } of group?.servers ?? []) {
    if (seen.has(server)) continue;
    const problem = { code, message: why };
    await deps.ledger.plans.observe(key.runId, key.phase, { server, askedAt: deps.clock.now(), problem }, signal);
  }
}

/** One look at one server. Never throws for what the server did: that is what was observed. */
export async function observe(
  deps: Pick<ActivityDeps, 'clock' | 'estates'>,
  estateHash: string,
  server: ServerEntry,
  signal: AbortSignal,
): Promise<ServerObservation> {
  let askedAt = deps.clock.now();
  for (let tries = 1; ; tries += 1) {
    askedAt = deps.clock.now();
    try {
      const engine = deps.estates.engine(estateHash, server);
      const tasks = await engine.list(signal);
      return { server: server.name, askedAt, tasks, info: await engine.probe(signal) };
    } catch (error) {
      signal.throwIfAborted();
      const { code, why } = reasonOf(error);
      const isFinal =
        error instanceof OffboilError &&
        ['AUTH_REFUSED', 'VERSION_UNKNOWN', 'SECRET_UNRESOLVED', 'REPLY_TOO_LARGE'].includes(error.code);
      if (isFinal || tries >= LISTS_WITHOUT_ANSWER)
        return { server: server.name, askedAt, problem: { code, message: why } };
      await deps.clock.sleep(BETWEEN_LISTS_MS, signal);
    }
  }
}

/** So long a server is asked when its tasks started; who has no start then is named as that. */
const STARTS_MS = 10_000;

/**
 * Where the start of a task stands in its log alone, and the request asks since when it runs: the details of those tasks that
 * nothing else decides, one after the other. A detail that cannot be read leaves its task without a start.
 */
async function readStarts(
  deps: ActivityDeps,
  { request, estate, estateHash }: Group,
  server: ServerEntry,
  seen: ServerObservation,
  signal: AbortSignal,
): Promise<ServerObservation> {
  const { tasks } = seen;
  if (tasks === undefined || !asksForStarts(request)) return seen;
  const unknown = startsUnknown(request, estate, seen, deps.clock.now());
  if (unknown.size === 0) return seen;
  const engine = deps.estates.engine(estateHash, server);
  const until = deps.clock.monotonic() + STARTS_MS;
  const read: ObservedTask[] = [];
  for (const task of tasks) {
    const isAsked = unknown.has(task.id) && deps.clock.monotonic() < until;
    const detail = isAsked ? await engine.inspect(task, signal).catch(() => undefined) : undefined;
    signal.throwIfAborted();
    read.push({ ...task, ...startOf(detail) });
  }
  return { ...seen, tasks: read };
}

function startOf(detail: TaskDetail | undefined): Pick<ObservedTask, 'startedAtMs' | 'startedBeforeMs'> {
  if (detail?.startedAtMs !== undefined) return { startedAtMs: detail.startedAtMs };
  return detail?.startedBeforeMs === undefined ? {} : { startedBeforeMs: detail.startedBeforeMs };
}

interface Group {
  readonly site?: string;
  readonly servers: readonly ServerEntry[];
  readonly request: TerminationRequest;
  readonly estate: Estate;
  readonly estateHash: string;
}

/** The servers to look at, in groups of one site each; the same on every worker, since the estate is frozen. */
async function groupsOf(deps: ActivityDeps, runId: string, signal: AbortSignal): Promise<Group[]> {
  const { request, estate, estateHash } = await deps.ledger.runs.read(runId, signal);
  if (estate === undefined || estateHash === undefined) {
    throw new OffboilError('RUN_UNKNOWN', `Run ${runId} has no estate yet; nothing was sent.`);
  }
  const servers = needsAll(request, estate)
    ? estate.servers
    : estate.servers.filter(({ name }) => coversServer(request, name));
  const sites = new Map<string | undefined, ServerEntry[]>();
  for (const server of servers) {
    const own = sites.get(server.site);
    if (own === undefined) sites.set(server.site, [server]);
    else own.push(server);
  }
  const perGroup = Math.max(1, Math.ceil(servers.length / Math.max(1, MOST_GROUPS - sites.size)));
  return [...sites].flatMap(([site, own]) =>
    Array.from({ length: Math.ceil(own.length / perGroup) }, (_, index) => ({
      ...(site === undefined ? {} : { site }),
      servers: own.slice(index * perGroup, (index + 1) * perGroup),
      request,
      estate,
      estateHash,
    })),
  );
}

/** Floors and shares count over the whole estate, and a rollback must know who else could own a session. */
function needsAll(
  request: Parameters<typeof coversServer>[0] & { readonly policy: string; readonly mode: string },
  estate: Estate,
): boolean {
  const policy = resolvePolicy(request.policy, estate);
  return policy.floors.length > 0 || policy.budget?.share !== undefined || request.mode !== 'graceful';
}
