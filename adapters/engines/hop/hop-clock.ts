import { readKettleDate } from '../kettle/dates.js';

/**
 * Reads the dates of one reply by our own clock. Hop writes them in its JVM's zone without an offset, but `log_date` of a list
 * entry or a pipeline is the moment of the reply (measured on 2.16.0), so every other date is that much earlier than our now:
 * neither zone nor clock of the server matter. A declared zone keeps this right across a change to or from daylight saving.
 * @param logDate `log_date` of the same entry
 * @returns milliseconds since 1970 UTC by our clock, late by at most the time the reply took; undefined for an empty date
 */
export function hopClock(
  logDate: string | undefined,
  { repliedAt, timezone = 'UTC' }: { readonly repliedAt: number; readonly timezone?: string | undefined },
): (date: string | undefined) => number | undefined {
  const loggedAt = readKettleDate(logDate, timezone);
  return (date) => {
    const at = readKettleDate(date, timezone);
    return at === undefined || loggedAt === undefined ? undefined : repliedAt - (loggedAt - at);
  };
}
