/** A wave has about so many shards: each costs an activity, about 10 ms of CPU. */
const SHARDS_PER_WAVE = 16;
/** Below about one chunk a shard is not worth an activity of its own. */
const WORTHWHILE = 50;

export interface ShardShape {
  readonly site?: string;
  readonly targets: number;
  readonly servers: readonly string[];
}

/**
 * Groups the servers of a wave: never two sites in one shard, each site's servers split so that shards are balanced by targets.
 * @param counts targets per server, in the order of the plan
 */
export function shardsOf(counts: ReadonlyMap<string, number>, sites: ReadonlyMap<string, string>): ShardShape[] {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const bySite = new Map<string | undefined, [server: string, count: number][]>();
  for (const [server, count] of counts) {
    const site = sites.get(server);
    const members = bySite.get(site) ?? [];
    members.push([server, count]);
    bySite.set(site, members);
  }
  return [...bySite].flatMap(([site, members]) => {
    const targets = members.reduce((sum, [, count]) => sum + count, 0);
    const wanted = Math.min(
      members.length,
      Math.floor((SHARDS_PER_WAVE * targets) / total),
      Math.ceil(targets / WORTHWHILE),
    );
    return balanced(members, Math.max(1, wanted)).map((shard) => ({
      ...(site === undefined ? {} : { site }),
      ...shard,
    }));
  });
}

/** Largest server first, each to the shard that has least. */
function balanced(
  members: readonly [server: string, count: number][],
  shards: number,
): { targets: number; servers: string[] }[] {
  const made = Array.from({ length: shards }, () => ({ targets: 0, servers: [] as string[] }));
  for (const [server, count] of [...members].sort(([, a], [, b]) => b - a)) {
    const least = made.reduce((best, shard) => (shard.targets < best.targets ? shard : best));
    least.targets += count;
    least.servers.push(server);
  }
  return made;
}
