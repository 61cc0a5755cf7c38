import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { requestHash, type RequestInput } from '../../client/index.js';
import { parseRequest } from '../../domain/contracts/request.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem, type EstateParts, type System } from '../support/system.js';
import { firstBreak } from '../support/verify-chain.js';
import { closeOf, refusalOf, startByScript, untilAsked } from './acts.js';

interface AuditRecord {
  readonly seq: number;
  readonly record: string;
  readonly hash: string;
  readonly action: string;
  readonly what?: string;
  readonly actor: unknown;
}

async function auditOf(system: System, chain: string): Promise<AuditRecord[]> {
  const rows = await queryLedger(
    system.ledgerUrl,
    'SELECT seq, record, hash FROM audit WHERE chain = $1 ORDER BY seq',
    [chain],
  );
  return rows.map((row) => ({ ...row, ...(JSON.parse(row.record) as Pick<AuditRecord, 'action' | 'what' | 'actor'>) })); // written by `offboil_audit`
}

async function queryLedger(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Pick<AuditRecord, 'seq' | 'record' | 'hash'>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Pick<AuditRecord, 'seq' | 'record' | 'hash'>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Bad input gets a clear error with a code before anything is sent, and nothing is lost. */
describe('a request that is wrong', () => {
  const postgres = usePostgres();
  const aSystem = (estate: EstateParts = {}): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 3 })])], estate });

  /** Started past our client, it closes as refused with its code, and no server hears of it. */
  const refusedAtStart: readonly {
    name: string;
    fields: Readonly<Record<string, unknown>>;
    code: string;
    says: string;
  }[] = [
    { name: 'has a field that nobody knows', fields: { polcy: 'quick' }, code: 'REQUEST_INVALID', says: 'polcy' },
    { name: 'selects nothing', fields: { select: {} }, code: 'REQUEST_INVALID', says: 'never means everything' },
    {
      name: 'leaves the selection out without saying everything',
      fields: { select: undefined },
      code: 'REQUEST_INVALID',
      says: '"everything": true',
    },
    {
      name: 'has a regular expression that is none',
      fields: { select: { names: ['/load_(/'] } },
      code: 'REQUEST_INVALID',
      says: 'load_(',
    },
    { name: 'names no policy', fields: { policy: undefined }, code: 'REQUEST_INVALID', says: 'policy' },
    {
      name: 'names a policy that there is not',
      fields: { policy: 'reckless' },
      code: 'POLICY_UNKNOWN',
      says: 'reckless',
    },
    {
      name: 'names a server that there is not',
      fields: { select: { servers: ['carte-9'] } },
      code: 'REQUEST_INVALID',
      says: 'carte-9',
    },
  ];
  for (const { name, fields, code, says } of refusedAtStart) {
    it(`is refused when it ${name}`, async () => {
      const system = await aSystem();
      const request = { ...aRequest(), ...fields };

      await startByScript(system, request);

      const closed = await closeOf(system, `offboil/${request.requestId}`);
      expect(closed).toMatchObject({
        status: 'FAILED',
        type: 'REFUSED',
        result: { end: 'refused', exitCode: 3, code },
      });
      expect(closed.message).toContain(says);
      expect(await system.client.handle(request.requestId).result()).toMatchObject({
        end: 'refused',
        exitCode: 3,
        code,
      });
      expect(await system.stops()).toEqual([]);
    });
  }

  it('does not leave the client when it has a field that nobody knows', async () => {
    const system = await aSystem();
    const request = { ...aRequest(), polcy: 'quick' };

    expect(await refusalOf(system.client.start(request))).toMatchObject({ code: 'REQUEST_INVALID' });

    expect(await refusalOf(system.client.handle(request.requestId).progress())).toMatchObject({ code: 'RUN_UNKNOWN' });
  });

  it('is refused under a workflow id that is not its own', async () => {
    const system = await aSystem();
    const request = aRequest();

    await startByScript(system, { ...request }, `offboil/other-${request.requestId}`);
    await startByScript(system, { ...request }, `nightly-${request.requestId}`);

    for (const id of [`offboil/other-${request.requestId}`, `nightly-${request.requestId}`]) {
      expect(await closeOf(system, id)).toMatchObject({
        type: 'REFUSED',
        result: { exitCode: 3, code: 'WORKFLOW_ID_MISMATCH' },
      });
    }
    expect(await system.stops()).toEqual([]);
  });
});

