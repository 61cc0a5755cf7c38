import { randomUUID } from 'node:crypto';
import type { Personality } from '../personalities.js';
import type { Task } from './task.js';
import { date, detail, type StepView } from './texts.js';

const channels = new WeakMap<Task, string>();

/**
 * The reply of `transStatus` or `jobStatus` for one object.
 * @param name what the caller called it: `transStatus` echoes that, `jobStatus` says the real name
 * @param from log lines up to this number are left out; absent: none was given
 * @param serverLines log lines of the whole server so far
 */
export function detailOf(
  task: Task,
  name: string,
  from: number | undefined,
  serverLines: number,
  personality: Personality,
): string {
  const wasStarted = task.state !== 'waiting';
  const isJob = task.kind === 'job';
  // A transformation has a result from its start on, a job only after its end (both measured on 5.4).
  const hasResult = isJob ? task.state === 'ended' : wasStarted;
  const lines = logLines(task, personality);
  const skip =
    isJob && personality.jobLogFrom === 'fromTheEnd'
      ? cutAway(task, lines.length, from, serverLines)
      : (from ?? 0) - task.logLine;
  return detail(
    {
      kind: task.kind,
      name: isJob ? task.name : name,
      id: task.id,
      word: task.word,
      logDate: task.logDate,
      steps: isJob || !wasStarted ? [] : steps(task),
      from: from ?? 0,
      lastLine: wasStarted ? task.logLine + lines.length : 0,
      log: text(lines.slice(Math.max(0, skip))),
      result: hasResult
        ? {
            errors: task.errors,
            success: !isJob || task.errors === 0,
            isStopped: task.isStopped,
            logChannelId: channelOf(task),
            logText: isJob ? `${text(lines)}null` : '',
          }
        : undefined,
    },
    personality,
  );
}

/** 9.2 to 10.0: only what lies among the last `from` (at least as many as the job has, and one) lines of the server is sent. */
function cutAway(task: Task, lines: number, from: number | undefined, serverLines: number): number {
  const seen = Math.max(from ?? 9_999_999, lines + 1);
  return serverLines - seen - task.logLine;
}

function channelOf(task: Task): string {
  let channel = channels.get(task);
  if (channel === undefined) {
    channel = randomUUID();
    channels.set(task, channel);
  }
  return channel;
}

/** Two steps: one reads, one loads what the other read. */
function steps(task: Task): StepView[] {
  const rows = task.rows;
  const seconds = task.startedAt === undefined ? 0 : ((task.endedAt ?? Date.now()) - task.startedAt) / 1000;
  const isMoving = task.state === 'running';
  const shared = { seconds, speed: seconds > 0 ? ` ${Math.round(rows / seconds).toLocaleString('en-US')}` : '-' };
  const view = (flagged: boolean) => ({
    ...shared,
    priority: isMoving ? '   0/0' : '-',
    status: stepStatus(task, flagged),
    stopped: flagged,
  });
  const isStopped = task.stopped || task.endedBy === 'failure';
  return [
    {
      name: 'read',
      linesRead: 0,
      linesWritten: rows,
      linesInput: rows,
      linesOutput: 0,
      errors: 0,
      ...view(isStopped || task.draining),
    },
    {
      name: 'load',
      linesRead: rows,
      linesWritten: rows,
      linesInput: 0,
      linesOutput: rows,
      errors: task.errors,
      ...view(isStopped),
    },
  ];
}

/** A step's flag and word turn to Stopped when the stop is asked for, not when its thread ends. */
function stepStatus(task: Task, flagged: boolean): string {
  if (flagged) return 'Stopped';
  if (task.state === 'ended') return 'Finished';
  return 'Running';
}

interface Line {
  readonly at: number;
  readonly subject: string;
  readonly text: string;
}

function text(lines: readonly Line[]): string {
  return lines.map(({ at, subject, text: line }) => `${date(at, 19)} - ${subject} - ${line}\n`).join('');
}

function logLines(task: Task, personality: Personality): Line[] {
  const { startedAt, endedAt, name } = task;
  if (startedAt === undefined) return [];
  const lines: Line[] = [];
  const say = (at: number, subject: string, line: string) => lines.push({ at, subject, text: line });
  if (task.kind === 'job') {
    say(startedAt, name, 'Start of job execution');
    say(startedAt, name, 'Starting entry [load]');
    if (task.hasChild) {
      // The log is the only place where a child shows up.
      say(startedAt, 'load', 'Loading transformation from XML file [etl/load.ktr]');
      say(startedAt, 'load', 'Dispatching started for transformation [load]');
    }
  } else {
    say(startedAt, name, `Dispatching started for transformation [${name}]`);
  }
  for (const [key, value] of Object.entries(task.parameters ?? {}))
    say(startedAt, 'Write to log.0', `${key} = ${value}`);
  if (endedAt === undefined) return lines;
  if (task.failure !== undefined) say(endedAt, 'load.0', `ERROR: ${task.failure}`);
  if (task.kind === 'job') {
    say(endedAt, name, `Finished job entry [load] (result=[${String(task.errors === 0)}])`);
    say(endedAt, name, 'Job execution finished');
    return lines;
  }
  // Twice after a stop on 5.4.0.1 (measured).
  const times = task.stopped && personality.saysEndTwice ? 2 : 1;
  for (let time = 0; time < times; time += 1) {
    say(endedAt, 'read.0', `Finished processing (I=${task.rows}, O=0, R=0, W=${task.rows}, U=0, E=0)`);
    say(
      endedAt,
      'load.0',
      `Finished processing (I=0, O=${task.rows}, R=${task.rows}, W=${task.rows}, U=0, E=${task.errors})`,
    );
  }
  return lines;
}
