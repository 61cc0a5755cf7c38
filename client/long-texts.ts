import { OffboilError } from '../domain/errors.js';
import type { ReadPage } from '../workflows/messages.js';
import { hashOf } from './hashes.js';

/**
 * Joins the pages of a text. The digest covers the whole text, so a page of another version of the text is noticed.
 * @param subject what is read, for the message
 * @param page gives the page with that number, from 0
 * @throws OffboilError `INTERNAL` when the text changed between two pages
 */
export async function joinPages(
  subject: string,
  page: (number: number) => Promise<ReadPage>,
): Promise<{ text: string; digest: string }> {
  const first = await page(0);
  let text = first.text;
  for (let number = 1; number < first.pages; number += 1) text += (await page(number)).text;
  const digest = hashOf(text);
  if (digest === first.digest) return { text, digest };
  throw new OffboilError(
    'INTERNAL',
    `The ${subject} changed while it was read. Nothing was changed by us; read it again.`,
  );
}

/** Cuts a text at a character, so that it fits into so many bytes of UTF-8. */
export function clipBytes(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  const room = bytes - Buffer.byteLength('…');
  // as a stream, the decoder keeps back the half character at the end
  return `${new TextDecoder().decode(encoded.subarray(0, room), { stream: true })}…`;
}
