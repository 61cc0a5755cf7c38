import { randomUUID } from 'node:crypto';
import type { Personality } from '../personalities.js';
import type { TaskKind, TaskSpec } from '../scenario.js';
import { Task, type TaskHost } from './task.js';
import { LIST_END, LIST_MIDDLE, listEntry, listStart } from './texts.js';

export interface ObjectsSettings {
  readonly server: string;
  readonly personality: Personality;
  readonly databaseUrl: string | undefined;
  readonly ensureTable: (table: string) => Promise<void>;
}

/** What one server holds: its map of objects, and the threads of objects that were removed from it. */
export class Objects implements TaskHost {
  readonly personality: Personality;
  readonly name: string;
  readonly databaseUrl: string | undefined;
  readonly ensureTable: (table: string) => Promise<void>;
  readonly #startedAt = Date.now();
  /** In no list any more; those with threads run on, out of anybody's reach. */
  readonly #concealed: Task[] = [];
  #byId = new Map<string, Task>();
  /** In hash order, as Java's map has it: neither by age nor by name. */
  #ordered: Task[] | undefined;
  #rendered: Buffer | undefined;
  /** Who ends when it has stood in so many more lists. */
  #due: { task: Task; lists: number }[] = [];
  #logLine = 0;

  constructor({ server, personality, databaseUrl, ensureTable }: ObjectsSettings) {
    this.name = server;
    this.personality = personality;
    this.databaseUrl = databaseUrl;
    this.ensureTable = ensureTable;
    if (personality.rowGeneratorTest) {
      this.add({ name: 'Row generator test', kind: 'transformation', mode: 'idle', traits: { waiting: true } });
    }
  }

  changed(): void {
    this.#rendered = undefined;
  }

  takeLogLines(count: number): number {
    this.#logLine += count;
    return this.#logLine - count;
  }

  /** Log lines of this server so far. */
  get logLines(): number {
    return this.#logLine;
  }

  add(spec: TaskSpec): readonly string[] {
    const ids: string[] = [];
    for (let copy = 1; copy <= (spec.count ?? 1); copy += 1) {
      const id = spec.id?.replace('{n}', String(copy)) ?? randomUUID();
      const task = new Task(this, spec, id, spec.name.replace('{n}', String(copy)));
      const lists = spec.traits?.endsAfterLists;
      if (lists !== undefined) this.#due.push({ task, lists });
      this.#byId.set(id, task);
      ids.push(id);
    }
    this.#ordered = undefined;
    this.changed();
    return ids;
  }

  get(id: string): Task | undefined {
    return this.#byId.get(id);
  }

  /** The id alone decides. Without one, an arbitrary object of that name: the first in hash order. */
  find(kind: TaskKind, id: string | undefined, name: string | undefined): Task | undefined {
    const task =
      id === undefined || id === ''
        ? this.#inOrder().find((other) => other.kind === kind && other.name === name)
        : this.#byId.get(id);
    return task?.kind === kind ? task : undefined;
  }

  countNamed(kind: TaskKind, name: string): number {
    return this.#inOrder().filter((task) => task.kind === kind && task.name === name).length;
  }

  /** Drops the entry and checks nothing: threads that run, run on. */
  remove(task: Task): void {
    task.hidden = true;
    this.#concealed.push(task);
    this.#byId.delete(task.id);
    this.#ordered = undefined;
    this.changed();
  }

  /** The process starts anew: nothing is persisted. */
  forgetAll(): void {
    for (const task of [...this.#byId.values(), ...this.#concealed]) task.kill();
    this.#concealed.push(...this.#byId.values());
    this.#byId = new Map();
    this.#due = [];
    this.#ordered = undefined;
    this.changed();
  }

  all(): readonly Task[] {
    return [...this.#byId.values(), ...this.#concealed];
  }

  /** Whether listing fails because of one object that cannot be listed. */
  get isListBroken(): boolean {
    return this.#inOrder().some((task) => task.breaksList);
  }

  /** The whole list. `without`: ids left out; `more`: so many ended objects on top. */
  list(without: ReadonlySet<string> | undefined, more: number): Buffer {
    const start = Buffer.from(listStart(this.#system()));
    const entries = without === undefined ? (this.#rendered ??= this.#render(undefined)) : this.#render(without);
    const parts = more === 0 ? [start, entries] : [start, endedEntries(more, this.personality), entries];
    this.#endWhoIsDue();
    return Buffer.concat(parts);
  }

  /** The id that a list leaves out when nobody names one. */
  firstId(): string | undefined {
    return this.#inOrder().find((task) => task.name !== 'Row generator test')?.id;
  }

  #inOrder(): readonly Task[] {
    this.#ordered ??= [...this.#byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#ordered;
  }

  #render(without: ReadonlySet<string> | undefined): Buffer {
    let transformations = '';
    let jobs = '';
    for (const task of this.#inOrder()) {
      if (without?.has(task.id) === true) continue;
      if (task.kind === 'job') jobs += task.entry;
      else transformations += task.entry;
    }
    return Buffer.from(transformations + LIST_MIDDLE + jobs + LIST_END);
  }

  #endWhoIsDue(): void {
    if (this.#due.length === 0) return;
    for (const due of this.#due) due.lists -= 1;
    for (const { task, lists } of this.#due) if (lists === 0 && !task.hidden) void task.endByItself();
    this.#due = this.#due.filter(({ lists }) => lists > 0);
  }

  #system() {
    const uptimeMs = Date.now() - this.#startedAt;
    return {
      memoryFree: 289_466_896,
      memoryTotal: 398_458_880,
      cpuCores: 2,
      cpuProcessTime: uptimeMs * 250_000,
      uptimeMs,
      threads: 44 + this.#byId.size,
      load: 0.84,
    };
  }
}

const endedByCount = new Map<string, Buffer>();

function endedEntries(count: number, personality: Personality): Buffer {
  const key = `${count} ${personality.escaping} ${personality.logDate} ${String(personality.indented)}`;
  let entries = endedByCount.get(key);
  if (entries === undefined) {
    let text = '';
    for (let n = 1; n <= count; n += 1) {
      const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
      const view = {
        kind: 'transformation',
        name: `nightly_${n}`,
        id,
        word: personality.stoppedEnd,
        logDate: Date.now() - 86_400_000,
      } as const;
      text += listEntry(view, personality);
    }
    entries = Buffer.from(text);
    endedByCount.set(key, entries);
  }
  return entries;
}
