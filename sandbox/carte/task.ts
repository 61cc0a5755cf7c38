import type { Personality } from '../personalities.js';
import type { TaskKind, TaskSpec, TaskState, TaskTruth } from '../scenario.js';
import { Loader } from './loader.js';
import { listEntry } from './texts.js';

const IDLE_ROWS_PER_MS = 0.05;

/** What a task needs of the server that holds it. */
export interface TaskHost {
  readonly name: string;
  readonly personality: Personality;
  readonly databaseUrl: string | undefined;
  readonly ensureTable: (table: string) => Promise<void>;
  /** The list looks different now. */
  changed(): void;
  add(spec: TaskSpec): readonly string[];
  /** Line numbers are server-wide: one central buffer. Returns the number before the first of `count` new lines. */
  takeLogLines(count: number): number;
}

/** One registered transformation or job, with the threads that really run. */
export class Task {
  readonly id: string;
  readonly kind: TaskKind;
  readonly spec: TaskSpec;
  name: string;
  state: TaskState = 'waiting';
  endedBy: TaskTruth['endedBy'];
  errors = 0;
  stops = 0;
  threads = 0;
  hidden = false;
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** A full stop took effect. */
  stopped = false;
  /** A safe stop took effect: the input steps are flagged, the rest drains. */
  draining = false;
  /** A stop on a job that waits left it "stopped without result": listing it fails. */
  breaksList = false;
  failure: string | undefined;
  logLine = 0;
  parameters: Readonly<Record<string, string>> | undefined;
  readonly #host: TaskHost;
  #entry: string | undefined;
  #loader: Loader | undefined;
  #idleRows = 0;
  #movingSince: number | undefined;
  #lastLineAt: number | undefined;
  readonly #haltingDetails = new Map<number, string>();
  /** Changes with each run, so that timers of an earlier one fall flat. */
  #run = 0;

  constructor(host: TaskHost, spec: TaskSpec, id: string, name: string) {
    this.#host = host;
    this.spec = spec;
    this.kind = spec.kind;
    this.id = id;
    this.name = name;
    if (spec.traits?.waiting !== true) this.start(Date.now() - (spec.startedSecondsAgo ?? 60) * 1000);
  }

  get hasChild(): boolean {
    return this.kind === 'job' && (this.spec.traits?.child !== undefined || this.spec.mode === 'loading');
  }

  get batchId(): string {
    return `${this.#host.name}/${this.id}`;
  }

