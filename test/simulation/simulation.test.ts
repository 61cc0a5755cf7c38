import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGRESSIONS } from '../../sim/regressions.js';
import { simulate, simulateMany } from '../../sim/run.js';
import { drained } from '../../sim/scheduler.js';
import { shrink } from '../../sim/shrink.js';
import { seededTape } from '../../sim/tape.js';

const SEED = 20261124;
const RUNS = 20_000;

/** The story of a tape, with what went wrong in it. */
async function story(tape: readonly number[]): Promise<string> {
  const { violations, log } = await simulate(tape, { log: true });
  return [...log, ...violations.map(({ kind, what, step }) => `VIOLATION at step ${step}: ${kind}: ${what}`)].join(
    '\n',
  );
}

const fails = async (tape: readonly number[]): Promise<boolean> => (await simulate(tape)).violations.length > 0;

describe('the stop protocol under a seeded scheduler', () => {
  it(
    `holds in ${RUNS} stories of crashes, take-overs, brakes, lost and late requests`,
    { timeout: 300_000 },
    async () => {
      const many = await simulateMany({ seed: SEED, runs: RUNS, enough: 1 });
      for (const { run, result } of many.failures) {
        const tape = await shrink(result.tape, fails);
        expect.fail(`run ${run} of seed ${SEED}\ntape ${JSON.stringify(tape)}\n${await story(tape)}`);
      }
      console.log(
        `simulation: ${many.runs} runs, ${Math.round(many.runs / many.seconds)} a second, 0 violations, seed ${SEED}`,
      );
      expect(many.runs).toBe(RUNS);
    },
  );

  it('holds for any tape', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(255), { maxLength: 400 }), async (tape) => {
        if (await fails(tape)) throw new Error(`tape ${JSON.stringify(tape)}\n${await story(tape)}`);
      }),
      { numRuns: 500, seed: SEED },
    );
  });

  it.each(REGRESSIONS)('holds in the story of $name', async ({ tape }) => {
    expect((await simulate(tape)).violations, await story(tape)).toEqual([]);
  });
});

describe('a simulated story', () => {
  it('is told the same way twice by the same seed', async () => {
    for (let run = 0; run < 50; run += 1) {
      const once = await simulate(seededTape(SEED, run), { log: true });
      const twice = await simulate(seededTape(SEED, run), { log: true });
      expect(twice.log).toEqual(once.log);
    }
  });

  it('is told the same way by the tape that it used', async () => {
    for (let run = 0; run < 50; run += 1) {
      const told = await simulate(seededTape(SEED, run), { log: true });
      expect((await simulate(told.tape, { log: true })).log).toEqual(told.log);
    }
  });

  it('has no fault and one obedient target on an empty tape', async () => {
    const { log, faults } = await simulate([], { log: true });
    expect(faults.size).toBe(0);
    expect(log.join('\n')).toContain('record s1/t1 stopped');
  });

  it('goes on only when every continuation of the last step has run', async () => {
    let turns = 0;
    void (async () => {
      for (; turns < 5000; turns += 1) await Promise.resolve();
    })();
    await drained();
    expect(turns).toBe(5000);
  });
});
