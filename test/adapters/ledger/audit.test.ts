import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { firstBreak, hashOf } from '../../support/verify-chain.js';
import { confirmedRun, never, NOW, openedRun, someTargets, stopOf, useLedger } from './scene.js';

const scene = useLedger();

async function chainOf(chain: string) {
  const rows = await scene.sql('SELECT seq, record, hash FROM audit WHERE chain = $1 ORDER BY seq', [chain]);
  return rows.map((row) => ({ seq: Number(row['seq']), record: String(row['record']), hash: String(row['hash']) }));
}

/** A run with one confirmed, intended, answered and proven chunk. */
async function aShardsStory() {
  const targets = someTargets(3);
  const { runId } = await confirmedRun(scene.ledger, { waves: [targets] });
  const claim = await scene.ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
  await scene.ledger.shards.intend(
    claim,
    targets.map((target) => stopOf(target)),
    NOW,
    never,
  );
  await scene.ledger.shards.answer(
    claim,
    targets.map((target) => ({ target, n: 1, reply: { kind: 'acknowledged' as const }, at: NOW })),
    never,
  );
  await scene.ledger.shards.record(
    claim,
    targets.map((target) => ({ target, at: NOW, what: 'Stopped', outcome: 'stopped' as const })),
    never,
  );
  return { runId, chain: await chainOf(`${runId}/1/0`) };
}

describe('the hash of an audit record', () => {
  it('is that of the published vectors', () => {
    const first = {
      action: 'run.created',
      actor: { auth: 'token', ip: '10.0.0.7', roles: ['operator'], user: 'operator-1' },
      id: 'rec-1',
      outcome: 'ok',
      planHash: '',
      prevHash: '0'.repeat(64),
      reason: '上游数据错误',
      runId: 'INC-42',
      seq: 1,
      time: '2026-01-02T03:04:05.678Z',
    };
    const second = {
      ...first,
      action: 'plan.approved',
      actor: { auth: 'ed25519', ip: '10.0.0.8', roles: ['approver'], user: 'approver-1' },
      id: 'rec-2',
      planHash: '9f2c',
      prevHash: hashOf(first),
      reason: 'ok <go> & "now"',
      seq: 2,
      time: '2026-01-02T03:05:00.000Z',
    };
    expect(hashOf(first)).toBe('3256f2636c6104edb439eda42672c592a462fb1f6011f4427e0b1fe5618174ed');
    expect(hashOf(second)).toBe('7b6775f1a8cff6d6393ac01fa3c8a3b7bf791b15c714ebf36bd868d08fb3dbac');
  });

  it('is the same whether the ledger or Node writes the text, whatever people type', async () => {
    const runId = await openedRun(scene.ledger);
    const words = fc.sample(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), 60);
    for (const what of [...words, 'tab\tquote"back\\slash\u007f\u2028\u0001 上游 😀']) {
      await scene.ledger.runs.act(runId, { kind: 'note', what }, NOW, never);
    }
    expect(firstBreak(await chainOf(runId))).toBeUndefined();
  });
});

describe('the audit chain of a shard', () => {
  let story: Awaited<ReturnType<typeof aShardsStory>>;
  beforeAll(async () => {
    story = await aShardsStory();
  });

  it('has one record each for a chunk of intents, replies and outcomes, in that order, and verifies', () => {
    expect(story.chain.map(({ record }) => (JSON.parse(record) as { action: string }).action)).toEqual([
      'stop.intended',
      'stop.requested',
      'target.outcome',
    ]);
    expect(firstBreak(story.chain)).toBeUndefined();
  });

  it('shows an edit, an edit with a new hash, a deletion and a swap', () => {
    const [first, second, third] = story.chain;
    if (first === undefined || second === undefined || third === undefined) throw new TypeError('three');
    const edited = second.record.replace('acknowledged', 'unanswered');
    expect(firstBreak([first, { ...second, record: edited }, third])).toBe(2);
    expect(firstBreak([first, { ...second, record: edited, hash: hashOf(JSON.parse(edited)) }, third])).toBe(3);
    expect(firstBreak([first, third])).toBe(2);
    expect(firstBreak([second, first, third])).toBe(1);
  });

  it('verifies after many writers at once', async () => {
    const runId = await openedRun(scene.ledger);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        scene.ledger.runs.act(runId, { kind: 'note', what: `note ${index}` }, NOW, never),
      ),
    );
    const chain = await chainOf(runId);
    expect([chain.length, firstBreak(chain)]).toEqual([21, undefined]);
  });
});

describe('what is evidence or audit', () => {
  for (const table of ['attempts', 'evidence', 'snapshots', 'retries', 'approvals', 'audit']) {
    it(`cannot be changed, deleted or emptied in ${table}`, async () => {
      for (const statement of [`UPDATE ${table} SET at = 0`, `DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
        await expect(scene.sql(statement)).rejects.toMatchObject({ code: 'OB002' });
      }
    });
  }
});
