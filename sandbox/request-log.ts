import { performance } from 'node:perf_hooks';
import type { LogEntry } from './scenario.js';

/** Every request of a fleet in the order of arrival: what was really sent, whoever says what. */
export class RequestLog {
  readonly #entries: LogEntry[] = [];

  /** `answered` is filled in when the answer is known. */
  add(request: Omit<LogEntry, 'seq' | 'at' | 'answered'>): LogEntry {
    const at = Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;
    const entry: LogEntry = { seq: this.#entries.length + 1, at, ...request, answered: 'nothing yet' };
    this.#entries.push(entry);
    return entry;
  }

  since(seq: number): readonly LogEntry[] {
    return this.#entries.slice(seq);
  }
}
