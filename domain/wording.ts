/** `1 target`, `2 targets`: sentences for people count in grammar. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** The first of a list and how many more: a sentence is read at 02:10, the whole stands elsewhere. */
export function some(words: readonly string[], most: number): string {
  const shown = words.slice(0, most).join(', ');
  return words.length > most ? `${shown} and ${words.length - most} more` : shown;
}

/** Who keeps a task from this run, and the way out: whether the holder's workflow is still there, no plan can know. */
export function reservedBy(holder: string): string {
  return `reserved by run ${holder}; if its workflow is gone, "offboil retry ${holder}" finishes that run`;
}
