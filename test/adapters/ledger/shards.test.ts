import { describe, expect, it, vi } from 'vitest';
import type { Evidence } from '../../../domain/ports.js';
import type { Outcome } from '../../../domain/outcomes.js';
import type { TargetKey } from '../../../domain/tasks.js';
import {
  aPolicy,
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

const actor = { role: 'operator', by: 'ops-oncall', assurance: 'asserted' as const, at: new Date(NOW).toISOString() };

function seen(target: TargetKey, outcome: Outcome, more: Partial<Evidence> = {}): Evidence {
  return {
    target: { server: target.server, id: target.id },
    at: NOW + 1000,
    what: `listed as ${outcome}`,
    outcome,
    ...more,
  };
}

async function aShard(count = 3) {
  const targets = someTargets(count);
  const [first, second, third] = targets;
  if (first === undefined || second === undefined || third === undefined) throw new TypeError('at least three');
  const { runId } = await confirmedRun(scene.ledger, { waves: [targets] });
  const key = { runId, wave: 1, shard: 0 };
  const claim = await scene.ledger.shards.claim(key, NOW, never);
  return { runId, key, claim, targets, first, second, third };
}

describe('a worker whose shard was taken over', () => {
  it('writes no intent', async () => {
    const { key, claim, first } = await aShard();
    const newer = await scene.ledger.shards.claim(key, NOW, never);
    await expect(scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never)).rejects.toMatchObject({
      code: 'CLAIM_LOST',
    });
    expect((await scene.ledger.shards.open(newer, never)).flatMap((target) => target.attempts)).toEqual([]);
    expect(newer.epoch).toBe(claim.epoch + 1);
  });

  it('writes no answer, and the attempt stays in doubt', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    const newer = await scene.ledger.shards.claim(key, NOW, never);
    const answer = { target: first, n: 1, reply: { kind: 'acknowledged' as const }, at: NOW };
    await expect(scene.ledger.shards.answer(claim, [answer], never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    const [target] = await scene.ledger.shards.open(newer, never);
    expect(target?.attempts).toEqual([{ n: 1, rung: 'stop', epoch: 1, intendedAt: NOW }]);
  });

  it('writes no evidence', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.claim(key, NOW, never);
    await expect(scene.ledger.shards.record(claim, [seen(first, 'stopped')], never)).rejects.toMatchObject({
      code: 'CLAIM_LOST',
    });
    expect((await scene.ledger.shards.tally(key, never)).open).toBe(3);
  });

  it('reads no work', async () => {
    const { key, claim } = await aShard();
    await scene.ledger.shards.claim(key, NOW, never);
    await expect(scene.ledger.shards.open(claim, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
  });
});

describe('the outcome of a target', () => {
  it('is the first final one, whatever is recorded later', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'alreadyEnded')], never);
    await scene.ledger.shards.record(claim, [seen(first, 'stopped')], never);
    expect((await scene.ledger.shards.tally(key, never)).outcomes).toEqual({ alreadyEnded: 1 });
  });

  it('is one only, even if a chunk holds two final ones', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'replaced'), seen(first, 'stopped')], never);
    expect((await scene.ledger.shards.tally(key, never)).outcomes).toEqual({ replaced: 1 });
  });

  it('is provisional until a late proof makes it final', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed')], never);
    expect((await scene.ledger.shards.tally(key, never)).outcomes).toEqual({ unconfirmed: 1 });
    await scene.ledger.shards.record(claim, [seen(first, 'stopped', { late: true })], never);
    expect(await scene.ledger.shards.tally(key, never)).toMatchObject({
      outcomes: { stopped: 1 },
      late: 1,
      open: 2,
      targets: 3,
    });
  });

  it('is not changed by a provisional one that comes after a final one', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'stopped')], never);
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed')], never);
    expect((await scene.ledger.shards.tally(key, never)).outcomes).toEqual({ stopped: 1 });
  });
});

