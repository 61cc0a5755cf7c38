import type { Estate } from '../domain/contracts/estate.js';
import { referenceKind } from './secrets.js';

/** An estate that may be stored and hashed: plain secrets stand in it as `${estate:…}`, their values beside it. */
export interface HiddenEstate {
  readonly estate: Estate;
  /** By the reference that took the value's place. */
  readonly literals: ReadonlyMap<string, string>;
}

/**
 * Takes secrets that stand in the file as plain text out of the effective estate, which every run stores in the ledger
 * (`design.md` §16). Each worker reads the value from its own file.
 */
export function hideLiterals(estate: Estate): HiddenEstate {
  const literals = new Map<string, string>();
  const hide = (path: string, text: string): string => {
    if (referenceKind(text) !== 'plain') return text;
    const reference = `\${estate:${path}}`;
    literals.set(reference, text);
    return reference;
  };
  const hidden: Estate = {
    ...estate,
    servers: estate.servers.map((server) =>
      server.password === undefined
        ? server
        : { ...server, password: hide(`servers/${server.name}/password`, server.password) },
    ),
    databases: estate.databases.map((one) => ({ ...one, url: hide(`databases/${one.name}/url`, one.url) })),
    notifiers: estate.notifiers.map((one) => ({
      ...one,
      url: hide(`notifiers/${one.name}/url`, one.url),
      ...(one.secret === undefined ? {} : { secret: hide(`notifiers/${one.name}/secret`, one.secret) }),
    })),
  };
  return { estate: hidden, literals };
}
