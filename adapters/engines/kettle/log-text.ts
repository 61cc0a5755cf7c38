import { createGunzip } from 'node:zlib';
import { redact } from './redact.js';

/** A log as far as it is kept: its end, which says how the task ended, and its first line, which may say when it started. */
export interface KeptLog {
  /** Redacted, at most 8 KiB. */
  readonly tail: string;
  readonly firstLine: string;
}

export const LOG_TAIL_BYTES = 8 * 1024;
/** More of a first line tells no more. */
const FIRST_LINE_BYTES = 512;
/** Inflated logs beyond this are not followed: a few kilobytes can inflate to gigabytes. */
const INFLATED_CAP = 32 * 1024 * 1024;

/**
 * Decodes Carte's `logging_string`: base64 of gzip of UTF-8 between CDATA marks, which are literal text from PDI 5.0 on and real
 * before (the XML reader took those away). A log that cannot be decoded gives a note in brackets in its place, never an error:
 * a broken log must not hold up a stop.
 */
export async function readLog(loggingString: string): Promise<KeptLog> {
  const packed = loggingString
    .trim()
    .replace(/^<!\[CDATA\[/, '')
    .replace(/\]\]>$/, '')
    .replace(/\s+/g, ''); // wrapped at 76 characters from PDI 8.1 on
  if (packed === '') return { tail: '', firstLine: '' };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(packed)) return { tail: '[log unreadable: not base64]', firstLine: '' };
  return inflate(Buffer.from(packed, 'base64'));
}

/** Keeps the end of a plain log, redacted, within 8 KiB of UTF-8. */
export function tailOf(log: string): string {
  // Redacting comes first: a cut could take away the word that marks a password.
  const bytes = Buffer.from(redact(log), 'utf8');
  if (bytes.length <= LOG_TAIL_BYTES) return bytes.toString('utf8');
  let start = bytes.length - LOG_TAIL_BYTES;
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1; // never begin inside a character
  return bytes.subarray(start).toString('utf8');
}

/** Inflates as a stream: memory stays at a few tails, whatever the log inflates to. */
function inflate(packed: Buffer): Promise<KeptLog> {
  return new Promise((resolve) => {
    const gunzip = createGunzip();
    let kept = Buffer.alloc(0);
    let begin = Buffer.alloc(0);
    let inflated = 0;
    const done = (note: string): void => {
      gunzip.destroy();
      // Four tails are enough: redaction may shorten, and the first line of what is kept may be cut.
      const [firstLine = ''] = begin.toString('utf8').split(/[\r\n]/, 1);
      resolve({ tail: tailOf(kept.toString('utf8').replace(/^\uFFFD+/, '') + note), firstLine });
    };
    gunzip.on('data', (chunk: Buffer) => {
      inflated += chunk.length;
      if (begin.length < FIRST_LINE_BYTES) begin = Buffer.concat([begin, chunk]).subarray(0, FIRST_LINE_BYTES);
      kept = Buffer.concat([kept, chunk]);
      if (kept.length > 8 * LOG_TAIL_BYTES) kept = kept.subarray(-4 * LOG_TAIL_BYTES);
      if (inflated > INFLATED_CAP) done(`\n[log cut: inflates to more than ${INFLATED_CAP} bytes]`);
    });
    gunzip.on('end', () => {
      done('');
    });
    gunzip.on('error', (error) => {
      done(`${kept.length === 0 ? '' : '\n'}[log unreadable: ${error.message}]`);
    });
    gunzip.end(packed);
  });
}