  get rows(): number {
    if (this.#loader !== undefined) return this.#loader.rows;
    const moved = this.#movingSince === undefined ? 0 : Date.now() - this.#movingSince;
    return Math.floor(this.#idleRows + moved * IDLE_ROWS_PER_MS);
  }

  /** `status_desc`: always one of Kettle's fixed English words. */
  get word(): string {
    switch (this.state) {
      case 'waiting':
        return 'Waiting';
      case 'running':
        return 'Running';
      case 'halting':
        return 'Halting';
      case 'ended':
        return this.#endWord();
    }
  }

  /** `is_stopped`: a failing step makes Kettle stop all others, so a failure sets it too. */
  get isStopped(): boolean {
    // The flag of a child's result is not carried over to its job.
    if (this.kind === 'job') return this.stopped && !this.hasChild;
    if (this.spec.traits?.failsInit === true) return this.#host.personality.failedInitIsStopped;
    return this.stopped || this.endedBy === 'failure' || (this.state === 'ended' && this.errors > 0);
  }

  /** This task's part of the list, made once per change. */
  get entry(): string {
    this.#entry ??= listEntry(
      {
        kind: this.kind,
        name: this.name,
        id: this.id,
        word: this.word,
        logDate: this.logDate,
      },
      this.#host.personality,
    );
    return this.#entry;
  }

  /** `log_date`: the start, or the last log line of this version. */
  get logDate(): number | undefined {
    if (this.startedAt === undefined || this.#host.personality.logDate !== 'lastLine') return this.startedAt;
    return this.endedAt ?? this.#lastLineAt ?? this.startedAt;
  }

  /** A detail as this version serves it: one that was first taken while the task halts is served again and again. */
  cachedDetail(from: number, make: () => string): string {
    const made = this.#haltingDetails.get(from) ?? make();
    if (this.state === 'halting') this.#haltingDetails.set(from, made);
    return made;
  }

  /** A start, or a new run under the same id. Returns false when the initialisation fails. */
  start(at: number): boolean {
    if (this.threads > 0) {
      this.threads += 1; // not refused: a second set of threads runs (PDI-18214)
      return true;
    }
    const traits = this.spec.traits;
    this.#run += 1;
    this.startedAt = at;
    this.#lastLineAt = undefined;
    this.#haltingDetails.clear();
    this.endedAt = undefined;
    this.endedBy = undefined;
    this.failure = undefined;
    this.stopped = false;
    this.draining = false;
    this.breaksList = false;
    this.errors = 0;
    this.logLine = this.#host.takeLogLines(12);
    this.threads = 1;
    this.state = 'running';
    this.#idleRows = 0;
    this.#loader = undefined;
    if (traits?.failsInit === true) {
      this.errors = 1;
      this.#end('failure');
      return false;
    }
    this.#movingSince = at;
    if (traits?.endsByItselfAfterMs !== undefined)
      this.#later(traits.endsByItselfAfterMs, () => void this.endByItself());
    this.#startLoading();
    this.#logAgain();
    this.#changed();
    return true;
  }

  /** A stop request reached this task. What it does depends on the state, the version and the traits. */
  stop(safe: boolean): void {
    this.stops += 1;
    const { ignoresStop, lostFirstStop, haltsForever } = this.spec.traits ?? {};
    const { personality } = this.#host;
    if (this.state === 'waiting') {
      this.breaksList ||= this.kind === 'job' && personality.waitingJobStopBreaksList;
      return;
    }
    if (this.state === 'ended' || ignoresStop === true) return;
    if (lostFirstStop === true && this.stops === 1) return;
    if (safe && personality.safeStop && this.kind === 'transformation') {
      this.draining = true;
      if (haltsForever === true) this.#loader?.stick();
      else this.#finishThenEnd('safeStop');
      return;
    }
    if (this.state === 'halting') return;
    this.stopped = true;
    this.state = 'halting';
    this.#changed();
    if (haltsForever === true) {
      this.#freeze();
      this.#loader?.stick();
    } else if (!this.hasChild || personality.jobStopReachesChild) {
      this.#finishThenEnd('stop');
    } // else PDI-14676: the child runs on to its own end, and the job halts as long
  }

  /** Its rows are through, or its child has ended. */
  async endByItself(): Promise<void> {
    if (this.state === 'ended' || this.threads === 0) return;
    const run = this.#run;
    await this.#loader?.finish();
    if (run === this.#run) this.#end(this.stopped ? 'stop' : 'itself');
  }

  /** The id belongs to another task now, or to a new run of this one. */
  replace(as: 'otherName' | 'restart'): void {
    void this.#loader?.finish();
    this.threads = 0;
    this.stops = 0;
    if (as === 'otherName') this.name = `${this.name}_other`;
    this.start(Date.now());
  }

  /** The server's process is gone, and its threads with it. */
  kill(): void {
    this.#run += 1;
    this.#freeze();
    this.#loader?.kill();
    this.hidden = true;
    this.threads = 0;
    if (this.state !== 'ended') this.endedAt = Date.now();
    this.state = 'ended';
  }

  truth(): TaskTruth {
    const load = this.spec.load;
    return {
      server: this.#host.name,
      id: this.id,
      name: this.name,
      kind: this.kind,
      state: this.state,
      word: this.word,
      errors: this.errors,
      threads: this.threads,
      hidden: this.hidden,
      stops: this.stops,
      startedAt: this.startedAt ?? 0,
      rows: this.rows,
      rowsCommitted: this.#loader?.rowsCommitted ?? 0,
      ...(this.endedBy !== undefined && { endedBy: this.endedBy }),
      ...(this.endedAt !== undefined && { endedAt: this.endedAt }),
      ...(load !== undefined && { batchId: this.batchId, applicationName: this.#applicationName() }),
      ...(this.parameters !== undefined && { parameters: this.parameters }),
    };
  }

  #endWord(): string {
    const errors = this.errors > 0 ? ' (with errors)' : '';
    if (this.kind === 'job') return `${this.stopped ? this.#host.personality.jobStoppedEnd : 'Finished'}${errors}`;
    const { normalEnd, stoppedEnd } = this.#host.personality;
    const word = this.isStopped || this.endedBy === 'failure' ? stoppedEnd : normalEnd;
    return word === 'Finished' ? `${word}${errors}` : word;
  }

  #applicationName(): string {
    return this.spec.load?.applicationName ?? `kettle:${this.name}`;
  }

  /** Log lines while it works: they move `log_date` where that is the last line. */
  #logAgain(): void {
    const every = this.spec.traits?.logsEveryMs;
    if (every === undefined) return;
    this.#later(every, () => {
      if (this.state === 'ended') return;
      this.#host.takeLogLines(1);
      this.#lastLineAt = Date.now();
      this.#changed();
      this.#logAgain();
    });
  }

