import { keyOf } from '../domain/contracts/plan.js';
import type { BystanderVerdict } from '../domain/contracts/report.js';
import type { RunRecord } from '../domain/ports.js';
import type { TaskDetail } from '../domain/tasks.js';
import type { ActivityDeps } from './deps.js';

/** At most so many details a server, all at once: what is asked must not load it (`design.md` §9). */
const PER_SERVER = 20;
const WITHIN_MS = 5000;

/**
 * From PDI 7.1 on a list says `Finished` of what ended and of what was stopped: only the detail tells the two apart. So a
 * bystander that has ended is asked for it. One that cannot be asked, or stands in a site of its own where only that site's
 * workers reach it, is left out.
 */
export async function askEnded(
  deps: Pick<ActivityDeps, 'estates'>,
  { estate, estateHash }: Pick<RunRecord, 'estate' | 'estateHash'>,
  verdicts: readonly BystanderVerdict[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TaskDetail>> {
  const details = new Map<string, TaskDetail>();
  if (estateHash === undefined) return details;
  const ended = verdicts.filter(({ verdict }) => verdict === 'ended');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)]);
  const asked = (estate?.servers ?? [])
    .filter(({ site }) => site === undefined)
    .flatMap((server) =>
      ended
        .filter((one) => one.server === server.name)
        .slice(0, PER_SERVER)
        .map(async (one) => {
          const detail = await deps.estates.engine(estateHash, server).inspect(one, limit);
          details.set(keyOf(one), detail);
        }),
    );
  await Promise.allSettled(asked);
  signal.throwIfAborted();
  return details;
}
