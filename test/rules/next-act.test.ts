import { describe, expect, it } from 'vitest';
import type { Attempt, ShardTarget } from '../../domain/ports.js';
import { deadlineOf, nextAct, watchedUntil, type ActContext } from '../../domain/stopping/next-act.js';

const context: ActContext = {
  now: 100_000,
  claim: { epoch: 2, at: 99_000 },
  timeoutMs: 10_000,
  climb: 'auto',
};

function aTarget(change: Partial<ShardTarget> = {}): ShardTarget {
  return {
    server: 'carte-1',
    id: 'a1',
    name: 'load_orders',
    kind: 'transformation',
    rungs: ['stop'],
    within: 60_000,
    checks: [],
    compensate: null,
    sessions: [],
    attempts: [],
    hasSnapshot: false,
    ...change,
  };
}

function attempt(change: Partial<Attempt> = {}): Attempt {
  return { n: 1, rung: 'stop', epoch: 2, intendedAt: 99_000, reply: 'acknowledged', repliedAt: 99_020, ...change };
}

describe('an untouched target', () => {
  it('gets its first rung', () => {
    expect(nextAct(aTarget(), context)).toEqual({ kind: 'send', rung: 'stop', n: 1 });
  });

  it('that is ending already gets no request within its time', () => {
    expect(nextAct(aTarget({ endingSince: 99_000 }), context)).toEqual({ kind: 'wait', until: 159_000 });
  });

  const held = { ...context, now: 200_000 };

  it('that is ending for longer than its time climbs to the rung above stop', () => {
    const stuck = aTarget({ endingSince: 99_500, rungs: ['stop', 'rollback'] });
    expect(nextAct(stuck, held)).toEqual({ kind: 'send', rung: 'rollback', n: 1 });
  });

  it('that is ending for longer than its time is asked like any other where there is no such rung', () => {
    expect(nextAct(aTarget({ endingSince: 99_500 }), held)).toEqual({ kind: 'send', rung: 'stop', n: 1 });
  });

  it('that could not be reached is left alone', () => {
    expect(nextAct(aTarget({ outcome: 'unreachable' }), context)).toEqual({ kind: 'none' });
  });
});

describe('an attempt in doubt', () => {
  const doubtful = aTarget({ attempts: [{ n: 1, rung: 'stop', epoch: 1, intendedAt: 90_000 }] });

  it('of an earlier claim is looked at once it can no longer arrive, and never repeated blindly', () => {
    expect(nextAct(doubtful, context)).toEqual({ kind: 'check', at: 99_000 + 250 + 10_000, rung: 'stop', n: 2 });
  });

  it('of this very claim is under way', () => {
    const ownClaim = { ...context, claim: { epoch: 1, at: 99_000 } };
    expect(nextAct(doubtful, ownClaim).kind).toBe('wait');
  });
});

describe('an answered request', () => {
  it('that provably never left is sent again', () => {
    expect(nextAct(aTarget({ attempts: [attempt({ reply: 'unsent' })] }), context)).toEqual({
      kind: 'send',
      rung: 'stop',
      n: 2,
    });
  });

  it('that was refused is not sent again by itself', () => {
    expect(nextAct(aTarget({ attempts: [attempt({ reply: 'rejected' })] }), context)).toEqual({ kind: 'none' });
  });

  it('without an answer is looked at once it can no longer arrive', () => {
    const act = nextAct(aTarget({ attempts: [attempt({ reply: 'unanswered' })] }), context);
    expect(act).toEqual({ kind: 'check', at: 99_020 + 10_000 + 250, rung: 'stop', n: 2 });
  });

  it('that had no effect is repeated once, after a part of its time', () => {
    const act = nextAct(aTarget({ attempts: [attempt()] }), context);
    expect(act).toEqual({ kind: 'check', at: 99_020 + 10_000, rung: 'stop', n: 2 });
  });

  it('that was repeated without effect only waits', () => {
    const act = nextAct(aTarget({ attempts: [attempt(), attempt({ n: 2 })] }), context);
    expect(act).toEqual({ kind: 'wait', until: 159_020 });
  });

  it('of the safe rung is not repeated: its word stays Running until all rows are through', () => {
    const act = nextAct(aTarget({ rungs: ['safe', 'stop'], attempts: [attempt({ rung: 'safe' })] }), context);
    expect(act).toEqual({ kind: 'wait', until: 159_020 });
  });
});

