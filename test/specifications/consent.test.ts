import { describe, expect, it } from 'vitest';
import { openLedger } from '../../adapters/ledger/ledger.js';
import type { RunHandle } from '../../client/index.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, startSystem, type EstateParts, type System } from '../support/system.js';
import { closeOf, refusalOf, startByScript, until, untilAsked } from './acts.js';

const POLICIES = {
  policies: {
    free: { extends: 'quick', confirm: 'none' },
    counted: { extends: 'quick', confirm: 'count' },
    seconded: { extends: 'quick', confirm: 'approver' },
  },
};

/** Ends a run that a test leaves waiting. */
async function reject(handle: RunHandle): Promise<void> {
  await handle.reject({ by: 'test', planHash: await untilAsked(handle) });
  await handle.result();
}

/** Nothing is sent without the consent that policy and plan ask for, and consent is to one plan, by its hash. */
describe('consent', () => {
  const postgres = usePostgres();
  const aSystem = (estate: EstateParts = {}): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 })])],
      estate: { ...POLICIES, ...estate },
    });
  const approvedBy = async (handle: RunHandle, by: string) =>
    refusalOf(handle.approve({ by, planHash: await untilAsked(handle) }));

  it('of kind count is waited for, with the reason and the commands that answer it', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'counted' });
    const { phase, waits, planHash = '' } = await until(handle, ({ waits }) => waits !== undefined);

    expect(phase).toBe('confirm');
    expect(waits?.reason).toContain('2 tasks');
    expect(waits?.answers).toContain(`offboil approve ${handle.requestId}`);
    expect(Date.parse(waits?.until ?? '')).toBeGreaterThan(Date.now());
    expect(await system.stops()).toEqual([]);

    await handle.approve({ by: 'ops-oncall', planHash });
    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
  });

  it('to another hash is refused, thirty times over, and nothing is sent', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'counted' });
    const planHash = await untilAsked(handle);
    const other = (at: number): string =>
      planHash.slice(0, at) + (planHash[at] === '0' ? '1' : '0') + planHash.slice(at + 1);
    const wrong = [
      ...Array.from({ length: 25 }, (_, index) => other('sha256:'.length + index * 2)),
      planHash.toUpperCase(),
      ` ${planHash}`,
      planHash.slice(0, -1),
      planHash.replace('sha256:', ''),
      '',
    ];
    expect(wrong).toHaveLength(30);

    const refused = await Promise.all(wrong.map((hash) => refusalOf(handle.approve({ by: 'lead', planHash: hash }))));

    expect(refused.map((refusal) => refusal?.code)).toEqual(wrong.map(() => 'PLAN_HASH_MISMATCH'));
    expect(refused[0]?.message).toContain(planHash);
    expect(await handle.progress()).toMatchObject({ phase: 'confirm', requested: 0 });
    await reject(handle);
    expect(await system.stops()).toEqual([]);
  });

  it('of an approver is refused from the requester, however the name is written', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'seconded', requestedBy: 'ops-oncall' });

    expect(await approvedBy(handle, 'ops-oncall')).toMatchObject({ code: 'APPROVAL_REFUSED' });
    expect(await approvedBy(handle, ' OPS-oncall ')).toMatchObject({ code: 'APPROVAL_REFUSED' });
    expect(await system.stops()).toEqual([]);
    expect(await approvedBy(handle, 'lead')).toBeUndefined();

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
    expect((await handle.report()).actors).toContainEqual(expect.objectContaining({ role: 'approver', by: 'lead' }));
  });

  it('to everything takes two different people where the policy asks for one approver', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'seconded', select: undefined, everything: true });

    expect(await approvedBy(handle, 'lead')).toBeUndefined();
    expect(await approvedBy(handle, 'lead')).toMatchObject({ code: 'APPROVAL_REFUSED' });
    expect(await system.stops()).toEqual([]);
    expect(await approvedBy(handle, 'second lead')).toBeUndefined();

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
  });

  for (const [policy, need] of [
    ['free', 'count'],
    ['counted', 'approver'],
    ['seconded', 'twoApprovers'],
  ] as const) {
    it(`to everything is raised from ${policy} to ${need}`, async () => {
      const system = await aSystem();
      expect(await system.client.plan(aRequest({ policy, select: undefined, everything: true }))).toMatchObject({
        confirm: need,
      });
    });
  }

  it('is raised to an approver by a task that no contract knows', async () => {
    const system = await aSystem({ tasks: [{ match: { name: 'load_0' }, priority: 'low' }] });
    expect(await system.client.plan(aRequest({ policy: 'free' }))).toMatchObject({ confirm: 'approver' });
  });

  it('is what the estate says for tasks that no contract knows', async () => {
    const system = await aSystem({ tasks: [], unmatched: { priority: 'low', confirm: 'none' } });
    expect((await system.run({ policy: 'free' })).result).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
  });
});