  #startLoading(): void {
    const { load, mode } = this.spec;
    if (mode !== 'loading' || load === undefined) return;
    if (this.#host.databaseUrl === undefined)
      throw new Error(`${this.name} loads rows, and the scenario has no databaseUrl`);
    const run = this.#run;
    this.#loader = new Loader(load, {
      databaseUrl: this.#host.databaseUrl,
      applicationName: this.#applicationName(),
      batchId: this.batchId,
      ensureTable: this.#host.ensureTable,
      onFailure: (message) => {
        if (run !== this.#run || this.state === 'ended') return;
        this.errors += 1;
        this.failure = message;
        this.#end('failure');
      },
    });
  }

  #finishThenEnd(by: 'stop' | 'safeStop'): void {
    const run = this.#run;
    const loaded = this.#loader?.finish();
    this.#later(this.spec.settleMs ?? 150, () => {
      if (loaded === undefined) this.#end(by);
      else {
        void loaded.then(() => {
          if (run === this.#run) this.#end(by);
        });
      }
    });
  }

  #end(by: NonNullable<TaskTruth['endedBy']>): void {
    if (this.state === 'ended') return;
    this.#freeze();
    this.state = 'ended';
    this.threads = 0;
    this.endedBy = by;
    this.endedAt = Date.now();
    this.#changed();
    this.#workOn();
    const { comesBackAfterMs, ...traits } = this.spec.traits ?? {};
    if (comesBackAfterMs === undefined) return;
    const { id: _, ...spec } = this.spec;
    this.#later(comesBackAfterMs, () =>
      this.#host.add({ ...spec, name: this.name, count: 1, startedSecondsAgo: 0, traits }),
    );
  }

  #workOn(): void {
    const after = this.spec.traits?.worksOnAfterMs;
    if (after === undefined) return;
    this.#later(after, () => {
      this.state = 'running';
      this.threads = 1;
      this.endedAt = undefined;
      this.endedBy = undefined;
      this.stopped = false;
      this.#movingSince = Date.now();
      this.#changed();
    });
  }

  #freeze(): void {
    if (this.#loader === undefined) this.#idleRows = this.rows;
    this.#movingSince = undefined;
  }

  #later(ms: number, act: () => void): void {
    const run = this.#run;
    setTimeout(() => {
      if (run === this.#run) act();
    }, ms).unref();
  }

  #changed(): void {
    this.#entry = undefined;
    this.#host.changed();
  }
}
