/**
 * Where all choices of a simulated run come from: bytes, read one after the other. A byte of 0 always means the simplest
 * choice ("in order, no fault"), and an exhausted tape gives 0 for ever; so a shrinker that shortens the tape and lowers its
 * bytes ends at the simplest story that still fails.
 */
export class Tape {
  readonly #next: () => number;
  readonly #used: number[] = [];

  constructor(next: () => number) {
    this.#next = next;
  }

  /** 0 to 255. */
  byte(): number {
    const byte = this.#next() & 255;
    this.#used.push(byte);
    return byte;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.byte() % n;
  }

  /** The first of the list is the simplest choice. */
  oneOf<T>(list: readonly [T, ...T[]]): T {
    return list[this.byte() % list.length] ?? list[0];
  }

  /** True in about one of n; never for a byte of 0. */
  rarely(n: number): boolean {
    return this.byte() >= 256 - Math.ceil(256 / n);
  }

  /** What was read, without the zeros at its end: the tape that tells the same story again. */
  get used(): readonly number[] {
    let end = this.#used.length;
    while (end > 0 && this.#used[end - 1] === 0) end -= 1;
    return this.#used.slice(0, end);
  }
}

/** A tape of given bytes; exhausted it gives 0. */
export function tapeOf(bytes: readonly number[]): Tape {
  let at = 0;
  return new Tape(() => bytes[at++] ?? 0);
}

/** Shares of bytes that become 0: runs with one single fault find other bugs than runs full of them. */
const CALM = [0.97, 0.9, 0.7, 0.3] as const;

/** An endless tape for run number `run` of a seed. The same pair gives the same tape. */
export function seededTape(seed: number, run: number): Tape {
  const random = mulberry32(Math.imul(seed, 0x9e3779b1) ^ Math.imul(run + 1, 0x85ebca6b));
  random(); // the first value of neighbouring seeds is alike
  const calm = CALM[Math.floor(random() * CALM.length)] ?? 0.9;
  let read = 0;
  // The head of a tape describes the world and its faults; it stays lively, or most runs would be the same.
  return new Tape(() => (random() < (read++ < HEAD ? 0.3 : calm) ? 0 : Math.floor(random() * 256)));
}

const HEAD = 48;

/** Tommy Ettinger's public domain generator: 32 bits of state, good enough to choose faults. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
