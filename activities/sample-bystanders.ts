import pLimit from 'p-limit';
import { keyOf } from '../domain/contracts/plan.js';
import { withDeadline } from '../domain/deadline.js';
import type { BystanderSample, ServerObservation } from '../domain/ports.js';
import { sampleOf } from '../domain/reporting/bystanders.js';
import type { TaskRef } from '../domain/tasks.js';
import type { ActivityDeps } from './deps.js';
import { byServer } from './look-at-server.js';
import type { ActivityContext } from './shard-deps.js';

/** At most so many details a server (`design.md` §9). */
const PER_SERVER = 20;
const SERVERS_AT_ONCE = 64;
/** A server that is slow is sampled less, and holds up no report. */
const WITHIN_MS = 5000;

/** Touched servers of one site; `site` absent: those without. */
export interface SampleKey {
  readonly runId: string;
  readonly site?: string;
}

/** Rows and errors of at most 20 non-targets a server, beside the first requests; what cannot be read stays unsampled. */
export async function sampleBystanders(
  deps: ActivityDeps,
  { runId, site }: SampleKey,
  { signal }: ActivityContext,
): Promise<void> {
  const { plan } = await deps.ledger.runs.read(runId, signal);
  const servers = plan?.linger.filter((group) => group.site === site).flatMap((group) => group.servers) ?? [];
  const tasks = await deps.ledger.closing.bystanders(runId, servers, PER_SERVER, signal);
  await sample(deps, runId, 'before', tasks, signal);
}

/**
 * The second sample, as a whole again at most 20 a server. First who has ended: from PDI 7.1 on a list says `Finished` of what
 * ended and of what was stopped, and only the detail tells the two apart. Then who was sampled before.
 */
export async function sampleAgain(
  deps: ActivityDeps,
  runId: string,
  seen: readonly ServerObservation[],
  signal: AbortSignal,
): Promise<void> {
  const { closing } = deps.ledger;
  const before = new Set((await closing.samples(runId, 'before', signal)).map(keyOf));
  const ended = new Set(
    seen.flatMap(({ tasks = [] }) => tasks.filter(({ state }) => state === 'ended').map((task) => keyOf(task))),
  );
  const servers = seen.map(({ server }) => server);
  const bystanders = await closing.bystanders(runId, servers, undefined, signal);
  const hasEnded = (task: TaskRef): boolean => ended.has(keyOf(task));
  const due = [
    ...bystanders.filter(hasEnded),
    ...bystanders.filter((task) => !hasEnded(task) && before.has(keyOf(task))),
  ];
  await sample(deps, runId, 'after', due, signal);
}

/** One detail at a time of each server, so that a stop beside it never waits for a connection. */
async function sample(
  deps: ActivityDeps,
  runId: string,
  phase: 'before' | 'after',
  tasks: readonly TaskRef[],
  signal: AbortSignal,
): Promise<void> {
  if (tasks.length === 0) return;
  const { ledger, clock, shard } = deps;
  const scene = await shard.scene(runId, signal);
  const samples: BystanderSample[] = [];
  const ask = async (task: TaskRef, limit: AbortSignal): Promise<void> => {
    const detail = await scene.server(task.server).engine.inspect(task, limit);
    const { server, id } = task;
    samples.push({ server, id, at: clock.now(), ...sampleOf(detail) });
  };
  const work = async (limit: AbortSignal): Promise<void> => {
    const atOnce = pLimit(SERVERS_AT_ONCE);
    const asking = [...byServer(tasks).values()].map((own) =>
      atOnce(async () => {
        for (const task of own.slice(0, PER_SERVER)) {
          if (limit.aborted) return;
          await ask(task, limit).catch(() => undefined); // not sampled, and the certificate says so
        }
      }),
    );
    await Promise.all(asking);
  };
  await withDeadline(clock, WITHIN_MS, signal, work).catch(() => undefined); // who was not reached is not sampled
  signal.throwIfAborted();
  await ledger.closing.recordSamples(runId, phase, [...samples], signal);
}
