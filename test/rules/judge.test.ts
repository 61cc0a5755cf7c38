import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../domain/ports.js';
import { closeDoubt, judge, settleEnded, type Look } from '../../domain/stopping/judge.js';
import type { ObservedTask, TaskDetail } from '../../domain/tasks.js';

const orders = { name: 'load_orders', kind: 'transformation', startedAt: '2026/01/02 03:04:05.678' } as const;

function listed(change: Partial<ObservedTask> = {}): Look {
  return {
    kind: 'complete',
    task: { server: 'carte-1', id: 'a1', word: 'Finished', state: 'ended', closesBy: 'list', ...orders, ...change },
  };
}

function detail(change: Partial<TaskDetail>): TaskDetail {
  return { word: 'Stopped', state: 'ended', proves: 'nothing', steps: [], logTail: '', ...change };
}

function attempt(change: Partial<Attempt> = {}): Attempt {
  return { n: 1, rung: 'stop', epoch: 1, intendedAt: 10_000, reply: 'acknowledged', repliedAt: 10_020, ...change };
}

describe('a task counts as ended', () => {
  it('when a complete list shows the same task with a word that ends it', () => {
    expect(judge(orders, listed())).toBe('ended');
  });

  it('not when it has vanished from the list: a removed task runs on unseen', () => {
    expect(judge(orders, { kind: 'complete', task: undefined })).toBe('gone');
  });

  it('not when its id now belongs to a task of another name', () => {
    expect(judge(orders, listed({ name: 'load_invoices' }))).toBe('replaced');
  });

  it('not when it was started again under its id', () => {
    expect(judge(orders, listed({ startedAt: '2026/01/02 04:00:00.000' }))).toBe('replaced');
  });

  it('by name and id alone where the server tells no start', () => {
    expect(judge({ name: 'load_orders', kind: 'transformation' }, listed())).toBe('ended');
  });

  it('not when the word is one we have never seen', () => {
    expect(judge(orders, listed({ word: 'Foo', state: 'unknown' }))).toBe('unknown');
  });

  it('not when the list could not be read', () => {
    expect(judge(orders, { kind: 'unreadable' })).toBe('unreadable');
  });

  it('only after a look at its detail where the dialect says that the word may mislead', () => {
    expect(judge(orders, listed({ word: 'Stopped', closesBy: 'detail' }))).toBe('doubtful');
  });
});

describe('a doubt', () => {
  const waiting: ObservedTask = {
    server: 's',
    id: 'a',
    ...orders,
    word: 'Waiting',
    state: 'waiting',
    closesBy: 'detail',
  };

  it('is closed when the detail proves the end', () => {
    expect(closeDoubt(waiting, detail({ proves: 'ended' }))).toBe('ended');
  });

  it('is closed as active when the detail shows it running', () => {
    expect(closeDoubt(waiting, detail({ proves: 'running', state: 'active' }))).toBe('active');
  });

  it('leaves a waiting task waiting when the detail proves nothing', () => {
    expect(closeDoubt(waiting, detail({ proves: 'nothing' }))).toBe('waiting');
  });
});

describe('a target that has ended', () => {
  it('was stopped by us when a request may have arrived', () => {
    expect(settleEnded({ within: 60_000, attempts: [attempt()] }, 20_000)).toEqual({
      outcome: 'stopped',
      late: false,
      rung: 'stop',
    });
  });

  it('ended without us when no request left', () => {
    const attempts = [attempt({ reply: 'unsent' })];
    expect(settleEnded({ within: 60_000, attempts }, 20_000).outcome).toBe('alreadyEnded');
  });

  it('ended without us when the server dates its end clearly before our first request', () => {
    expect(settleEnded({ within: 60_000, attempts: [attempt()] }, 20_000, 5000).outcome).toBe('alreadyEnded');
  });

  it('counts as ours when the server dates its end within two seconds of our request', () => {
    expect(settleEnded({ within: 60_000, attempts: [attempt()] }, 20_000, 9000).outcome).toBe('stopped');
  });

  it('was stopped by force when its database sessions were ended', () => {
    expect(settleEnded({ within: 60_000, attempts: [attempt({ rung: 'rollback' })] }, 20_000).outcome).toBe(
      'stoppedByForce',
    );
  });

  it('is late when its time was over', () => {
    expect(settleEnded({ within: 1000, attempts: [attempt()] }, 20_000).late).toBe(true);
  });
});
