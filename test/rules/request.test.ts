import { describe, expect, it } from 'vitest';
import { parseRequest } from '../../domain/contracts/request.js';
import { OffboilError } from '../../domain/errors.js';

const written = { requestId: 'R-1', reason: 'r', requestedBy: 'ann', policy: 'contain', select: { names: ['a'] } };

function refusalOf(input: unknown): string {
  try {
    parseRequest(input);
  } catch (error) {
    if (error instanceof OffboilError && error.code === 'REQUEST_INVALID') return error.message;
    throw error;
  }
  throw new Error('expected a refusal');
}

describe('a request', () => {
  it('may bear the id that a Temporal Schedule makes', () => {
    const requestId = 'nightly-2026-11-27T15:21:40Z';
    expect(parseRequest({ ...written, requestId }).requestId).toBe(requestId);
  });

  it.each([
    ['that was encoded twice', JSON.stringify(written), 'encoded twice'],
    ['that is text', 'stop all', 'this is text'],
    ['that is a list', [written], 'a list'],
    ['that is nothing', null, 'nothing'],
  ])('%s is refused as that', (_, input, words) => {
    expect(refusalOf(input)).toContain(words);
  });

  it('above 1 MB is refused with its size and what to do', () => {
    const ids = Array.from({ length: 60_000 }, (_, index) => `carte-1/${String(index).padStart(36, '0')}`);
    expect(refusalOf({ ...written, select: { ids } })).toMatch(/2\.\d MB, and one may have 1 MB; select by names/);
  });

  it('counts its bytes and not its letters', () => {
    expect(refusalOf({ ...written, reason: '停'.repeat(400_000) })).toContain('1.2 MB');
  });

  it('without its fields says in our words what each is for', () => {
    const message = refusalOf({ select: { names: ['a'] } });
    expect(message).toContain('reason: say why: the auditor will ask (--reason)');
    expect(message).not.toContain('Invalid');
  });

  it('with a thousand faults is told twenty, and how many more', () => {
    const message = refusalOf({ ...written, select: { names: Array.from({ length: 1000 }, () => 5) } });
    expect(message.split('\n')).toHaveLength(22);
    expect(message).toContain('and 980 more');
  });
});