describe('what people said of a plan before its workflow was terminated', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 })])], estate: POLICIES });
  /** A run that waits for its consent, and whose workflow is gone. */
  const terminated = async (change: Parameters<typeof aRequest>[0]) => {
    const system = await aSystem();
    const request = { ...aRequest(change), dryRun: false } as const;
    const first = await system.client.start(request);
    const planHash = await untilAsked(first);
    return {
      system,
      planHash,
      first,
      startAgain: async (): Promise<RunHandle> => {
        await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');
        return system.client.start(request);
      },
      /** What a person says in the moment in which the workflow goes: it stands in the ledger, and nobody has acted on it. */
      say: async (kind: 'approve' | 'reject', hash = planHash): Promise<void> => {
        const ledger = await openLedger(system.ledgerUrl);
        const actor = { role: 'approver', by: 'lead', assurance: 'asserted', at: new Date().toISOString() } as const;
        await ledger.runs
          .act(request.requestId, { kind, actor, planHash: hash, note: 'seen' }, Date.now(), AbortSignal.timeout(5000))
          .finally(() => ledger.close());
      },
    };
  };

  it('counts: the second of two approvals is enough', async () => {
    const { system, planHash, first, startAgain } = await terminated({
      policy: 'seconded',
      select: undefined,
      everything: true,
    });
    await first.approve({ by: 'lead', planHash });
    const again = await startAgain();
    const { waits } = await until(again, ({ phase, waits }) => phase === 'confirm' && waits !== undefined);

    expect(waits?.reason).toContain('of which lead gave one');
    expect(await refusalOf(again.approve({ by: 'Lead', planHash }))).toMatchObject({ code: 'APPROVAL_REFUSED' });
    expect(await system.stops()).toEqual([]);
    await again.approve({ by: 'second lead', planHash });

    expect(await again.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 }, planHash });
    const { actors } = await again.report();
    expect(actors.filter(({ role }) => role === 'approver').map(({ by }) => by)).toEqual(['lead', 'second lead']);
  });

  it('counts: an approval that was enough is not asked for again', async () => {
    const { say, startAgain } = await terminated({ policy: 'seconded' });
    await say('approve');

    expect(await (await startAgain()).result()).toMatchObject({ end: 'completed', outcomes: { stopped: 2 } });
  });

  it('counts: a rejected plan ends refused, and nothing is sent', async () => {
    const { system, say, startAgain } = await terminated({ policy: 'seconded' });
    await say('reject');

    expect(await (await startAgain()).result()).toMatchObject({
      end: 'refused',
      exitCode: 3,
      code: 'PLAN_REJECTED',
      message: 'PLAN_REJECTED: lead rejected the plan: seen. Nothing was sent.',
    });
    expect(await system.stops()).toEqual([]);
  });

  it('counts no more when it was said of another plan', async () => {
    const { system, say, startAgain } = await terminated({ policy: 'seconded' });
    await say('approve', `sha256:${'0'.repeat(64)}`);

    await reject(await startAgain());
    expect(await system.stops()).toEqual([]);
  });
});

describe('an emergency', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 })])], estate: POLICIES });

  it('needs one approval, the requester’s too, and the other one stays owed', async () => {
    const system = await aSystem();
    const handle = await system.start({ policy: 'seconded', emergency: true, requestedBy: 'ops-oncall' });
    await handle.approve({ by: 'ops-oncall', planHash: await untilAsked(handle) });

    expect(await handle.result()).toMatchObject({ end: 'completed', exitCode: 0 });
    const report = await handle.report();
    expect(report.emergency).toBe(true);
    expect(report.needsYou.join('\n')).toContain('an approval by someone other than ops-oncall is owed');
  });

  it('without a reason is refused', async () => {
    const system = await aSystem();
    const { reason: _none, ...request } = aRequest({ emergency: true });

    await startByScript(system, request);

    expect(await closeOf(system, `offboil/${request.requestId}`)).toMatchObject({
      type: 'REFUSED',
      result: { exitCode: 3, code: 'REQUEST_INVALID' },
    });
    expect(await system.stops()).toEqual([]);
  });
});
