import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBuilt } from './build.mjs';
import { onPath, outputOf, run } from './processes.mjs';

/** Programs of packages, each a check of its own. The build checks the types of all but the tests. */
const PROGRAMS = [
  ['types of the tests', 'typescript/bin/tsc', '-p', 'tsconfig.json'],
  ['format', 'prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  ['lint', 'eslint/bin/eslint.js', '.'],
  ['imports', 'dependency-cruiser/bin/dependency-cruise.mjs', '--output-type', 'err', '.'],
  ['dead code', 'knip/bin/knip.js'],
];

/**
 * `npm test`: every static check, then the tests. With arguments (paths, `-t NAME`) only the tests that they choose.
 * Its last line is `N passed, N failed`, with `, N skipped` where some were.
 * @param {string} root folder of the project
 * @param {readonly string[]} args of vitest
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} exit code
 */
export async function runChecks(root, args, env) {
  const failed = [];
  let checks = 0;
  const check = async (name, passes) => {
    write(`\n== ${name}\n`);
    const start = performance.now();
    checks += 1;
    if (!(await passes())) failed.push(name);
    write(`   ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  };

  await check('types', () => isBuilt(root) || refuse('The build failed: see the messages above.'));
  if (args.length === 0) {
    for (const [name, program, ...options] of PROGRAMS) {
      const command = [join(root, 'node_modules', program), ...options];
      await check(
        name,
        async () => (await run(process.execPath, command, { cwd: root, env, stdout: 'inherit' })).code === 0,
      );
    }
    await check('what the tests need', () => hopCanRun(env));
  }

  write('\n== tests\n');
  const { passed, red, skipped, doubles } = await runTests(root, args, env);
  if (args.length === 0) {
    await check(
      'names of tests',
      () => doubles.length === 0 || refuse(`Two tests have the same name:\n  ${doubles.join('\n  ')}`),
    );
  }
  const all = red + failed.length;
  if (all > 0) write(`\nFailed: ${[...failed, ...(red > 0 ? ['tests'] : [])].join(', ')}\n`);
  write(`\n${passed + checks - failed.length} passed, ${all} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return all > 0 ? 1 : 0;
}

async function runTests(root, args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'offboil-results-'));
  try {
    const file = join(folder, 'results.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const { code } = await run(process.execPath, [vitest, 'run', ...reporters, ...args], {
      cwd: root,
      env,
      stdout: 'inherit',
    });
    return count(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).testResults : [], code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(files, code) {
  const tests = files.flatMap((file) => file.assertionResults);
  const passed = tests.filter((test) => test.status === 'passed').length;
  const failedTests = tests.filter((test) => test.status === 'failed').length;
  // a file that cannot be loaded has no tests; what fails outside of all files (global set-up, a crash) shows in the code alone
  const broken = files.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const red = failedTests + broken;
  const names = tests.map((test) => test.fullName);
  return {
    passed,
    red: red === 0 && code !== 0 ? 1 : red,
    skipped: tests.length - passed - failedTests,
    doubles: [...new Set(names.filter((name, index) => names.indexOf(name) !== index))],
  };
}

/** Elsewhere their suite may be left out, and says so. In CI it never is. */
function hopCanRun(env) {
  const java = onPath('java', env) === undefined ? undefined : outputOf('java', ['-version'], env);
  const version = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  const missing = [
    ...(version >= 17 ? [] : ['Java 17 or newer']),
    ...(onPath('mvn', env) === undefined ? ['Maven'] : []),
  ];
  if (missing.length === 0) return true;
  const inCi = (env.CI ?? '') !== '';
  write(
    `${missing.join(' and ')} missing: the suite against real Hop Servers ${inCi ? 'cannot run' : 'is left out'}.\n`,
  );
  return !inCi;
}

function refuse(text) {
  write(`${text}\n`);
  return false;
}

function write(text) {
  process.stdout.write(text);
}