describe('the open targets of a shard', () => {
  it('come in the order of the plan, without those that have a final outcome', async () => {
    const { claim, first, second, third } = await aShard();
    await scene.ledger.shards.record(claim, [seen(second, 'stopped')], never);
    expect(keysOf(await scene.ledger.shards.open(claim, never))).toEqual(keysOf([first, third]));
  });

  it('carry their attempts with replies, snapshots, first sight of ending, and provisional outcome', async () => {
    const { claim, first } = await aShard();
    await scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    await scene.ledger.shards.answer(
      claim,
      [{ target: first, n: 1, reply: { kind: 'unanswered', note: 'reset' }, at: NOW + 5 }],
      never,
    );
    const snapshot = {
      word: 'Halting',
      state: 'ending',
      proves: 'running',
      steps: [],
      logTail: 'half a letter: \ud800, and NUL: \0',
    } as const;
    await scene.ledger.shards.record(
      claim,
      [{ target: first, at: NOW + 7, what: 'halting', ending: true, snapshot }],
      never,
    );
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed')], never);
    const [target] = await scene.ledger.shards.open(claim, never);
    expect(target).toMatchObject({
      name: 'load_orders',
      rungs: ['stop', 'rollback'],
      hasSnapshot: true,
      endingSince: NOW + 7,
      outcome: 'unconfirmed',
      outcomeAt: NOW + 1000,
      attempts: [{ n: 1, rung: 'stop', epoch: 1, intendedAt: NOW, reply: 'unanswered', repliedAt: NOW + 5 }],
    });
  });

  it("carry discovery's look, which may serve as a fresh list", async () => {
    const [target] = someTargets(1);
    if (target === undefined) throw new TypeError('one');
    const { ledger } = scene;
    const runId = await openedRun(ledger);
    const task = { ...target, word: 'Running', state: 'active' as const, closesBy: 'list' as const };
    await ledger.plans.observe(runId, 'discovery', { server: 'carte-1', askedAt: NOW - 300, tasks: [task] }, never);
    await plannedRun(ledger, { waves: [[target]] }, runId);
    const claim = await ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
    expect((await ledger.shards.open(claim, never))[0]?.seen).toEqual({ askedAt: NOW - 300, state: 'active' });
  });

  it('are asked for again once a person retries after the outcome, on the rung named, and not before', async () => {
    const { runId, claim, first, second } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed'), seen(second, 'stopped')], never);
    await scene.ledger.runs.act(runId, { kind: 'retry', actor, rung: 'rollback' }, NOW + 2000, never);
    const again = await scene.ledger.shards.open(claim, never);
    expect(again.map((target) => target.again)).toEqual([{ at: NOW + 2000, rung: 'rollback' }, undefined]);
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed', { at: NOW + 500 })], never);
    expect((await scene.ledger.shards.open(claim, never))[0]?.again).toBeUndefined();
  });

  it('are asked for again on no rung that their plan does not permit', async () => {
    const { runId, claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed')], never);
    await expect(
      scene.ledger.runs.act(runId, { kind: 'retry', actor, rung: 'kill', targets: [first] }, NOW + 2000, never),
    ).rejects.toMatchObject({ code: 'MESSAGE_REFUSED' });
    expect((await scene.ledger.shards.open(claim, never))[0]?.again).toBeUndefined();
  });

  it('are not asked for again once an attempt that may have left has answered the retry', async () => {
    const { runId, claim, first } = await aShard();
    const again = async () => (await scene.ledger.shards.open(claim, never))[0]?.again;
    await scene.ledger.shards.record(claim, [seen(first, 'unconfirmed')], never);
    await scene.ledger.runs.act(runId, { kind: 'retry', actor, targets: [first] }, NOW + 2000, never);
    await scene.ledger.shards.intend(claim, [stopOf(first)], NOW - 60_000, never);
    expect(await again()).toBeUndefined();
    await scene.ledger.shards.answer(claim, [{ target: first, n: 1, reply: { kind: 'unsent' }, at: NOW }], never);
    expect(await again()).toEqual({ at: NOW + 2000 });
  });

  it('of the whole run are in wave 0, whatever their wave', async () => {
    const [first, second, third] = [someTargets(1, 'carte-1'), someTargets(1, 'carte-2'), someTargets(1, 'carte-3')];
    const sites = new Map([['carte-3', 'shanghai']]);
    const { runId, plan } = await confirmedRun(scene.ledger, { waves: [first, [...second, ...third]], sites });
    const home = await scene.ledger.shards.claim({ runId, wave: 0, shard: 0 }, NOW, never);
    const away = await scene.ledger.shards.claim({ runId, wave: 0, shard: 1 }, NOW, never);
    expect(plan.linger).toMatchObject([
      { servers: ['carte-1', 'carte-2'] },
      { site: 'shanghai', servers: ['carte-3'] },
    ]);
    expect(keysOf(await scene.ledger.shards.open(home, never))).toEqual(keysOf([...first, ...second]));
    expect(keysOf(await scene.ledger.shards.open(away, never))).toEqual(keysOf(third));
  });
});

describe('an intent', () => {
  it('counts as requested until the reply says that nothing left', async () => {
    const { key, claim, first, second } = await aShard();
    await scene.ledger.shards.intend(claim, [stopOf(first), stopOf(second)], NOW, never);
    expect((await scene.ledger.shards.tally(key, never)).requested).toBe(2);
    await scene.ledger.shards.answer(claim, [{ target: first, n: 1, reply: { kind: 'unsent' }, at: NOW }], never);
    expect((await scene.ledger.shards.tally(key, never)).requested).toBe(1);
  });

  it('is granted again to the same claim, whose commit may have lost its answer, but not once it has a reply', async () => {
    const { claim, first } = await aShard();
    const again = () => scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    await again();
    expect(keysOf((await again()).granted)).toEqual(keysOf([first]));
    await scene.ledger.shards.answer(claim, [{ target: first, n: 1, reply: { kind: 'acknowledged' }, at: NOW }], never);
    expect((await again()).granted).toEqual([]);
  });

  it('is not granted for an attempt that an older claim left in doubt', async () => {
    const { key, claim, first } = await aShard();
    await scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    const newer = await scene.ledger.shards.claim(key, NOW, never);
    expect((await scene.ledger.shards.intend(newer, [stopOf(first, 1)], NOW, never)).granted).toEqual([]);
    expect((await scene.ledger.shards.intend(newer, [stopOf(first, 2)], NOW, never)).granted).toHaveLength(1);
  });

  it('is not granted for a target with a final outcome', async () => {
    const { claim, first } = await aShard();
    await scene.ledger.shards.record(claim, [seen(first, 'alreadyEnded')], never);
    expect(await scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never)).toEqual({
      granted: [],
      protected: [],
    });
  });

  it('is not granted before the plan is confirmed', async () => {
    const targets = someTargets(1);
    const { runId } = await plannedRun(scene.ledger, { waves: [targets] });
    const claim = await scene.ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
    expect(
      (
        await scene.ledger.shards.intend(
          claim,
          targets.map((target) => stopOf(target)),
          NOW,
          never,
        )
      ).granted,
    ).toEqual([]);
  });
});