describe('time in which nobody held the shard', () => {
  const claim = { epoch: 5, at: 1_000_000 };
  const back = { ...context, now: 1_000_100, claim };

  it('is not counted: a request without an answer is asked again, however long ago it was', () => {
    const lost = aTarget({ attempts: [attempt({ reply: 'unanswered', intendedAt: 1000, repliedAt: 11_000 })] });
    expect(nextAct(lost, back)).toEqual({ kind: 'check', at: 11_000 + 10_000 + 250, rung: 'stop', n: 2 });
  });

  it('is not counted for who watches: the time of what was answered begins anew', () => {
    const asked = aTarget({
      attempts: [attempt({ intendedAt: 1000, repliedAt: 1020 }), attempt({ n: 2, repliedAt: 2000 })],
    });
    expect(watchedUntil(asked, claim)).toBe(1_060_000);
    expect(nextAct(asked, { ...back, isWatching: true })).toEqual({ kind: 'wait', until: 1_060_000 });
  });

  it('puts off no climb that is due', () => {
    const asked = aTarget({
      rungs: ['stop', 'rollback'],
      attempts: [attempt({ intendedAt: 1000, repliedAt: 1020 }), attempt({ n: 2, repliedAt: 2000 })],
    });
    expect(nextAct(asked, back)).toEqual({ kind: 'send', rung: 'rollback', n: 3 });
  });

  it('is not made longer by an earlier holder whose clock was an hour ahead', () => {
    const ahead = aTarget({ attempts: [attempt({ epoch: 3, intendedAt: 4_600_000, repliedAt: 4_600_020 })] });
    expect(deadlineOf(ahead, claim)).toBe(1_060_000);
  });
});

describe('a request that was lost', () => {
  it('is asked three times at most on one rung, and then waited for', () => {
    const lost = (n: number): Attempt => attempt({ n, reply: 'unanswered' });
    expect(nextAct(aTarget({ attempts: [lost(1), lost(2)] }), context).kind).toBe('check');
    expect(nextAct(aTarget({ attempts: [lost(1), lost(2), lost(3)] }), context).kind).toBe('wait');
  });
});

describe('a target whose time is over', () => {
  const old = [
    attempt({ intendedAt: 99_000, repliedAt: 99_020 }),
    attempt({ n: 2, intendedAt: 99_000, repliedAt: 99_020 }),
  ];
  const over = { ...context, now: 200_000 };

  it('climbs to the next permitted rung where the policy climbs by itself', () => {
    const act = nextAct(aTarget({ rungs: ['stop', 'rollback'], attempts: old }), over);
    expect(act).toEqual({ kind: 'send', rung: 'rollback', n: 3 });
  });

  it('does not climb where the policy asks first', () => {
    const act = nextAct(aTarget({ rungs: ['stop', 'rollback'], attempts: old }), { ...over, climb: 'ask' });
    expect(act).toEqual({ kind: 'none' });
  });

  it('never climbs to kill by itself', () => {
    expect(nextAct(aTarget({ rungs: ['stop', 'kill'], attempts: old }), over)).toEqual({ kind: 'none' });
  });

  it('is asked again when a person says so, on the rung that person names', () => {
    const again = { at: 99_500, rung: 'rollback' } as const;
    const act = nextAct(aTarget({ rungs: ['stop', 'rollback'], attempts: old, outcome: 'unconfirmed', again }), {
      ...over,
      climb: 'ask',
    });
    expect(act).toEqual({ kind: 'send', rung: 'rollback', n: 3 });
  });
});

describe('the time of a target', () => {
  it('counts from the answer to its last request', () => {
    expect(deadlineOf(aTarget({ attempts: [attempt(), attempt({ n: 2, repliedAt: 120_000 })] }), context.claim)).toBe(
      180_000,
    );
  });

  it('has not begun while nothing was sent', () => {
    expect(deadlineOf(aTarget({ attempts: [attempt({ reply: 'unsent' })] }), context.claim)).toBeUndefined();
  });
});
