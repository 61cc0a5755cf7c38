import { parseArgs } from 'node:util';
import type { Proof } from './proof.js';
import { simulation } from './simulation.js';

/** Experiments by name; each repeats by its seed. */
const PROOFS: Readonly<Record<string, Proof>> = { simulation };

const USAGE = [
  'npm run prove -- NAME [--quick] [--json] [--seed N]',
  '',
  ...Object.entries(PROOFS).map(([name, { about }]) => `  ${name.padEnd(12)}${about}`),
  '',
  'Prints what was tried, what held, what did not, and what it does not measure. Exit code 0: all held; 2: something did not; 1: wrong usage.',
].join('\n');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [name = ''] = positionals;
  const proof = Object.hasOwn(PROOFS, name) ? PROOFS[name] : undefined;
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  if (proof === undefined || positionals.length !== 1 || !Number.isSafeInteger(seed)) {
    console.error(USAGE);
    return 1;
  }
  const report = await proof.run({
    seed,
    quick: values.quick,
    progress: (text) => {
      console.error(`${name}: ${text}`);
    },
  });
  if (values.json) console.log(JSON.stringify(report));
  else {
    console.log(`${report.name}, seed ${report.seed}: ${report.held} of ${report.tried} held`);
    for (const violation of report.violations) console.log(`did not hold: ${violation}`);
    for (const [figure, value] of Object.entries(report.figures)) console.log(`  ${figure}: ${JSON.stringify(value)}`);
    for (const missing of report.notMeasured) console.log(`  not measured: ${missing}`);
  }
  return report.violations.length === 0 && report.held === report.tried ? 0 : 2;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
