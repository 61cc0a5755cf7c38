import { clearLine, cursorTo } from 'node:readline';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { fit } from './render/table.js';

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

/** Without a terminal one line at most so often, in milliseconds, so that a log stays readable. */
const PLAIN_EVERY_MS = 2_000;

/** Where people read, and where programs do. With `--json` stdout holds exactly one document and people read stderr. */
export class Screen {
  readonly #streams: Streams;
  readonly #json: boolean;
  readonly #interrupt: AbortController;
  #live = '';
  #livePlainAt = 0;

  /** @param interrupt what Ctrl+C fires, also while a question stands */
  constructor(streams: Streams, json: boolean, interrupt: AbortController) {
    this.#streams = streams;
    this.#json = json;
    this.#interrupt = interrupt;
  }

  get json(): boolean {
    return this.#json;
  }

  /** Whether a person can be asked: consent is typed by a person at a terminal, or given by `--yes`. */
  get canAsk(): boolean {
    return this.#streams.stdin.isTTY === true && this.#people.isTTY === true;
  }

  line(text = ''): void {
    this.#endLive();
    this.#people.write(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  error(text: string): void {
    this.#endLive();
    this.#streams.stderr.write(`${text}\n`);
  }

  /** The one document of `--json`; without `--json` nothing. */
  document(value: object): void {
    if (this.#json) this.#streams.stdout.write(`${JSON.stringify({ schemaVersion: 1, ...value }, null, 2)}\n`);
  }

  /** Shows where things stand: rewritten on a terminal, else a plain line now and then. */
  live(text: string): void {
    if (text === this.#live) return;
    if (this.#people.isTTY === true) {
      cursorTo(this.#people, 0);
      this.#people.write(fit(text, (this.#people.columns ?? 80) - 1));
      clearLine(this.#people, 1);
    } else {
      const now = Date.now();
      if (now - this.#livePlainAt < PLAIN_EVERY_MS) return;
      this.#livePlainAt = now;
      this.#people.write(`${text}\n`);
    }
    this.#live = text;
  }

  /** Asks a person. @returns the trimmed answer, or undefined when Ctrl+C or the end of input came instead */
  async ask(question: string): Promise<string | undefined> {
    this.#endLive();
    const reader = createInterface({ input: this.#streams.stdin, output: this.#people });
    const ended = new Promise<undefined>((resolve) => {
      reader.once('close', () => {
        resolve(undefined);
      });
    });
    reader.once('SIGINT', () => {
      this.#interrupt.abort(); // the terminal gives Ctrl+C to readline; the command must hear of it as well
    });
    try {
      const answer = await Promise.race([reader.question(question, { signal: this.#interrupt.signal }), ended]);
      return answer?.trim();
    } catch (error) {
      if (this.#interrupt.signal.aborted) return undefined;
      throw error;
    } finally {
      reader.close();
    }
  }

  get #people(): Streams['stdout'] {
    return this.#json ? this.#streams.stderr : this.#streams.stdout;
  }

  #endLive(): void {
    if (this.#live !== '' && this.#people.isTTY === true) this.#people.write('\n');
    this.#live = '';
  }
}
