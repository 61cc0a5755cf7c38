import { describe, expect, it } from 'vitest';
import { hashOf } from '../../../activities/deps.js';
import { clipBytes, joinPages } from '../../../client/long-texts.js';

describe('a long text read in pages', () => {
  const text = JSON.stringify({ names: ['订单', 'load_orders'] });
  const pageOf = (whole: string, digest: string) => async (page: number) => ({
    pages: 2,
    digest,
    text: page === 0 ? whole.slice(0, 9) : whole.slice(9),
  });

  it('is whole again when its pages are joined', async () => {
    await expect(joinPages('report', pageOf(text, hashOf(text)))).resolves.toEqual({ text, digest: hashOf(text) });
  });

  it('is refused when a page comes from another version of it', async () => {
    const changed = pageOf(text.replace('load', 'stop'), hashOf(text));
    await expect(joinPages('report of INC-42', changed)).rejects.toThrow(
      'The report of INC-42 changed while it was read',
    );
  });
});

describe('the summary that the Web UI shows', () => {
  it('is left alone when it fits', () => {
    expect(clipBytes('ops: bad source', 200)).toBe('ops: bad source');
  });

  it('is cut at a character, within its bytes', () => {
    const clipped = clipBytes('停'.repeat(100), 200);
    expect(Buffer.byteLength(clipped)).toBeLessThanOrEqual(200);
    expect(clipped).toMatch(/^停+…$/);
  });
});
