/** A path into the estate, as zod gives it: `['servers', 0, 'url']`. */
export type EstatePath = readonly PropertyKey[];

/** Something wrong with the estate, and where. */
export interface Fault {
  readonly path: EstatePath;
  /** A sentence without its end, such as `priority is "hihg"; expected low, normal, high or core`. */
  readonly text: string;
  /** Point at the key of this name below `path` rather than at a value. */
  readonly key?: string;
}

/** `servers[0].url`. */
export function pathText(path: EstatePath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  );
}
