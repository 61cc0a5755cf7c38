import type { PlannedTarget } from '../domain/contracts/plan.js';
import { OffboilError } from '../domain/errors.js';
import type { DatabaseSession, Reply } from '../domain/ports.js';
import type { ObservedTask, StateClass, TaskDetail, TaskRef } from '../domain/tasks.js';
import type { Scheduler } from './scheduler.js';

/** How a task behaves when a stop arrives, or by itself. The first is the simplest. */
export const BEHAVIOURS = [
  'halts', // ending for a moment, then ended
  'endsAtOnce',
  'haltsSlowly', // ending for longer than `within`
  'ignoresTheStop', // acknowledged, and goes on
  'losesTheFirstStop', // acknowledged without effect; the second one works
  'ignoresSafe', // a safe stop has no end; a stop works
  'endsByItself',
  'endingAlready', // somebody else stopped it
  'isRenamed', // its id comes back with another name
  'isRestarted', // its id comes back with the same name and another start
  'wordLies', // the list says Stopped while its threads go on; only the detail tells
  'vanishes', // leaves the list and goes on
  'answersNo',
  'waits', // nothing to stop
  'wordUnknown',
] as const;
/** `hangs`: in a blocking call of its database; a stop has no end until its session is ended. */
export type Behaviour = (typeof BEHAVIOURS)[number] | 'hangs';

/** One execution as it truly is. */
export class TrueTask {
  ended = false;
  endedAt = Number.POSITIVE_INFINITY;
  /** Has any list or detail that a worker got shown that it ended? */
  shownEnded = false;
  /** Which of our requests had an effect, and when. */
  readonly reached = new Map<'safe' | 'stop', number>();
  /** How many requests arrived at it, with effect or not. */
  arrived = 0;
  state: StateClass;

  constructor(
    readonly ref: TaskRef,
    readonly startedAt: string,
    readonly behaviour: Behaviour,
    readonly haltMs: number,
  ) {
    this.state = behaviour === 'waits' ? 'waiting' : behaviour === 'wordUnknown' ? 'unknown' : 'active';
  }

  end(now: number): void {
    if (this.ended) return;
    this.ended = true;
    this.endedAt = now;
    this.state = 'ended';
  }
}

/** A session in the one database, with the execution that holds it. */
export interface TrueSession extends DatabaseSession {
  readonly task: TrueTask;
  /** Our account lacks the right to end it. */
  readonly refuses: boolean;
  /** When we ended it. */
  endedAt?: number;
}

/** A server as it truly is. */
export class TrueServer {
  /** Listed tasks by id; a replaced or vanished task is in no list any more. */
  readonly listed = new Map<string, TrueTask>();
  downFrom = Number.POSITIVE_INFINITY;
  downUntil = Number.NEGATIVE_INFINITY;

  constructor(
    readonly name: string,
    /** False as on PDI up to 6.1: a restart under the same id cannot be seen. */
    readonly listHasStart: boolean,
    readonly perServer: number,
    readonly timeoutMs: number,
  ) {}

  isDown(now: number): boolean {
    return now >= this.downFrom && now < this.downUntil;
  }
}

