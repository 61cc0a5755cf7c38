import { describe, expect, it } from 'vitest';
import { keyOf } from '../../../domain/contracts/plan.js';
import type { RunResult } from '../../../domain/contracts/report.js';
import { untouchedTally } from '../../../domain/outcomes.js';
import type { BystanderSample } from '../../../domain/ports.js';
import type { ObservedTask } from '../../../domain/tasks.js';
import {
  aCheck,
  aDraft,
  aPolicy,
  aRequest,
  aRunId,
  aTarget,
  confirmedRun,
  keysOf,
  never,
  NOW,
  openedRun,
  plannedRun,
  someTargets,
  stopOf,
  useLedger,
} from './scene.js';

const scene = useLedger();

const start = (runId: string, more: { requestHash?: string; dryRun?: boolean } = {}) =>
  scene.ledger.runs.open(
    { runId, request: aRequest(runId), requestHash: 'sha256:request', dryRun: false, ...more },
    NOW + 5000,
    never,
  );
const resultOf = (runId: string): RunResult => ({
  schemaVersion: 1,
  runId,
  end: 'completed',
  exitCode: 0,
  message: 'all proven',
  planned: 1,
  outcomes: { stopped: 1 },
});

describe('starting a request', () => {
  it('opens a run', async () => {
    expect(await start(aRunId())).toMatchObject({ decision: 'new', confirmed: false, control: 'go' });
  });

  it('again continues the run with its first start, its frozen plan and its consent', async () => {
    const { runId, plan } = await confirmedRun(scene.ledger, { waves: [someTargets(2)] });
    const startedAt = new Date(NOW).toISOString();
    expect(await start(runId)).toMatchObject({
      decision: 'continued',
      startedAt,
      confirmed: true,
      plan: { planHash: plan.planHash },
    });
  });

  it('again tells the last gate passed, by its first time, and what people said', async () => {
    const { runId } = await confirmedRun(scene.ledger, { waves: [someTargets(2)] });
    const actor = { role: 'operator', by: 'lead', assurance: 'asserted', at: new Date(NOW).toISOString() } as const;
    const act = { kind: 'pause', actor, reason: 'look first' } as const;
    await scene.ledger.runs.act(runId, { kind: 'gate', wave: 1, at: NOW + 10 }, NOW, never);
    await scene.ledger.runs.act(runId, { kind: 'gate', wave: 1, at: NOW + 20 }, NOW, never);
    await scene.ledger.runs.act(runId, act, NOW, never);
    expect(await start(runId)).toMatchObject({ passed: { wave: 1, at: NOW + 10 }, acts: [act] });
  });

  it('again after its end gives its result', async () => {
    const runId = await openedRun(scene.ledger);
    await scene.ledger.runs.close(runId, resultOf(runId), undefined, NOW, never);
    expect(await start(runId)).toMatchObject({ decision: 'finished', result: { message: 'all proven' } });
  });

  it('with another content under the same id is a conflict', async () => {
    const runId = await openedRun(scene.ledger);
    expect(await start(runId, { requestHash: 'sha256:other' })).toMatchObject({
      decision: 'conflict',
      requestHash: 'sha256:request',
    });
  });

  it('after a dry run of the same id is new, whatever the dry run planned', async () => {
    const runId = aRunId();
    await start(runId, { dryRun: true, requestHash: 'sha256:other' });
    const frozen = { planHash: 'sha256:dry', policy: aPolicy(), at: NOW, sites: new Map<string, string>() };
    await scene.ledger.plans.freeze(runId, aDraft(runId, { waves: [someTargets(2)] }), frozen, never);
    const opened = await start(runId);
    expect([opened.decision, opened.plan]).toEqual(['new', undefined]);
  });

  it('twice at the same moment opens it once', async () => {
    const runId = aRunId();
    const decisions = await Promise.all([start(runId), start(runId), start(runId)]);
    expect(decisions.map(({ decision }) => decision).sort()).toEqual(['continued', 'continued', 'new']);
  });
});

