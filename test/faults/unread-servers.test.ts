import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import type { ErrorCode } from '../../client/index.js';
import type { FaultKind, FaultOptions } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem, type EstateParts, type System } from '../support/system.js';
import { expectOnlyStopped } from './scene.js';

/** Time enough to read as much as Offboil reads at most. */
const PATIENT = { limits: { perServer: 4, timeout: '30s' } };

/** Two servers: one that works, and one that does not when the run looks at it first. */
describe('a server that cannot be read when the run begins', () => {
  const postgres = usePostgres();
  const aSystem = (entry: EstateParts = { limits: { perServer: 4, timeout: '300ms' } }): Promise<System> =>
    startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_good_{n}', { count: 3 })]),
        aServer('carte-2', [aTask('load_lost_{n}', { count: 2 }), aTask('crm')]),
      ],
      entries: { 'carte-2': entry },
    });

  const cases: readonly [string, FaultKind, FaultOptions, ErrorCode, RegExp, EstateParts?][] = [
    ['is down', 'down', {}, 'SERVER_UNREACHABLE', /carte-2.*(refused|reach|connect)/i],
    ['accepts and never answers', 'hang', {}, 'SERVER_TIMEOUT', /carte-2.*300 ms/],
    ['resets each connection', 'reset', {}, 'SERVER_UNREACHABLE', /carte-2/],
    ['answers 200 with a login page', 'html200', {}, 'REPLY_NOT_CARTE', /carte-2.*(HTML|not Carte|no Carte|page)/i],
    ["answers with a proxy's 502 page", 'html502', {}, 'REPLY_NOT_CARTE', /carte-2.*(502|HTML)/i],
    ['cuts its list in the middle', 'cut', {}, 'REPLY_INCOMPLETE', /carte-2/],
    ['sends a list without end', 'oversized', {}, 'REPLY_TOO_LARGE', /carte-2.*more bytes/, PATIENT],
    ['lets its list drip', 'slowDrip', { ms: 20 }, 'SERVER_TIMEOUT', /carte-2.*300 ms/],
    ['answers its list with 500 each time', 'status500Once', { times: 1000 }, 'REPLY_NOT_CARTE', /carte-2.*500/],
    ['refuses the password', 'unauthorised', {}, 'AUTH_REFUSED', /carte-2.*(password|401)/i],
  ];
  for (const [what, kind, options, code, says, entry] of cases) {
    it(
      `${what}: is named as not seen with the code of why, gets no stop, and keeps the run from a success`,
      { timeout: 90_000 },
      async () => {
        const system = await aSystem(entry);
        await system.fleet.fault('carte-2', kind, options);

        const { result, report } = await system.run({});

        expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, planned: 3, outcomes: { stopped: 3 } });
        expect(result.message).toContain('not read: carte-2');
        expect(report.notSeen.join('\n')).toMatch(says);
        expect(report.notSeen.join('\n')).toContain(`carte-2 (${code}): `);
        expect(report.needsYou.join('\n')).toContain(`carte-2 was not read (${code}), `);
        expect(report.results.every(({ server }) => server === 'carte-1')).toBe(true);
        await expectOnlyStopped(system, report.results);
      },
    );
  }

  it('and is declared as a version that nobody knows: is left alone, with the reason', async () => {
    const system = await aSystem({ version: '12.7' });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { stopped: 3 } });
    expect(report.notSeen.join('\n')).toContain(
      'carte-2 (VERSION_UNKNOWN): carte-2 is declared as version 12.7, and Offboil knows Carte from 4.4 to 11',
    );
    await expectOnlyStopped(system, report.results);
  });

  it('and is declared as a version that its list contradicts: is left alone, with the reason', async () => {
    const system = await aSystem({ version: '5.4.0' });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ exitCode: 2, outcomes: { stopped: 3 } });
    expect(report.notSeen.join('\n')).toMatch(
      /carte-2 \(VERSION_UNKNOWN\): .*its list has log_date, which only 7.0 and later send/,
    );
    await expectOnlyStopped(system, report.results);
  });

  it('is asked again after one 500, and then works like any other', async () => {
    const system = await aSystem();
    await system.fleet.fault('carte-2', 'status500Once');

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, outcomes: { stopped: 5 } });
    await expectOnlyStopped(system, report.results);
  });
});

describe('a server that lists 50,000 ended objects', () => {
  const postgres = usePostgres();

  it('works like any other', { timeout: 120_000 }, async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 }), aTask('crm')])],
      estate: { policies: { patient: { extends: 'quick', verify: { within: '60s', every: '5s' } } } },
      entries: { 'carte-1': PATIENT },
    });
    await system.fleet.fault('carte-1', 'listOf');

    const { result, report } = await system.run({ policy: 'patient' });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 2, outcomes: { stopped: 2 } });
    expect(report.bystanders).toMatchObject({ total: 1, undisturbed: 1 });
    await expectOnlyStopped(system, report.results);
  });
});

describe('a password that a server refuses', () => {
  const postgres = usePostgres();
  const WRONG = 'wr0ng-s3cret-4711';

  it('shows nowhere: not in report, history or ledger', async () => {
    vi.stubEnv('CARTE_PASSWORD', WRONG);
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders')])],
      entries: { 'carte-1': { password: '${env:CARTE_PASSWORD}' } },
    });

    const { result, report } = await system.run({});

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, planned: 0 });
    expect(report.needsYou.join('\n')).toContain('carte-1 was not read (AUTH_REFUSED), ');
    expect(await system.stops()).toEqual([]);
    const asked = (await system.fleet.log()).map(({ answered }) => answered);
    expect(new Set(asked)).toEqual(new Set(['401']));
    for (const form of [WRONG, Buffer.from(`cluster:${WRONG}`).toString('base64')]) {
      expect(JSON.stringify(report)).not.toContain(form);
      expect(await historiesOf(system)).not.toContain(form);
      expect(await ledgerOf(system)).not.toContain(form);
    }
    expect(await ledgerOf(system)).toContain('${env:CARTE_PASSWORD}');
  });
});

/** All payloads of all histories, as text. */
async function historiesOf(system: System): Promise<string> {
  const texts: string[] = [];
  const collect = (value: unknown): void => {
    if (value instanceof Uint8Array) texts.push(Buffer.from(value).toString());
    else if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) collect(part);
  };
  for await (const { workflowId, runId } of system.temporal.workflow.list()) {
    collect(await system.temporal.workflow.getHandle(workflowId, runId).fetchHistory());
  }
  return texts.join('\n');
}

/** Every row of every table of the ledger, as text. */
async function ledgerOf(system: System): Promise<string> {
  const client = new pg.Client({ connectionString: system.ledgerUrl });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    const texts: string[] = [];
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ line: string }>(`SELECT t::text AS line FROM ${name} t`);
      texts.push(...rows.map(({ line }) => line));
    }
    return texts.join('\n');
  } finally {
    await client.end();
  }
}
