import { simulate, simulateMany } from '../sim/run.js';
import { shrink } from '../sim/shrink.js';
import type { Proof, ProofPlan, ProofReport } from './proof.js';

const RUNS = 200_000;
const QUICK_RUNS = 20_000;

/** The stop protocol under a seeded scheduler, many times over. */
export const simulation: Proof = {
  about: 'stop and verify under crashes, take-overs, brakes, lost and late requests, on one seeded scheduler',
  run: prove,
};

async function prove({ seed, quick, progress }: ProofPlan): Promise<ProofReport> {
  const runs = quick ? QUICK_RUNS : RUNS;
  const many = await simulateMany({
    seed,
    runs,
    onProgress: (done) => {
      if (done % 5000 === 0) progress(`${done} of ${runs} stories`);
    },
  });
  const violations: string[] = [];
  for (const { run, result } of many.failures) {
    const kind = result.violations[0]?.kind;
    const tape = await shrink(result.tape, async (bytes) => (await simulate(bytes)).violations[0]?.kind === kind);
    const told = await simulate(tape, { log: true });
    const what = told.violations.map((violation) => `${violation.kind}: ${violation.what}`);
    violations.push([`run ${run}, tape ${JSON.stringify(tape)}`, ...what, ...told.log].join('\n'));
  }
  return {
    name: 'simulation',
    seed,
    tried: many.runs,
    held: many.runs - many.failures.length,
    violations,
    figures: {
      runs: many.runs,
      runsPerSecond: Math.round(many.runs / many.seconds),
      stepsPerRun: Math.round(many.steps / Math.max(1, many.runs)),
      faults: many.faults,
    },
    notMeasured: [
      'the wrapper of Temporal around the activities, and the workflow: the simulation plays their part',
      'the adapters: HTTP, sockets and XML are models here; the same holds for the ledger, which a test compares with PostgreSQL',
      'the rung kill, and snapshots that are slow by themselves',
      'more than three servers, seven tasks and two shards in one story',
      'a machine that is frozen together with its monotonic clock',
    ],
  };
}