describe('a start that is refused before it is opened', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 3 })])] });

  it('stands in the audit chain of the run whose id it bears: who asked, the code, and the hash of the request', async () => {
    const system = await aSystem();
    const request = aRequest();
    await system.run(request);
    const other = { ...request, reason: 'another', requestedBy: 'night-shift' };

    const { code, message } = await (await system.start(other)).result();

    expect(code).toBe('REQUEST_CONFLICT');
    expect(message).toMatch(/^REQUEST_CONFLICT: /);
    const chain = await auditOf(system, request.requestId);
    expect(firstBreak(chain)).toBeUndefined();
    const { action, actor, what } = chain.at(-1) ?? {};
    expect(action).toBe('request.refused');
    expect(actor).toEqual({ auth: 'asserted', user: 'night-shift' });
    expect(what).toContain(requestHash(parseRequest(other)));
    expect(what).toContain('REQUEST_CONFLICT');
  });

  it.each([
    ['invalid', { polcy: 'quick' }, 'REQUEST_INVALID', (id: string): string => `offboil/${id}`],
    ['started under a foreign workflow id', {}, 'WORKFLOW_ID_MISMATCH', (id: string): string => `nightly-${id}`],
  ])('is audited when it is %s', async (_how, fields, code, workflowIdOf) => {
    const system = await aSystem();
    const request = { ...aRequest(), ...fields };
    const workflowId = workflowIdOf(request.requestId);

    await startByScript(system, request, workflowId);

    expect((await closeOf(system, workflowId)).message).toMatch(new RegExp(`^${code}: (?!${code})`));
    const chain = await auditOf(system, request.requestId);
    expect(firstBreak(chain)).toBeUndefined();
    expect(chain).toMatchObject([
      {
        action: 'request.refused',
        actor: { user: request.requestedBy },
        what: expect.stringContaining(code) as string,
      },
    ]);
  });

  it('says that it has no input when a script forgot it', async () => {
    const system = await aSystem();

    await system.temporal.workflow.start('bulkTermination', { workflowId: 'offboil/empty', taskQueue: TASK_QUEUE });

    expect(await closeOf(system, 'offboil/empty')).toMatchObject({
      type: 'REFUSED',
      result: { code: 'REQUEST_INVALID' },
    });
    expect(await auditOf(system, 'empty')).toHaveLength(1);
  });

  it('is told although the ledger is gone', async () => {
    const system = await aSystem();
    const request = { ...aRequest(), polcy: 'quick' };
    await queryLedger(postgres.url, `DROP DATABASE ${new URL(system.ledgerUrl).pathname.slice(1)} WITH (FORCE)`);

    await startByScript(system, request);

    expect(await closeOf(system, `offboil/${request.requestId}`)).toMatchObject({
      result: { code: 'REQUEST_INVALID' },
    });
  });
});

describe('a plan that may not be carried out', () => {
  const postgres = usePostgres();
  const aSystem = (policy: Readonly<Record<string, unknown>>): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 3 })])],
      estate: { policies: { special: { extends: 'quick', ...policy } } },
    });
  const special = (): RequestInput => aRequest({ policy: 'special' });

  it('is refused when it has more targets than the budget', async () => {
    const system = await aSystem({ budget: { targets: 2 } });

    const { result } = await system.run(special());

    expect(result).toMatchObject({ end: 'refused', exitCode: 3, code: 'BUDGET_EXCEEDED' });
    expect(result.message).toContain('3');
    expect(await system.stops()).toEqual([]);
  });

  it('sends nothing once a person has rejected it', async () => {
    const system = await aSystem({ confirm: 'count' });
    const handle = await system.start(special());

    await handle.reject({ by: 'lead', planHash: await untilAsked(handle), note: 'month end' });

    expect(await handle.result()).toMatchObject({ end: 'refused', exitCode: 3, code: 'PLAN_REJECTED' });
    const { actors, message } = await handle.report();
    expect(message).toContain('month end');
    expect(actors).toContainEqual(expect.objectContaining({ by: 'lead', assurance: 'asserted' }));
    expect(await system.stops()).toEqual([]);
  });

  it('expires when nobody confirms it in time', async () => {
    const system = await aSystem({ confirm: 'count', validFor: '1s' });

    const result = await (await system.start(special())).result();

    expect(result).toMatchObject({ end: 'refused', exitCode: 3, code: 'PLAN_EXPIRED', outcomes: {} });
    expect(await system.stops()).toEqual([]);
  });
});

describe('an estate file that has become invalid', () => {
  const postgres = usePostgres();

  it('refuses the next run with file, line and column, and harms nothing', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_orders')])] });
    expect(await system.client.plan(aRequest())).toMatchObject({ targets: 1 });
    await writeFile(system.estateFile, 'servers:\n  - name: carte-1\n    engine: cart\n    url: http://127.0.0.1:1\n');

    const { result } = await system.run({});

    expect(result).toMatchObject({ end: 'refused', exitCode: 3, code: 'ESTATE_INVALID' });
    expect(result.message).toContain('offboil.yaml:3:13');
    expect(await system.stops()).toEqual([]);
  });
});
