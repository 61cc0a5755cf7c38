import { tables } from './001-tables.js';
import { writes } from './002-writes.js';

/** In the order in which they are applied; a released one is never changed. */
export const MIGRATIONS: readonly { readonly number: number; readonly sql: string }[] = [
  { number: 1, sql: tables },
  { number: 2, sql: writes },
];
