import { describe, expect, it } from 'vitest';
import { retryId, retryRequest, retryRoot, stillOpen } from '../../../client/retry-request.js';
import { parseRequest } from '../../../domain/contracts/request.js';
import { aReport, aRow } from './samples.js';

describe('asking again after the end', () => {
  it('names what is not proven by server and id, with the same policy and mode', () => {
    const report = aReport();
    const request = parseRequest(retryRequest(report, 'INC-42.r2', stillOpen(new Set(), report), 'second-shift'));
    expect(request).toMatchObject({
      requestId: 'INC-42.r2',
      requestedBy: 'second-shift',
      policy: 'contain',
      mode: 'graceful',
      reason: 'retry of INC-42: ERP source corrupt since 02:10',
      select: { ids: ['carte-1/a2'] },
    });
  });

  it('leaves out a target that was replaced: under its id another task runs now', () => {
    const report = aReport({
      results: [aRow({ id: 'a3', outcome: 'replaced' }), aRow({ id: 'a4', outcome: 'unreachable' })],
    });
    expect([...stillOpen(new Set(), report)]).toEqual(['carte-1/a4']);
  });

  it('goes on with what an earlier run left when the newest one was refused before it touched anything', () => {
    const first = stillOpen(new Set(), aReport());
    expect([...stillOpen(first, aReport({ results: [] }))]).toEqual(['carte-1/a2']);
  });

  it('drops what a later run has proven', () => {
    const first = stillOpen(new Set(), aReport());
    expect([...stillOpen(first, aReport({ results: [aRow({ id: 'a2', outcome: 'stopped' })] }))]).toEqual([]);
  });

  it('numbers the runs of one family from its first', () => {
    expect(retryId(retryRoot('INC-42.r2'), 3)).toBe('INC-42.r3');
  });
});
