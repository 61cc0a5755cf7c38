const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** How long ago that was, in its largest unit, as people write durations; `?` where the start is not known. */
export function ageOf(startedAt: string | undefined, now: number): string {
  const ms = startedAt === undefined ? Number.NaN : now - Date.parse(startedAt);
  if (!(ms >= 0)) return '?';
  const [letter, unit] = UNITS.find(([, size]) => ms >= size) ?? UNITS[3];
  return `${String(Math.floor(ms / unit))}${letter}`;
}
