/** Node's hook for console.log, without importing node:util: a workflow bundle allows no node: module. */
const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A value that may be used and never be printed. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The only way out; a search for `.reveal(` finds every use. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect](): string {
    return '***';
  }
}