/** The ground truth: servers, their tasks, and what really happens to them. Knows nothing of workers or ledgers. */
export class World {
  readonly servers = new Map<string, TrueServer>();
  /** The planned execution of each target; what comes back under its id is another. */
  readonly planned = new Map<string, TrueTask>();
  readonly bystanders = new Set<TrueTask>();
  /** All sessions there ever were. */
  readonly sessions: TrueSession[] = [];
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Puts a task on its server and lets its own life begin. */
  add(server: TrueServer, task: TrueTask, lifeMs: number): void {
    server.listed.set(task.ref.id, task);
    const later = (happen: () => void): void => {
      this.#scheduler.park(lifeMs, undefined, happen);
    };
    switch (task.behaviour) {
      case 'endsByItself':
        later(() => {
          task.end(this.#scheduler.now);
        });
        break;
      case 'endingAlready':
        task.state = 'ending';
        later(() => {
          task.end(this.#scheduler.now);
        });
        break;
      case 'isRenamed':
        later(() => {
          this.#replace(server, task, `${task.ref.name} (other)`);
        });
        break;
      case 'isRestarted':
        later(() => {
          this.#replace(server, task, task.ref.name);
        });
        break;
      case 'vanishes':
        later(() => {
          if (server.listed.get(task.ref.id) === task) server.listed.delete(task.ref.id);
        });
        break;
      case 'halts':
      case 'endsAtOnce':
      case 'haltsSlowly':
      case 'ignoresTheStop':
      case 'losesTheFirstStop':
      case 'ignoresSafe':
      case 'wordLies':
      case 'answersNo':
      case 'waits':
      case 'wordUnknown':
      case 'hangs':
        break;
    }
  }

  /** The list as it is at this moment. */
  list(server: TrueServer): ObservedTask[] {
    return [...server.listed.values()].map((task) => ({
      ...task.ref,
      word: task.state,
      state: task.state,
      closesBy: task.behaviour === 'wordLies' ? 'detail' : 'list',
      ...(server.listHasStart ? { startedAt: task.startedAt } : {}),
    }));
  }

  /** One task in detail. @throws OffboilError when there is no such task */
  detail(server: TrueServer, ref: TaskRef): TaskDetail {
    const task = server.listed.get(ref.id);
    if (task?.ref.name !== ref.name) throw new OffboilError('REPLY_REJECTED', `no task ${ref.id} of that name`);
    const proves = task.ended ? 'ended' : 'running';
    return { word: task.state, state: task.state, proves, steps: [], logTail: '' };
  }

  /** A stop arrives. Addressed by id and name together; how the task takes it is its behaviour's matter. */
  stopArrives(server: TrueServer, ref: TaskRef, rung: 'safe' | 'stop'): { reply: Reply; hit: TrueTask | undefined } {
    const task = server.listed.get(ref.id);
    if (task?.ref.name !== ref.name) return { reply: { kind: 'rejected', note: 'no such task' }, hit: undefined };
    task.arrived += 1;
    if (task.behaviour === 'answersNo') return { reply: { kind: 'rejected', note: 'not allowed' }, hit: task };
    if (!task.ended) this.#takeStop(task, rung);
    return { reply: { kind: 'acknowledged' }, hit: task };
  }

  #takeStop(task: TrueTask, rung: 'safe' | 'stop'): void {
    if (task.behaviour === 'ignoresTheStop' || task.state === 'waiting') return;
    if (task.behaviour === 'losesTheFirstStop' && task.arrived === 1) return;
    if (!task.reached.has(rung)) task.reached.set(rung, this.#scheduler.now);
    if (task.behaviour === 'endsAtOnce') {
      task.end(this.#scheduler.now);
      return;
    }
    // A safe stop leaves the word as it is until all rows are through.
    if (rung === 'stop') task.state = task.behaviour === 'wordLies' ? 'ended' : 'ending';
    if (task.behaviour === 'hangs' || (rung === 'safe' && task.behaviour === 'ignoresSafe')) return;
    this.#scheduler.park(task.haltMs, undefined, () => {
      task.end(this.#scheduler.now);
    });
  }

  /** A task connects to the database. */
  connect(task: TrueTask, pid: number, startedAt: number, applicationName: string, refuses: boolean): void {
    this.sessions.push({
      ...{ pid, startedAt: new Date(startedAt).toISOString(), applicationName, user: 'etl', client: 'local' },
      ...{ state: 'active', hasWritten: true, task, refuses },
    });
  }

  /** Open sessions of that name. */
  sessionsOf(applicationName: string): DatabaseSession[] {
    return this.sessions
      .filter((session) => session.applicationName === applicationName && isOpen(session))
      .map(({ task: _task, refuses: _refuses, ...session }) => session);
  }

  sessionOf({ pid, startedAt }: DatabaseSession): TrueSession | undefined {
    return this.sessions.find((session) => session.pid === pid && session.startedAt === startedAt);
  }

  /** The database is asked to end a session; its task then fails, unless nothing makes it stop. */
  sessionEnds(session: TrueSession): 'ended' | 'gone' | 'refused' {
    if (!isOpen(session)) return 'gone';
    if (session.refuses) return 'refused';
    const { task } = session;
    session.endedAt = this.#scheduler.now;
    if (task.behaviour !== 'ignoresTheStop') {
      this.#scheduler.park(task.haltMs, undefined, () => {
        task.end(this.#scheduler.now);
      });
    }
    return 'ended';
  }

  /** The task ends and its id comes back with another execution, which is nobody's target. */
  #replace(server: TrueServer, task: TrueTask, name: string): void {
    if (server.listed.get(task.ref.id) !== task) return;
    task.end(this.#scheduler.now);
    const other = new TrueTask({ ...task.ref, name }, `${task.startedAt} again`, 'halts', task.haltMs);
    server.listed.set(task.ref.id, other);
    this.bystanders.add(other);
    // it loads the same table; the database gives the number of a session again
    const { now } = this.#scheduler;
    for (const { pid, applicationName } of this.sessions.filter((session) => session.task === task))
      this.connect(other, pid, now, applicationName, false);
  }
}

/** It holds its transaction: neither it nor its task has ended. */
export function isOpen({ endedAt, task }: TrueSession): boolean {
  return endedAt === undefined && !task.ended;
}

/** Could a list of this server tell the planned execution from another one? */
export function couldTell(server: TrueServer, planned: Pick<PlannedTarget, 'name'>, other: TrueTask): boolean {
  return server.listHasStart || other.ref.name !== planned.name;
}
