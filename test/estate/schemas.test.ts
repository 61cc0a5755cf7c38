import { describe, expect, it } from 'vitest';
import { staleSchemas } from '../../scripts/generate-schemas.js';

describe('the published JSON Schemas', () => {
  it('are those of the contracts; refresh them with: npx tsx scripts/generate-schemas.ts', async () => {
    expect(await staleSchemas()).toEqual([]);
  });
});
