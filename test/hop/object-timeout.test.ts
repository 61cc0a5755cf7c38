import { afterAll, beforeAll, expect, it } from 'vitest';
import { deafPipeline, type HopServer, startHopServer } from '../../sandbox/hop/harness.js';
import { resultOf } from '../faults/scene.js';
import { usePostgres } from '../support/postgres.js';
import { startSystem } from '../support/system.js';
import { describeOnHop, engineOf, signal } from './scene.js';

/** Hop removes what ended or was stopped once its start is a minute ago; it looks every 20 s. */
describeOnHop('a pipeline that a real Hop Server forgets right after its stop', () => {
  const postgres = usePostgres();
  let server: HopServer;
  beforeAll(async () => {
    server = await startHopServer({ name: 'forgetful', objectTimeoutMinutes: 1 });
  }, 180_000);
  afterAll(() => server.stop());

  it('is unconfirmed: it still runs, and no detail is left that could tell', async () => {
    const deaf = await server.registerPipeline(deafPipeline('deaf', { deafMs: 120_000, startedMinutesAgo: 5 }));
    await server.start(deaf);
    const { url, user, password } = server;
    const system = await startSystem({
      postgres,
      servers: [],
      estate: {
        servers: [{ name: 'forgetful', engine: 'hop', url, user, password, version: '2.16.0' }],
        policies: { patient: { extends: 'quick', verify: { within: '30s' } } },
      },
    });

    const { report } = await system.run({ select: { names: ['deaf'] }, policy: 'patient' });

    expect((await server.status()).tasks).toEqual([]);
    expect((await server.threads()).filter((name) => name.startsWith('deaf - '))).not.toEqual([]);
    expect(report).toMatchObject({ exitCode: 2, outcomes: { unconfirmed: 1 } });
    const gone = engineOf(server).inspect({ server: server.name, ...deaf }, signal);
    await expect(gone).rejects.toMatchObject({ code: 'REPLY_REJECTED' });
    expect(resultOf(report, 'deaf').evidence.at(-1)?.what).toContain('not in the list');
  }, 120_000);
});
