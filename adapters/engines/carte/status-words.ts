import type { StateClass } from '../../../domain/tasks.js';

/**
 * Words of Carte's status_desc, fixed English in every locale (Trans.java, Job.java; 4.4 to 11.1 agree). Pentaho's own client
 * counts `Halting`, `Paused` and `Preparing executing` as not running: they are.
 */
const STATUS_WORDS = {
  Waiting: 'waiting',
  'Preparing executing': 'active',
  Initializing: 'active',
  Running: 'active',
  Paused: 'active',
  Halting: 'ending',
  Finished: 'ended',
  'Finished (with errors)': 'ended',
  Stopped: 'ended',
  'Stopped (with errors)': 'ended',
} as const satisfies Record<string, StateClass>;

export type StatusWord = keyof typeof STATUS_WORDS;

/** A word that is not in the table is `unknown`, never the end. */
export function classOf(word: string): StateClass {
  return Object.hasOwn(STATUS_WORDS, word) ? STATUS_WORDS[word as StatusWord] : 'unknown'; // own property, so it is a StatusWord
}
