// C0 and C1 controls with DEL, and the marks that turn the direction of text: names come from servers, and a name
// with an escape sequence could rewrite what the operator sees before the confirm.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text that cannot steer a terminal. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd');
}

/** The same, with its line breaks kept. */
export function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join('\n');
}
