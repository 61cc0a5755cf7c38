import { describe, expect, it } from 'vitest';
import { requestHashOf } from '../../../activities/open-run.js';
import { requestHash } from '../../../client/hashes.js';
import { parseRequest } from '../../../domain/contracts/request.js';

const written = {
  requestId: 'INC-42',
  reason: 'bad source',
  requestedBy: 'ops',
  policy: 'contain',
  select: { names: ['load_*'] },
};

describe('the hash by which two requests are compared', () => {
  it('is the same whether a default is written out or left out', () => {
    const explicit = { ...written, mode: 'graceful', emergency: false, everything: false };
    expect(requestHash(parseRequest(explicit))).toBe(requestHash(parseRequest(written)));
  });

  it('is the same for a dry run and the run that follows it', () => {
    expect(requestHash(parseRequest({ ...written, dryRun: true }))).toBe(requestHash(parseRequest(written)));
  });

  it('differs when anything else differs', () => {
    const other = { ...written, select: { names: ['load_orders'] } };
    expect(requestHash(parseRequest(other))).not.toBe(requestHash(parseRequest(written)));
  });

  it('is the one that the worker computes', () => {
    const request = parseRequest({ ...written, ticket: 'INC-42', except: { groups: ['payments'] } });
    expect(requestHash(request)).toBe(requestHashOf(request));
  });
});