describe('a run', () => {
  it('keeps the first estate it adopted', async () => {
    const runId = await openedRun(scene.ledger);
    const estate = {
      servers: [],
      databases: [],
      tasks: [],
      unmatched: { priority: 'core', confirm: 'approver' },
      include: [],
      policies: {},
      notifiers: [],
    };
    // an estate without servers is no valid one, and this ledger does not read into it
    const first = estate as unknown as Parameters<typeof scene.ledger.runs.adoptEstate>[2];
    await scene.ledger.runs.adoptEstate(runId, 'sha256:a', first, never);
    expect((await scene.ledger.runs.adoptEstate(runId, 'sha256:b', first, never)).hash).toBe('sha256:a');
  });

  it('is listed as open until it is closed, and is closed once', async () => {
    const runId = await openedRun(scene.ledger);
    const isOpen = async () =>
      (await scene.ledger.runs.list({ open: true }, 200, never)).some((row) => row.runId === runId);
    expect(await isOpen()).toBe(true);
    await scene.ledger.runs.close(runId, resultOf(runId), undefined, NOW, never);
    await scene.ledger.runs.close(runId, { ...resultOf(runId), message: 'a second time' }, undefined, NOW, never);
    expect(await isOpen()).toBe(false);
    expect((await scene.ledger.runs.read(runId, never)).result?.message).toBe('all proven');
  });

  it('that nobody started is unknown', async () => {
    await expect(scene.ledger.runs.read('INC-never', never)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
  });
});

describe('a plan', () => {
  it('is frozen once: a second one of the run changes nothing', async () => {
    const { runId, plan } = await plannedRun(scene.ledger, { waves: [someTargets(2)] });
    const other = { planHash: 'sha256:other', policy: aPolicy(), at: NOW, sites: new Map<string, string>() };
    const again = await scene.ledger.plans.freeze(runId, aDraft(runId, { waves: [someTargets(5)] }), other, never);
    expect(again).toEqual(plan);
  });

  it('reads back as it was frozen, so that its hash can be computed again', async () => {
    const [first, second] = [someTargets(3), someTargets(2, 'carte-2')];
    const parts = {
      waves: [first, second],
      groups: { [keyOf(aTarget('carte-1', first[0]?.id ?? ''))]: 'erp' },
      groupMembers: new Map([['erp', 4]]),
    };
    const { runId } = await plannedRun(scene.ledger, parts);
    expect(await scene.ledger.plans.read(runId, never)).toEqual(aDraft(runId, parts));
  });

  it('of 10,000 targets has every target in one shard, and about 16 shards', async () => {
    const targets = Array.from({ length: 50 }, (_, server) => someTargets(200, `carte-${server}`)).flat();
    const { runId, plan } = await plannedRun(scene.ledger, { waves: [targets] });
    const shards = plan.waves[0]?.shards ?? [];
    const claims = await Promise.all(
      shards.map((_, shard) => scene.ledger.shards.claim({ runId, wave: 1, shard }, NOW, never)),
    );
    const open = await Promise.all(claims.map((claim) => scene.ledger.shards.open(claim, never)));
    expect(shards.length).toBe(16);
    expect(new Set(open.flatMap((shard) => keysOf(shard))).size).toBe(10_000);
    expect(open.map((shard) => shard.length)).toEqual(shards.map((shard) => shard.targets));
  });

  it('never puts two sites in one shard', async () => {
    const sites = new Map([
      ['carte-1', 'shanghai'],
      ['carte-2', 'shanghai'],
      ['carte-3', 'berlin'],
    ]);
    const { plan } = await plannedRun(scene.ledger, {
      waves: [['carte-1', 'carte-2', 'carte-3'].flatMap((server) => someTargets(40, server))],
      sites,
    });
    expect(plan.waves[0]?.shards).toMatchObject([
      { site: 'shanghai', servers: ['carte-1'] },
      { site: 'shanghai', servers: ['carte-2'] },
      { site: 'berlin', servers: ['carte-3'] },
    ]);
  });

  it('is not confirmed under another hash', async () => {
    const { runId } = await plannedRun(scene.ledger, { waves: [someTargets(1)] });
    await expect(scene.ledger.plans.confirm(runId, 'sha256:other', NOW, never)).rejects.toMatchObject({
      code: 'PLAN_HASH_MISMATCH',
    });
  });
});

describe('two runs over the same targets', () => {
  it('never hold one target both, and the second learns who has it', async () => {
    const targets = someTargets(30);
    const first = await plannedRun(scene.ledger, { waves: [targets.slice(0, 20)] });
    const second = await plannedRun(scene.ledger, { waves: [targets.slice(10)].map((some) => [...some].reverse()) });
    const taken = await Promise.all(
      [first, second].map(({ runId, plan }) => scene.ledger.plans.confirm(runId, plan.planHash, NOW, never)),
    );
    expect(taken.reduce((sum, answer) => sum + answer.protected, 0)).toBe(10);
    const loser = taken[0]?.protected === 0 ? second : first;
    const winner = loser === first ? second : first;
    const { targets: facts } = await scene.ledger.closing.facts(loser.runId, never);
    const reasons = facts.filter(({ outcome }) => outcome === 'protected').map(({ evidence }) => evidence[0]?.what);
    expect(reasons.every((reason) => reason?.includes(winner.runId))).toBe(true);
  });

  it('see what the other has reserved, until its outcome is final or it is closed', async () => {
    const targets = someTargets(2);
    const { runId } = await confirmedRun(scene.ledger, { waves: [targets] });
    const reserved = async () =>
      [...(await scene.ledger.plans.reservedByOthers('INC-other', ['carte-1'], never))]
        .filter(([, by]) => by === runId)
        .map(([key]) => key);
    expect((await reserved()).sort()).toEqual(keysOf(targets));
    const claim = await scene.ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
    const proof = targets
      .slice(0, 1)
      .map(({ server, id }) => ({ target: { server, id }, at: NOW, what: 'ended', outcome: 'alreadyEnded' as const }));
    await scene.ledger.shards.record(claim, proof, never);
    expect(await reserved()).toEqual(keysOf(targets.slice(1)));
    await scene.ledger.runs.close(runId, resultOf(runId), undefined, NOW, never);
    expect(await reserved()).toEqual([]);
  });
});

describe('bystanders', () => {
  const seen = (id: string, state: ObservedTask['state']): ObservedTask => ({
    server: 'carte-1',
    id,
    name: `name of ${id}`,
    kind: 'transformation',
    word: 'Running',
    state,
    closesBy: 'list',
  });

  it('are the non-targets that had not ended, a few of each server, and who only waits last', async () => {
    const { ledger } = scene;
    const { runId } = await plannedRun(ledger, { waves: [[aTarget('carte-1', 'target')]] });
    const tasks = [
      seen('waits', 'waiting'),
      seen('target', 'active'),
      seen('ended', 'ended'),
      seen('runs', 'active'),
      seen('halts', 'ending'),
    ];
    await ledger.plans.observe(runId, 'discovery', { server: 'carte-1', askedAt: NOW, tasks }, never);
    const idsOf = async (most: number | undefined): Promise<string[]> =>
      (await ledger.closing.bystanders(runId, ['carte-1', 'carte-9'], most, never)).map(({ id }) => id).toSorted();
    expect(await idsOf(2)).toEqual(['halts', 'runs']);
    expect(await idsOf(undefined)).toEqual(['halts', 'runs', 'waits']);
  });

  it('keep the first sample from before and the last from after', async () => {
    const { ledger } = scene;
    const runId = await openedRun(ledger);
    const sample = (rows: number): BystanderSample => ({
      server: 'carte-1',
      id: 'by',
      at: NOW,
      rows,
      errors: 0,
      wasStopped: false,
    });
    for (const phase of ['before', 'after'] as const)
      for (const rows of [1, 2]) await ledger.closing.recordSamples(runId, phase, [sample(rows)], never);
    expect(await ledger.closing.samples(runId, 'before', never)).toEqual([sample(1)]);
    expect(await ledger.closing.samples(runId, 'after', never)).toEqual([sample(2)]);
  });
});

describe('the facts of a run', () => {
  it('hold outcomes, requests, people, checks side by side, compensations, bystanders, and what came back', async () => {
    const targets = someTargets(2);
    const [first] = targets;
    if (first === undefined) throw new TypeError('two');
    const { ledger } = scene;
    const { runId } = await confirmedRun(ledger, { waves: [targets] });
    await ledger.plans.observe(
      runId,
      'discovery',
      { server: 'carte-9', askedAt: NOW, problem: { code: 'SERVER_TIMEOUT', message: 'no answer' } },
      never,
    );
    await ledger.closing.recordCheck(runId, 'before', 0, { ...aCheck, verdict: 'green' }, never);
    const claim = await ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
    await ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    const proof = {
      target: { server: first.server, id: first.id },
      at: NOW + 9,
      what: 'listed as Stopped',
      outcome: 'stopped' as const,
      late: true,
      rung: 'stop' as const,
    };
    await ledger.shards.record(claim, [proof], never);
    const actor = {
      role: 'approver',
      by: 'dba-oncall',
      assurance: 'asserted' as const,
      at: new Date(NOW).toISOString(),
    };
    await ledger.runs.act(runId, { kind: 'approve', actor, planHash: 'sha256:plan' }, NOW, never);
    await ledger.closing.recordCheck(runId, 'after', 0, { ...aCheck, verdict: 'red', detail: '12 rows' }, never);
    const task = { server: first.server, id: first.id, name: first.name };
    await ledger.closing.recordCompensation(
      claim,
      { ...task, kind: 'manual', state: 'notDone', detail: 'begun' },
      NOW,
      never,
    );
    await ledger.closing.recordCompensation(
      claim,
      { ...task, kind: 'manual', state: 'done', detail: 'reloaded', by: 'dba-oncall' },
      NOW,
      never,
    );
    await ledger.closing.recordBystanders(
      runId,
      [{ ...task, id: 'by', kind: 'job', verdict: 'undisturbed', sampled: true, why: 'went on' }],
      never,
    );
    await ledger.closing.recordCameBack(runId, [{ task: { ...first, id: 'again' }, why: 'same name' }], never);

    const facts = await ledger.closing.facts(runId, never);
    expect(facts.targets[0]).toMatchObject({
      outcome: 'stopped',
      late: true,
      at: NOW + 9,
      rung: 'stop',
      requests: 1,
      wave: 1,
    });
    expect(facts.targets[1]?.outcome).toBeUndefined();
    expect(facts.actors.map(({ role, by }) => [role, by])).toEqual([
      ['requester', 'ops-oncall'],
      ['approver', 'dba-oncall'],
    ]);
    expect(facts.checks).toEqual([
      {
        name: 'no half batch',
        database: 'warehouse',
        targets: ['carte-1/1'],
        before: 'green',
        after: 'red',
        detail: '12 rows',
      },
    ]);
    expect(facts.compensations).toMatchObject([{ state: 'done', by: 'dba-oncall' }]);
    expect(facts.bystanders).toMatchObject([{ id: 'by', verdict: 'undisturbed' }]);
    expect(facts.cameBack).toMatchObject([{ id: 'again', active: true }]);
    expect(facts.unreadServers).toEqual([{ server: 'carte-9', code: 'SERVER_TIMEOUT', message: 'no answer' }]);
    expect(facts.notSeen).toEqual(['carte-9 could not be read']);
    expect(facts.timeline.map(({ by }) => by)).toEqual([
      'ops-oncall',
      undefined,
      undefined,
      'dba-oncall',
      undefined,
      undefined,
    ]);
  });

  it('of a run without a plan are empty, not missing', async () => {
    const runId = await openedRun(scene.ledger);
    expect(await scene.ledger.closing.facts(runId, never)).toMatchObject({
      targets: [],
      left: [],
      checks: [],
      cameBack: [],
    });
    expect(await scene.ledger.shards.tally({ runId, wave: 1, shard: 0 }, never)).toEqual(untouchedTally(0));
  });
});
