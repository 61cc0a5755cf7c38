import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../domain/canonical-json.js';
import { atTerminal } from '../client/terminal.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type EstateParts, type System } from '../support/system.js';
import { closeOf, refusalOf, startByScript, until, untilAsked } from './acts.js';

const ASKING = { policies: { asking: { extends: 'quick', confirm: 'count' } } };

/** Temporal ids alone do not give one run per request: the ledger does. */
describe('a request that is started again', () => {
  const postgres = usePostgres();
  const aSystem = (estate: EstateParts = ASKING): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 4 })])], estate });

  it('attaches to its run while that is open', async () => {
    const system = await aSystem();
    const request = aRequest({ policy: 'asking' });
    const [first, second] = await Promise.all([system.start(request), system.start(request)]);
    await startByScript(system, request);
    await first.approve({ by: 'ops-oncall', planHash: await untilAsked(first) });

    expect(await second.result()).toEqual(await first.result());
    expect(await system.stops()).toHaveLength(4);
  });

  it('ends as its run ended once that is over, and sends nothing', async () => {
    const system = await aSystem();
    const request = aRequest();
    const first = await system.run(request);
    const [id = ''] = await system.fleet.addTask('carte-1', aTask('load_again'));

    const again = await (await system.start(request)).result();

    expect(again).toEqual(first.result);
    expect((await system.stops()).filter((stop) => stop.id === id)).toEqual([]);
    expect(await system.client.listRuns()).toHaveLength(1);
  });

  it('fails again where its run was incomplete', async () => {
    const system = await aSystem();
    await system.fleet.addTask('carte-1', aTask('load_deaf', { traits: { ignoresStop: true } }));
    const request = aRequest({ select: { names: ['load_deaf'] } });
    await system.run(request);
    const before = await system.stops();

    await startByScript(system, request);

    expect(await closeOf(system, `offboil/${request.requestId}`)).toMatchObject({
      type: 'INCOMPLETE',
      result: { exitCode: 2 },
    });
    expect(await system.stops()).toEqual(before);
  });

  it('with other words under the same id is noticed by the client while the run is open, and changes nothing', async () => {
    const system = await aSystem();
    const request = aRequest({ policy: 'asking' });
    const run = await system.start(request);

    expect(await refusalOf(system.start({ ...request, reason: 'another' }))).toMatchObject({
      code: 'REQUEST_CONFLICT',
    });

    await run.approve({ by: 'ops-oncall', planHash: await untilAsked(run) });
    expect(await run.result()).toMatchObject({ end: 'completed', planned: 4 });
    expect((await run.report()).reason).toBe(request.reason);
  });

  it('with other words under the same id is refused after the end, and sends nothing', async () => {
    const system = await aSystem();
    const request = aRequest();
    await system.run(request);
    await system.fleet.addTask('carte-1', aTask('load_again'));

    const other = await (await system.start({ ...request, reason: 'another' })).result();

    expect(other).toMatchObject({ end: 'refused', exitCode: 3, code: 'REQUEST_CONFLICT' });
    expect(await system.stops()).toHaveLength(4);
    expect((await system.client.handle(request.requestId).report()).reason).toBe(request.reason);
  });
});

describe('a run whose workflow was terminated', () => {
  const postgres = usePostgres();

  it('goes on with its frozen plan when it is started again, after what is left of the pause between waves', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 4 })])],
      estate: { policies: { stepwise: { extends: 'quick', waves: [2], settle: '4s' } } },
    });
    const request = aRequest({ policy: 'stepwise' });
    const first = await system.start(request);
    const { planHash } = await until(first, ({ proven }) => proven === 2);
    await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');
    await system.fleet.addTask('carte-1', aTask('load_later'));

    const { result, report } = await system.run(request);

    expect(result).toMatchObject({ end: 'completed', planned: 4, outcomes: { stopped: 4 }, planHash });
    expect(report.results.every(({ requests }) => requests === 1)).toBe(true);
    const stops = (await system.fleet.log()).filter(({ path }) => path === 'stopTrans').map(({ at }) => at);
    expect(stops).toHaveLength(4);
    expect((stops[2] ?? 0) - (stops[1] ?? 0)).toBeGreaterThan(4000);
    const passed = report.timeline.filter(({ what }) => what === 'passed the gate after wave 1');
    expect(passed).toHaveLength(1);
  });

  it('is finished by the command that the next run over its targets names', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 })])],
      estate: { policies: { stepwise: { extends: 'quick', waves: [1], settle: '6s' } } },
    });
    const first = await system.start({ policy: 'stepwise' });
    await until(first, ({ proven }) => proven === 1);
    await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');
    const [left] = (await system.run({})).report.left;
    const command = /"offboil (.*?)"/.exec(left?.why ?? '')?.[1]?.split(' ') ?? [];
    expect(command).toEqual(['retry', first.requestId]);

    const { exitCode } = await atTerminal(system.client, [...command, '--yes']);

    expect(exitCode).toBe(0);
    expect(await first.result()).toMatchObject({ end: 'completed', planned: 2, outcomes: { stopped: 2 } });
    expect(await system.stops()).toHaveLength(2);
  });

  it('repeats no request that had arrived when it is started again in mid-wave', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 24 })], { answerMs: 150 })],
    });
    const request = aRequest();
    const first = await system.start(request);
    await until(first, ({ phase }) => phase === 'wave');
    await eventually(async () => expect((await system.stops()).length).toBeGreaterThan(4));
    await system.temporal.workflow.getHandle(first.workflowId).terminate('by hand');

    const { result } = await system.run(request);

    expect(result).toMatchObject({ end: 'completed', outcomes: { stopped: 24 } });
    const stopped = (await system.stops()).map(({ id }) => id);
    expect(stopped).toHaveLength(24);
    expect(new Set(stopped).size).toBe(24);
  });
});

