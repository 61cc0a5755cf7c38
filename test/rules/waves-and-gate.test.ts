import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Amount } from '../../domain/contracts/policy.js';
import { untouchedTally, type Tally } from '../../domain/outcomes.js';
import { limitOf, sizeOf } from '../../domain/planning/amounts.js';
import { arrangeWaves, waveSizes } from '../../domain/planning/waves.js';
import { decideGate, gateCounts } from '../../domain/stopping/gate.js';
import { PRIORITIES } from '../../domain/tasks.js';

const step = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom<Amount>('5%', '20%', '33.3%', '100%'));

describe('rounding of a share', () => {
  it('is up for the size of a wave and down for a limit, as this table of 20 % says', () => {
    const totals = Array.from({ length: 20 }, (_, index) => index + 1);
    expect(totals.map((total) => sizeOf('20%', total))).toEqual([
      1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4,
    ]);
    expect(totals.map((total) => limitOf('20%', total))).toEqual([
      0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4,
    ]);
  });

  it('gives 5 for 10 % of 50, so that the sixth exceeds it', () => {
    expect(limitOf('10%', 50)).toBe(5);
  });

  it('is exact where floating point is not', () => {
    expect(limitOf('0.57%', 10_000)).toBe(57);
    expect(sizeOf('7%', 100)).toBe(7);
  });
});

describe('waves', () => {
  it('grow as the ramp says, and its last step repeats', () => {
    expect(waveSizes(20, [1, 5, '20%'])).toEqual([1, 5, 4, 4, 4, 2]);
    expect(waveSizes(3, ['100%'])).toEqual([3]);
    expect(waveSizes(0, [1])).toEqual([]);
  });

  it('hold every target exactly once, whatever the ramp', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), step, fc.array(step), (total, first, more) => {
        const sizes = waveSizes(total, [first, ...more]);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(total);
        expect(sizes.every((size) => size > 0)).toBe(true);
      }),
    );
  });

  it('have one priority each, low first, and hold every target once in the same order whatever order they came in', () => {
    const target = fc.record({
      server: fc.constantFrom('a', 'b', 'c'),
      name: fc.constantFrom('x', 'y'),
      priority: fc.constantFrom(...PRIORITIES),
    });
    fc.assert(
      fc.property(fc.array(target), step, (given, first) => {
        const targets = given.map((one, index) => ({ ...one, id: String(index) }));
        const waves = arrangeWaves(targets, [first]);
        const ids = waves.flatMap((wave) => wave.targets.map(({ id }) => id));
        expect([...ids].sort()).toEqual(targets.map(({ id }) => id).sort());
        for (const wave of waves)
          expect(new Set(wave.targets.map(({ priority }) => priority))).toEqual(new Set([wave.priority]));
        const ranks = waves.map(({ priority }) => PRIORITIES.indexOf(priority));
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
        expect(arrangeWaves([...targets].reverse(), [first])).toEqual(waves);
      }),
    );
  });

  it('spread over the servers', () => {
    const targets = ['a', 'a', 'a', 'b', 'b', 'c'].map((server, index) => ({
      server,
      id: String(index),
      name: 'x',
      priority: 'low' as const,
    }));
    const [first] = arrangeWaves(targets, [3]);
    expect(first?.targets.map(({ server }) => server)).toEqual(['a', 'b', 'c']);
  });
});

function tally(outcomes: Tally['outcomes'], targets: number): Tally {
  const settled = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return { ...untouchedTally(0), targets, outcomes, open: targets - settled, requested: targets };
}

const requested = { allRequested: true, withinOver: false };
const over = { allRequested: true, withinOver: true };

