/** Cuts a text at a character, so that it fits into so many bytes of UTF-8. */
export function clipBytes(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  let clipped = '';
  for (const character of text) {
    if (Buffer.byteLength(clipped) + Buffer.byteLength(character) > bytes - 3) break;
    clipped += character;
  }
  return `${clipped}…`;
}