describe('a floor', () => {
  async function twoRunsOver(group: string, members: number, keep: number) {
    const mine = [someTargets(2), someTargets(2)];
    const [first, second] = mine.map((targets) => ({
      waves: [targets],
      groups: Object.fromEntries(keysOf(targets).map((key) => [key, group])),
      groupMembers: new Map([[group, members]]),
      policy: aPolicy({ floors: [{ group, keep }] }),
    }));
    if (first === undefined || second === undefined) throw new TypeError('two');
    const runs = [await confirmedRun(scene.ledger, first), await confirmedRun(scene.ledger, second)];
    return Promise.all(
      runs.map(async ({ runId }, index) => ({
        claim: await scene.ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never),
        intents: (mine[index] ?? []).map((target) => stopOf(target)),
      })),
    );
  }

  it('holds against another run whose intent is not committed yet', async () => {
    const [first, second] = await twoRunsOver('core-feeds', 5, 2);
    if (first === undefined || second === undefined) throw new TypeError('two');
    const { claim, intents } = first;
    await scene.sql('BEGIN');
    await scene.sql('SELECT * FROM offboil_intend($1, 1, 0, $2, $3, $4, $5, $6, $7)', [
      claim.runId,
      claim.epoch,
      NOW,
      intents.map(({ target }) => target.server),
      intents.map(({ target }) => target.id),
      intents.map(({ n }) => n),
      intents.map(({ rung }) => rung),
    ]);
    const waiting = scene.ledger.shards.intend(second.claim, second.intents, NOW, never);
    const isWaiting = `SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
                        WHERE NOT granted AND locktype = 'advisory' AND d.datname = current_database()`;
    await vi.waitFor(async () => {
      expect(await scene.sql(isWaiting)).toHaveLength(1);
    }, 5000);
    await scene.sql('COMMIT');
    const answer = await waiting;
    expect([answer.granted.length, answer.protected.length]).toEqual([1, 1]);
  });

  it('leaves its reason as the final outcome of what it protects', async () => {
    const [run] = await twoRunsOver('night-feeds', 3, 2);
    if (run === undefined) throw new TypeError('one');
    const answer = await scene.ledger.shards.intend(run.claim, run.intents, NOW, never);
    expect(answer.granted).toHaveLength(1);
    expect((await scene.ledger.shards.tally(run.claim, never)).outcomes).toEqual({ protected: 1 });
    const { targets } = await scene.ledger.closing.facts(run.claim.runId, never);
    expect(targets.map(({ evidence }) => evidence[0]?.what)).toContainEqual(
      expect.stringContaining('floor of group night-feeds'),
    );
  });

  it('does not count a target twice that is asked again', async () => {
    const [run] = await twoRunsOver('week-feeds', 4, 2);
    if (run === undefined) throw new TypeError('one');
    await scene.ledger.shards.intend(run.claim, run.intents, NOW, never);
    const again = run.intents.map((intent) => ({ ...intent, n: 2 }));
    expect(await scene.ledger.shards.intend(run.claim, again, NOW, never)).toMatchObject({
      granted: [{}, {}],
      protected: [],
    });
  });
});

describe('skipping what is open', () => {
  it('leaves what was requested or already has an outcome', async () => {
    const { runId, key, claim, first, second } = await aShard();
    await scene.ledger.shards.intend(claim, [stopOf(first)], NOW, never);
    await scene.ledger.shards.record(claim, [seen(second, 'unreachable')], never);
    expect(await scene.ledger.closing.skipOpen(runId, 'unrequested', 'brake', NOW, never)).toBe(1);
    expect(await scene.ledger.shards.tally(key, never)).toMatchObject({
      open: 1,
      outcomes: { skipped: 1, unreachable: 1 },
    });
  });

  it('takes a target away from a claim that is about to ask for it', async () => {
    const { runId, claim, first, second } = await aShard();
    await scene.ledger.closing.skipOpen(runId, [first], 'left out by ops-oncall', NOW, never);
    expect(
      keysOf((await scene.ledger.shards.intend(claim, [stopOf(first), stopOf(second)], NOW, never)).granted),
    ).toEqual(keysOf([second]));
  });
});
