import { existsSync, mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/**
 * Bundles the workflows once per release, so that workers start without a compiler and all run the same code.
 * @param outFile appears whole or not at all: a worker may be reading it
 */
export async function bundleWorkflows(outFile: string): Promise<void> {
  // compiled they are JavaScript; under vitest, which runs the sources, they are not
  const workflowsPath = ['js', 'ts']
    .map((ending) => fromHere(`../workflows/index.${ending}`))
    .find((file) => existsSync(file));
  if (workflowsPath === undefined) throw new Error('workflows/index does not exist: there is nothing to bundle.');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  mkdirSync(dirname(outFile), { recursive: true });
  const draft = `${outFile}.${process.pid}`;
  writeFileSync(draft, code);
  renameSync(draft, outFile);
}

function fromHere(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

const started = process.argv[1];
if (started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url)) {
  try {
    await bundleWorkflows(fromHere('../workflow-bundle.js'));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
