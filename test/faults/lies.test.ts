import { expect, it } from 'vitest';
import { OUTCOME_FACTS } from '../../domain/outcomes.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { idsOf } from './scene.js';

const postgres = usePostgres();

/** A stopped task of these servers goes on for longer than anybody waits, so whatever ends it in a list is a lie. */
const LONG = { settleMs: 600_000 };

async function liars(): Promise<System> {
  return startSystem({
    postgres,
    servers: [
      aServer('honest', [aTask('load_honest_{n}', { count: 20 })]),
      aServer('deaf', [aTask('load_deaf_{n}', { count: 60, traits: { ignoresStop: true } })]),
      aServer('stuck', [aTask('load_stuck_{n}', { count: 40, traits: { haltsForever: true } })]),
      aServer('forgetful', [aTask('load_forgotten_{n}', { count: 40, ...LONG })]),
      aServer('restless', [aTask('load_restarted_{n}', { count: 20, ...LONG })]),
      aServer('behind-a-login', [aTask('load_hidden_{n}', { count: 20, ...LONG })]),
      aServer(
        'childish',
        [aTask('load_parent_{n}', { count: 20, kind: 'job', traits: { child: { rowsFlow: true } } })],
        {
          personality: '5.4',
        },
      ),
    ],
    estate: { policies: { brief: { extends: 'quick', verify: { within: '5s' } } } },
  });
}

it('of 200 tasks that their servers call requested, stopped or gone while they go on, none is reported ended', async () => {
  const system = await liars();
  const forgotten = (await system.fleet.tasks()).filter(({ server }) => server === 'forgetful').map(({ id }) => id);
  const restarted = (await system.fleet.tasks()).filter(({ server }) => server === 'restless').map(({ id }) => id);
  const handle = await system.start({ policy: 'brief' });
  await eventually(async () => expect((await system.stops()).length).toBeGreaterThanOrEqual(220));
  await system.fleet.fault('forgetful', 'shrink', { ids: forgotten });
  for (const id of restarted) await system.fleet.replaceTask('restless', id, 'restart');
  await system.fleet.fault('behind-a-login', 'html200');

  await handle.result();
  const { results, exitCode } = await handle.report();

  const alive = new Set((await system.fleet.tasks()).filter(({ threads }) => threads > 0).map(({ id }) => id));
  expect(alive.size).toBe(200);
  const proven = results.filter(({ outcome }) => OUTCOME_FACTS[outcome].proven);
  expect(proven.filter(({ id }) => alive.has(id))).toEqual([]);
  expect(proven).toHaveLength(20);
  expect(await idsOf(system, 'load_honest_1')).toEqual(
    proven.filter(({ name }) => name === 'load_honest_1').map(({ id }) => id),
  );
  expect(exitCode).toBe(2);
}, 60_000);
