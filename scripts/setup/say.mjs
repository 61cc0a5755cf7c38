/** Expected to be read by a person and to end the set-up: its message says what happened and what to do. */
export class SetupError extends Error {}

/**
 * What the set-up does goes to stderr, always: stdout belongs to the program that is started.
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}
