import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readKettleDate } from '../../../adapters/engines/kettle/dates.js';

const iso = (text: string, zone: string): string => new Date(readKettleDate(text, zone) ?? Number.NaN).toISOString();

describe('a date without an offset', () => {
  it('is an instant only where the zone is known', () => {
    expect(iso('2026/01/02 03:04:05.678', 'UTC')).toBe('2026-01-02T03:04:05.678Z');
    expect(iso('2026/01/02 03:04:05.678', 'Asia/Shanghai')).toBe('2026-01-01T19:04:05.678Z');
    expect(readKettleDate('2026/01/02 03:04:05.678', undefined)).toBeUndefined();
    expect(readKettleDate('2026/01/02 03:04:05.678', 'Nowhere/Land')).toBeUndefined();
  });

  it.each(['', '2026-01-02T03:04:05Z', 'soon', undefined])('is unknown when it reads %s', (text) => {
    expect(readKettleDate(text, 'UTC')).toBeUndefined();
  });

  it('is the earlier of two when the clocks are set back', () => {
    expect(iso('2026/10/25 02:30:00.000', 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
  });

  it('is after the gap when the clocks are set forward', () => {
    expect(iso('2026/03/29 02:30:00.000', 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
  });

  it('comes back as it was written, in any zone and at any time', () => {
    const zones = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'America/Sao_Paulo',
      'UTC',
    );
    const instants = fc.integer({ min: Date.UTC(2012, 0, 1), max: Date.UTC(2030, 0, 1) });
    fc.assert(
      fc.property(zones, instants, (zone, instant) => {
        const read = readKettleDate(kettleDate(instant, zone), zone) ?? Number.NaN;
        // Where a local time occurs twice, the earlier instant is given: at most an hour before.
        expect(kettleDate(read, zone)).toBe(kettleDate(instant, zone));
        expect(instant - read).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

/** As Carte writes it in that zone. */
function kettleDate(instant: number, zone: string): string {
  const text = new Date(instant).toLocaleString('sv-SE', { timeZone: zone, hourCycle: 'h23' });
  return `${text.replaceAll('-', '/')}.${String(new Date(instant).getUTCMilliseconds()).padStart(3, '0')}`;
}
