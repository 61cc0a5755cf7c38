import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem, type System } from '../support/system.js';

const AUTHORIZATION = `Basic ${Buffer.from('cluster:cluster').toString('base64')}`;

/** Asks a server as a person with a browser or curl does. */
async function byHand(
  system: System,
  server: string,
  call: string,
  { id, name }: { id: string; name: string },
): Promise<string> {
  const url = system.fleet.servers.find((one) => one.name === server)?.url ?? '';
  const query = new URLSearchParams({ xml: 'Y', id, name });
  return (await fetch(`${url}/${call}/?${query.toString()}`, { headers: { authorization: AUTHORIZATION } })).text();
}

/** Log tails that the ledger keeps, by the task's name. */
async function keptLogs(system: System): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: system.ledgerUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; log: string }>(
      `SELECT t.planned ->> 'name' AS name, s.detail ->> 'logTail' AS log FROM snapshots s JOIN targets t USING (run_id, server, id)`,
    );
    return new Map(rows.map(({ name, log }) => [name, log]));
  } finally {
    await client.end();
  }
}

describe('the log of a task', () => {
  const postgres = usePostgres();

  it('is kept before its stop, where stop and remove by hand lose it', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('by-hand', [aTask('load_theirs')]), aServer('by-offboil', [aTask('load_ours')])],
    });
    const tasks = await system.fleet.tasks();
    const taskOf = (name: string): { id: string; name: string } => ({
      id: tasks.find((task) => task.name === name)?.id ?? '',
      name,
    });
    const [theirs, ours] = [taskOf('load_theirs'), taskOf('load_ours')];

    for (const call of ['stopTrans', 'removeTrans']) await byHand(system, 'by-hand', call, theirs);
    await system.run({ policy: 'quick-careful', select: { servers: ['by-offboil'] } });
    await byHand(system, 'by-offboil', 'removeTrans', ours);

    for (const [server, task] of [
      ['by-hand', theirs],
      ['by-offboil', ours],
    ] as const) {
      expect(await byHand(system, server, 'transStatus', task)).not.toContain('logging_string');
    }
    const kept = await keptLogs(system);
    expect([...kept.keys()]).toEqual(['load_ours']);
    expect(kept.get('load_ours')).toContain('load_ours');
  });
});
