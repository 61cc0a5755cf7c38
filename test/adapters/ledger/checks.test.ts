import { describe, expect, it } from 'vitest';
import { aCheck, aTarget, confirmedRun, never, NOW, openedRun, stopOf, useLedger } from './scene.js';

const scene = useLedger();

describe('a check', () => {
  it('stays as it was first recorded', async () => {
    const { ledger } = scene;
    const runId = await openedRun(ledger);
    for (const verdict of ['red', 'green'] as const)
      await ledger.closing.recordCheck(runId, 'after', 0, { ...aCheck, verdict }, never);
    // one that differs only in what it expects
    await ledger.closing.recordCheck(runId, 'after', 1, { ...aCheck, verdict: 'green' }, never);
    expect(await ledger.closing.recordedChecks(runId, 'after', never)).toEqual(new Set([0, 1]));
    expect((await ledger.closing.facts(runId, never)).checks).toMatchObject([{ after: 'red' }, { after: 'green' }]);
    await expect(scene.sql('UPDATE checks SET verdict = $1', ['green'])).rejects.toThrow(/append-only/);
  });

  it('of before is no baseline once a request was intended', async () => {
    const { ledger } = scene;
    const target = aTarget('carte-1', 'target');
    const { runId } = await confirmedRun(ledger, { waves: [[target]] });
    const claim = await ledger.shards.claim({ runId, wave: 1, shard: 0 }, NOW, never);
    await ledger.shards.intend(claim, [stopOf(target)], NOW, never);
    for (const phase of ['before', 'after'] as const)
      await ledger.closing.recordCheck(runId, phase, 0, { ...aCheck, verdict: 'red' }, never);
    expect((await ledger.closing.facts(runId, never)).checks).toMatchObject([{ before: 'notRun', after: 'red' }]);
  });
});
