import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.js';
import { OffboilError } from '../domain/errors.js';
import type { ReadPage } from '../workflows/messages.js';

/**
 * Joins the pages of a text. The digest covers the whole text (as canonical JSON, like every hash of ours), so a page of another version of the text is noticed.
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
  const digest = `sha256:${createHash('sha256').update(canonicalJson(text)).digest('hex')}`;
  if (digest === first.digest) return { text, digest };
  throw new OffboilError(
    'INTERNAL',
    `The ${subject} changed while it was read. Nothing was changed by us; read it again.`,
  );
}
