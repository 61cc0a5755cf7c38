import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { workflowBundlePath } from '../support/temporal.js';

describe('the workflow bundle', () => {
  it.each([
    ['activities', /\/activities\/[\w-]+\.(ts|js)/],
    ['adapters', /\/adapters\//],
    ['the rules of selection', /\/domain\/selection\//],
    ['re2js', /node_modules\/re2js/],
    ['axios', /node_modules\/axios/],
  ])('holds nothing of %s, over others neither', async (_, path) => {
    const modules = modulesOf(readFileSync(await workflowBundlePath(), 'utf8'));
    expect(modules).toContain('/workflows/bulk-termination.');
    expect(modules).not.toMatch(path);
  });
});

/** The paths of what was bundled, as the bundler wrote them above each module. */
function modulesOf(bundle: string): string {
  return bundle
    .split('\n')
    .filter((line) => line.startsWith('/***/ "'))
    .join('\n');
}