describe('two runs over the same targets', () => {
  const postgres = usePostgres();
  /** Its targets ignore the stop, so the first run keeps them. */
  const aSystem = (): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 2, traits: { ignoresStop: true } })])],
      estate: { policies: { ...ASKING.policies, slow: { extends: 'quick', verify: { within: '4s' } } } },
    });

  it('leave what the other has taken, with its name, when the second one plans', async () => {
    const system = await aSystem();
    const first = await system.start({ policy: 'slow' });
    await until(first, ({ requested }) => requested === 2);

    const second = await system.run({});

    expect(second.result).toMatchObject({ end: 'incomplete', exitCode: 2, planned: 0 });
    expect(second.report.left).toHaveLength(2);
    for (const { why } of second.report.left) expect(why).toContain(first.requestId);
    await first.result();
  });

  it('protect what the other has taken, with its name, when that happened between plan and confirm', async () => {
    const system = await aSystem();
    const second = await system.start({ policy: 'asking' });
    const planHash = await untilAsked(second);
    const first = await system.start({ policy: 'slow' });
    await until(first, ({ requested }) => requested === 2);
    const sent = (await system.stops()).length;

    await second.approve({ by: 'ops-oncall', planHash });

    expect(await second.result()).toMatchObject({ exitCode: 2, planned: 2, outcomes: { protected: 2 } });
    const { results } = await second.report();
    for (const { requests, evidence } of results) {
      expect(requests).toBe(0);
      expect(JSON.stringify(evidence)).toContain(first.requestId);
    }
    await first.result();
    expect((await first.report()).results.reduce((sum, { requests }) => sum + requests, 0)).toBe(
      (await system.stops()).length,
    );
    expect(sent).toBe(2);
  });
});

describe('a dry run', () => {
  const postgres = usePostgres();
  const aSystem = (): Promise<System> =>
    startSystem({ postgres, servers: [aServer('carte-1', [aTask('load_{n}', { count: 2 })])] });

  it('of a script ends after its plan and is not the run of its id', async () => {
    const system = await aSystem();
    const request = aRequest();

    await startByScript(system, { ...request, dryRun: true });

    const { result } = await closeOf(system, `offboil/${request.requestId}`);
    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 2, outcomes: {} });
    expect(await system.stops()).toEqual([]);
    expect((await system.run(request)).result).toMatchObject({ planned: 2, outcomes: { stopped: 2 } });
  });

  it('of a script that is still open is not taken for the run that somebody starts under its id', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_{n}', { count: 3 })], { answerMs: 900 })],
    });
    const request = aRequest();
    await startByScript(system, { ...request, dryRun: true });

    const refused = await refusalOf(system.client.start({ ...request, dryRun: false }));

    expect(refused).toMatchObject({ code: 'REQUEST_CONFLICT', message: expect.stringContaining('dry run') as string });
    await closeOf(system, `offboil/${request.requestId}`);
    const { result } = await system.run(request);
    expect(result).toMatchObject({ end: 'completed', outcomes: { stopped: 3 } });
  });

  it('of the client answers the plan whose hash is that of the document', async () => {
    const system = await aSystem();
    const planned = await system.client.plan(aRequest());

    expect(planned).toMatchObject({
      targets: 2,
      confirm: 'none',
      summary: { left: 0, waves: [{ targets: 2, servers: 1 }] },
    });
    const { plan } = await system.client.readPlan(planned);
    expect(planned.summary.planHash).toBe(`sha256:${createHash('sha256').update(canonicalJson(plan)).digest('hex')}`);
  });

  it('reserves nothing', async () => {
    const system = await aSystem();
    const request = aRequest();
    await system.client.plan(request);

    expect(await system.stops()).toEqual([]);
    expect(await refusalOf(system.client.handle(request.requestId).report())).toMatchObject({ code: 'RUN_UNKNOWN' });
    expect((await system.run({})).result).toMatchObject({ outcomes: { stopped: 2 } });
  });
});
