import { describe, expect, it } from 'vitest';
import { cliReference } from './cli-reference.js';

describe('docs/reference-cli.md', () => {
  it('is what the commands say about themselves (refresh it with `npx vitest run -u test/rules/client/reference-cli.test.ts`)', async () => {
    await expect(cliReference()).toMatchFileSnapshot('../../../docs/reference-cli.md');
  });
});
