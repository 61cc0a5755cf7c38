import { describe, expect, it } from 'vitest';
import {
  isDone,
  remainderAfter,
  retryId,
  retryRequest,
  retryRoot,
  type Remainder,
} from '../../../client/retry-request.js';
import type { Report } from '../../../domain/contracts/report.js';
import { parseRequest } from '../../../domain/contracts/request.js';
import { aReport, aRow } from './samples.js';

const first = parseRequest({
  requestId: 'INC-42',
  reason: 'ERP source corrupt since 02:10',
  requestedBy: 'ops-oncall',
  select: { sources: ['erp-oracle'] },
  policy: 'contain',
});
const away = { server: 'carte-2', code: 'SERVER_TIMEOUT', message: 'no list within 10 s' };

function after(...reports: readonly Report[]): Remainder {
  const left = reports.reduce<Remainder | undefined>((before, report) => remainderAfter(before, report), undefined);
  if (left === undefined) throw new Error('no report was given');
  return left;
}

describe('asking again after the end', () => {
  it('names what is not proven by server and id, with the same policy and mode', () => {
    const request = parseRequest(retryRequest(first, 'INC-42.r2', after(aReport()), 'second-shift'));
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
    expect([...after(report).ids]).toEqual(['carte-1/a4']);
  });

  it('goes on with what an earlier run left when the newest one was refused before it touched anything', () => {
    const refused = aReport({ end: 'refused', exitCode: 3, results: [] });
    expect([...after(aReport({ unread: [away] }), refused).ids]).toEqual(['carte-1/a2']);
    expect([...after(aReport({ unread: [away] }), refused).unread]).toEqual(['carte-2']);
  });

  it('drops what a later run has proven, or has found ended', () => {
    const proven = aReport({ results: [aRow({ id: 'a2', outcome: 'stopped' })] });
    expect(isDone(after(aReport(), proven))).toBe(true);
    const ended = aReport({
      results: [],
      left: [{ server: 'carte-1', id: 'a2', name: 'load_orders', code: 'ended', why: 'has ended' }],
    });
    expect(isDone(after(aReport(), ended))).toBe(true);
  });

  it('keeps what is in no list any more: gone is not ended', () => {
    const gone = aReport({
      results: [],
      left: [{ server: 'carte-1', id: 'a2', name: 'a2', code: 'gone', why: 'in no list' }],
    });
    expect([...after(aReport(), gone).ids]).toEqual(['carte-1/a2']);
  });

  it('asks for what another run held, by its id', () => {
    const held = aReport({
      results: [],
      left: [{ server: 'carte-1', id: 'a9', name: 'load_orders', code: 'reserved', why: 'reserved by run INC-41' }],
    });
    expect([...after(held).ids]).toEqual(['carte-1/a9']);
  });

  it('plans the first request anew where servers were not read, on those and on the servers of what is left', () => {
    const left = after(aReport({ unread: [away] }));
    const request = parseRequest(retryRequest(first, 'INC-42.r2', left, 'second-shift'));
    expect(request.select).toEqual({ sources: ['erp-oracle'], servers: ['carte-1', 'carte-2'] });
  });

  it('has nothing more to plan once every server was read', () => {
    const read = aReport({ results: [aRow({ id: 'a2', outcome: 'stopped' })] });
    expect(isDone(after(aReport({ unread: [away] }), read))).toBe(true);
  });

  it('numbers the runs of one family from its first', () => {
    expect(retryId(retryRoot('INC-42.r2'), 3)).toBe('INC-42.r3');
  });
});