describe('a gate', () => {
  it('halts at the first failure beyond the limit, whichever way it failed', () => {
    const gate = { failed: 2, waitMs: 1 };
    expect(decideGate(gate, tally({ failed: 1, refused: 1 }, 10), requested).kind).toBe('go');
    expect(decideGate(gate, tally({ failed: 1, refused: 1, unreachable: 1 }, 10), requested)).toEqual({
      kind: 'halt',
      why: "3 failed, refused or unreachable, the policy's gate.failed allows 2",
    });
  });

  it('counts a share over the targets of all waves so far', () => {
    const gate = { failed: '20%', waitMs: 1 };
    expect(decideGate(gate, tally({ failed: 1 }, 5), requested).kind).toBe('go');
    expect(decideGate(gate, tally({ failed: 1 }, 4), requested).kind).toBe('halt');
    expect(decideGate(gate, tally({ failed: 2 }, 10), requested).kind).toBe('go');
  });

  it('trips over single failures that bleed through many waves', () => {
    const gate = { failed: 3, waitMs: 1 };
    const kinds = [1, 2, 3, 4].map(
      (wave) => decideGate(gate, tally({ failed: wave, stopped: 9 * wave }, 10 * wave), over).kind,
    );
    expect(kinds).toEqual(['go', 'go', 'go', 'halt']);
  });

  it('goes as soon as all is requested when nothing limits the unconfirmed', () => {
    expect(decideGate({ failed: 0, waitMs: 1 }, tally({}, 100), requested)).toEqual({ kind: 'go' });
    expect(decideGate({ failed: 0, waitMs: 1 }, tally({}, 100), { allRequested: false, withinOver: false }).kind).toBe(
      'wait',
    );
  });

  it('waits while what is open could still break the limit, and goes once it cannot', () => {
    const gate = { unconfirmed: 2, waitMs: 1 };
    expect(decideGate(gate, tally({ stopped: 7 }, 10), requested)).toEqual({ kind: 'wait', openAtMost: 2 });
    expect(decideGate(gate, tally({ stopped: 7, unconfirmed: 1 }, 10), requested)).toEqual({
      kind: 'wait',
      openAtMost: 1,
    });
    expect(decideGate(gate, tally({ stopped: 8 }, 10), requested)).toEqual({ kind: 'go' });
  });

  it('counts what is open when the time is over as unconfirmed', () => {
    const gate = { unconfirmed: 0, waitMs: 1 };
    expect(decideGate(gate, tally({ stopped: 9 }, 10), over).kind).toBe('halt');
    expect(decideGate(gate, tally({ stopped: 10 }, 10), over).kind).toBe('go');
  });

  it('never goes once a limit is broken, and never waits when the time is over', () => {
    const counts = fc.record({
      stopped: fc.nat(20),
      failed: fc.nat(5),
      refused: fc.nat(5),
      unconfirmed: fc.nat(5),
      open: fc.nat(20),
    });
    const limits = fc.record({
      failed: fc.constantFrom<Amount>(0, 2, '20%'),
      unconfirmed: fc.constantFrom<Amount>(0, 3, '50%'),
    });
    fc.assert(
      fc.property(
        counts,
        limits,
        fc.boolean(),
        fc.boolean(),
        ({ open, ...outcomes }, limit, allRequested, withinOver) => {
          const targets = Object.values(outcomes).reduce((sum, count) => sum + count, open);
          const given = { ...untouchedTally(0), targets, outcomes, open };
          const decision = decideGate({ ...limit, waitMs: 1 }, given, { allRequested, withinOver });
          const isBroken =
            outcomes.failed + outcomes.refused > limitOf(limit.failed, targets) ||
            outcomes.unconfirmed > limitOf(limit.unconfirmed, targets);
          if (isBroken) expect(decision.kind).toBe('halt');
          if (withinOver) expect(decision.kind).not.toBe('wait');
          if (decision.kind === 'wait') expect(decision.openAtMost).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});

describe('a gate after a person has resumed a halt', () => {
  const none = { failed: 0, unconfirmed: 0, waitMs: 1 };
  const first = tally({ unconfirmed: 1 }, 1);
  const accepted = { counts: { failed: 0, unconfirmed: 1 }, now: first };

  it('does not halt again for what was accepted', () => {
    expect(decideGate(none, tally({ unconfirmed: 1, stopped: 5 }, 6), over)).toMatchObject({ kind: 'halt' });
    expect(decideGate(none, tally({ unconfirmed: 1, stopped: 5 }, 6), over, accepted)).toEqual({ kind: 'go' });
  });

  it('halts for one more, and says what was accepted', () => {
    expect(decideGate(none, tally({ unconfirmed: 2, stopped: 4 }, 6), over, accepted)).toEqual({
      kind: 'halt',
      why: "2 unconfirmed, the policy's gate.unconfirmed allows 0, and 1 were accepted",
    });
  });

  it('halts for the other limit as before', () => {
    expect(decideGate(none, tally({ unconfirmed: 1, refused: 1 }, 6), over, accepted).kind).toBe('halt');
  });

  it('gives the room of an accepted one that has ended since to no other', () => {
    const ended = { ...accepted, now: tally({ stopped: 1 }, 1) };
    expect(decideGate(none, tally({ stopped: 5, unconfirmed: 1 }, 6), over, ended).kind).toBe('halt');
  });

  it('waits for as many as could still break the limit', () => {
    const open = tally({ unconfirmed: 1, stopped: 2 }, 6);
    expect(decideGate(none, open, requested, accepted)).toEqual({ kind: 'wait', openAtMost: 0 });
  });

  it('keeps the limit over all waves so far, where that allows more than was accepted', () => {
    const five = { counts: { failed: 5, unconfirmed: 0 }, now: tally({ failed: 5 }, 20) };
    const gate = { failed: '20%', waitMs: 1 } as const;
    expect(decideGate(gate, tally({ failed: 8 }, 40), over, five).kind).toBe('go');
    expect(decideGate(gate, tally({ failed: 9 }, 40), over, five).kind).toBe('halt');
    expect(decideGate({ failed: 3, waitMs: 1 }, tally({ failed: 6 }, 40), over, five).kind).toBe('halt');
  });

  it('never halts while nothing has come since, whatever was accepted', () => {
    const counts = fc.record({ failed: fc.nat(9), refused: fc.nat(9), unconfirmed: fc.nat(9), stopped: fc.nat(9) });
    fc.assert(
      fc.property(counts, fc.nat(9), fc.nat(50), fc.boolean(), (outcomes, open, later, withinOver) => {
        const targets = Object.values(outcomes).reduce((sum, count) => sum + count, open);
        const now = { ...untouchedTally(0), targets, outcomes, open };
        const more = { ...now, targets: targets + later, outcomes: { ...outcomes, stopped: outcomes.stopped + later } };
        const decision = decideGate(
          none,
          more,
          { allRequested: true, withinOver },
          { counts: gateCounts(now, withinOver), now },
        );
        expect(decision.kind).not.toBe('halt');
      }),
    );
  });
});
