import { describe, expect, it } from 'vitest';
import { staleSchemas } from '../../schema/generate.js';

describe('the published JSON Schemas', () => {
  it('are those of the contracts; refresh them with: npx tsx schema/generate.ts', async () => {
    expect(await staleSchemas()).toEqual([]);
  });
});
