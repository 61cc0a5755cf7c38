/** `1 target`, `2 targets`: sentences for people count in grammar. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** The first of a list and how many more: a sentence is read at 02:10, the whole stands elsewhere. */
export function some(words: readonly string[], most: number): string {
  const shown = words.slice(0, most).join(', ');
  return words.length > most ? `${shown} and ${words.length - most} more` : shown;
}

const RESERVED = 'reserved by run ';

/** Whether evidence says that another run holds the task. */
export function isReserved(what: string): boolean {
  return what.startsWith(RESERVED);
}

/** Who keeps a task from this run, and the way out: whether the holder's workflow is still there, no plan can know. */
export function reservedBy(holder: string): string {
  return `${RESERVED}${holder}; if its workflow is gone, "offboil retry ${holder}" finishes that run`;
}

const RESTARTED = 'server started again, or another one answers at this address';

/**
 * What an uptime shorter than the time since the last look means; nothing is proven by it.
 * @param uptime as the server tells it, such as `12 s`
 */
export function serverRestarted(uptime: string): string {
  return `the ${RESTARTED} (it says that it runs for ${uptime})`;
}

/** Whether evidence says that the target's server started again after the plan. */
export function saysRestarted(what: string): boolean {
  return what.includes(RESTARTED);
}

/** People's text where Temporal's Web UI shows Markdown: names and reasons must not become links or headings. */
export function plainMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>()#+!|]/g, '\\$&').replace(/\s+/g, ' ');
}
