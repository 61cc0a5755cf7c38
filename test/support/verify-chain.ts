import { createHash } from 'node:crypto';
import { canonicalJson } from '../../domain/canonical-json.js';

/** `hash` of alerts: lower-case hex of SHA-256 over the canonical JSON of a record without its hash. */
export function hashOf(record: unknown): string {
  return createHash('sha256').update(canonicalJson(record), 'utf8').digest('hex');
}

/** Recomputes a chain without the ledger's own code. @returns the first bad `seq`, or undefined when all is as written */
export function firstBreak(
  rows: readonly { readonly seq: number; readonly record: string; readonly hash: string }[],
): number | undefined {
  let previous = '0'.repeat(64);
  for (const [index, { seq, record, hash }] of rows.entries()) {
    const read = JSON.parse(record) as { seq?: unknown; prevHash?: unknown }; // compared below, whatever it is
    const isWhole = seq === index + 1 && read.seq === seq && read.prevHash === previous;
    if (!isWhole || canonicalJson(read) !== record || hashOf(read) !== hash) return index + 1;
    previous = hash;
  }
  return undefined;
}
