import { describe, expect, it } from 'vitest';
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
  /** Ends a run that a test leaves waiting. */
  const reject = async (handle: RunHandle): Promise<void> => {
    await handle.reject({ by: 'test', planHash: await untilAsked(handle) });
    await handle.result();
  };

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
