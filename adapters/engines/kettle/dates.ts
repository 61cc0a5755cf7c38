const KETTLE_DATE = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?$/;

/** A zone's format, and the offsets that were asked of it: `formatToParts` costs 5 µs, and a list is read again and again. */
interface Zone {
  readonly format: Intl.DateTimeFormat;
  readonly offsets: Map<number, number>;
}

const zones = new Map<string, Zone>();
/** Minutes remembered of one zone: since 1972 no zone has changed its offset within a minute. */
const MOST_MINUTES = 20_000;

/** What a server's dates are read by. */
export interface ServerTime {
  /** IANA name of its JVM's zone; without one no instant can be told, and a guess would be wrong by hours. */
  readonly zone: string | undefined;
  /** Its clock when it replied, milliseconds since 1970 UTC. */
  readonly now: number;
  /** How far that may be off: a second by its Date header, minutes by our own clock. */
  readonly toleranceMs: number;
}

/** As `readKettleDate`; undefined too for an instant after the server's own clock: the declared zone is another one's. */
export function readPastDate(text: string | undefined, { zone, now, toleranceMs }: ServerTime): number | undefined {
  const instant = readKettleDate(text, zone);
  return instant === undefined || instant > now + toleranceMs ? undefined : instant;
}

/**
 * Reads `yyyy/MM/dd HH:mm:ss.SSS`, which Carte writes in its JVM's zone without an offset.
 * @param zone IANA name of that zone; without one the instant cannot be told, and a guess would be wrong by hours
 * @returns milliseconds since 1970 UTC; undefined without a zone, for an empty or unreadable date. Of two instants with the same
 *   local time (clocks set back) the earlier; a local time that never was (clocks set forward) counts as after the gap
 */
export function readKettleDate(text: string | undefined, zone: string | undefined): number | undefined {
  const parts = KETTLE_DATE.exec(text?.trim() ?? '');
  if (parts === null || zone === undefined) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, milli = 0] = parts
    .slice(1)
    .map((part) => Number(part || 0));
  const local = Date.UTC(year, month - 1, day, hour, minute, second, milli);
  // The offset is that of the instant, which is what we look for: try the offsets of a day before and a day after.
  const offsets = [local - 86_400_000, local + 86_400_000].map((instant) => offsetOf(instant, zone));
  if (offsets.some((offset) => offset === undefined)) return undefined;
  const candidates = offsets.map((offset) => local - (offset ?? 0)).sort((a, b) => a - b);
  return candidates.find((instant) => instant + (offsetOf(instant, zone) ?? 0) === local) ?? candidates.at(-1);
}

/** Offset of a zone from UTC at an instant, in milliseconds; undefined for a zone this runtime does not know. */
function offsetOf(instant: number, zone: string): number | undefined {
  const known = zoneOf(zone);
  if (known === undefined) return undefined;
  const begin = Math.floor(instant / 60_000) * 60_000;
  const remembered = known.offsets.get(begin);
  if (remembered !== undefined) return remembered;
  const part: Record<string, number> = {};
  for (const { type, value } of known.format.formatToParts(begin)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const offset = Date.UTC(year, month - 1, day, hour, minute, second) - begin;
  if (known.offsets.size >= MOST_MINUTES) known.offsets.clear();
  known.offsets.set(begin, offset);
  return offset;
}

function zoneOf(zone: string): Zone | undefined {
  const known = zones.get(zone);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    const made = { format, offsets: new Map<number, number>() };
    zones.set(zone, made);
    return made;
  } catch {
    return undefined;
  }
}
