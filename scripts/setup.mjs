/**
 * Every npm script goes through here: `node scripts/setup.mjs <demo|test|bench|prove|sandbox|offboil> [arguments]`.
 * Plain JavaScript without dependencies, because it runs before anything is installed.
 */
import { problemWithNode } from './setup/node-version.mjs';

const problem = problemWithNode(process.versions.node);
if (problem === undefined) {
  const { main } = await import('./setup/main.mjs');
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
