import { describe, expect, it } from 'vitest';
import { LEFT_CODES, LEFT_FACTS } from '../../domain/contracts/plan.js';
import type { CheckResult } from '../../domain/contracts/report.js';
import { formatCounts, judgeRun } from '../../domain/reporting/verdict.js';
import { reservedBy } from '../../domain/wording.js';
import { aRequest, aTarget, someFacts } from './builders.js';

const finished = { how: 'finished' } as const;

function aCheck(before: CheckResult['before'], after: CheckResult['after']): CheckResult {
  return { name: 'half batch', database: 'w', targets: [], before, after, detail: '3 rows' };
}

describe('the verdict on a run', () => {
  it('is completed, 0, when all is proven', () => {
    const facts = someFacts({
      targets: [aTarget(), aTarget({ outcome: 'alreadyEnded' })],
      checks: [aCheck('red', 'red')],
    });
    expect(judgeRun(facts, finished)).toEqual({
      end: 'completed',
      exitCode: 0,
      message: '2 of 2 proven ended · 1 alreadyEnded · no check turned red',
    });
  });

  it('is completed, 0, when nothing matched, and says so', () => {
    expect(judgeRun(someFacts(), finished)).toEqual({
      end: 'completed',
      exitCode: 0,
      message: 'nothing matched, nothing was sent',
    });
  });

  it('is completed, 0, for a dry run', () => {
    const facts = someFacts({
      targets: [aTarget({ outcome: 'skipped' })],
      run: { request: aRequest({ dryRun: true }) },
    });
    expect(judgeRun(facts, finished)).toMatchObject({ end: 'completed', exitCode: 0 });
  });

  it.each(['unconfirmed', 'failed', 'refused', 'unreachable', 'replaced', 'skipped'] as const)(
    'is incomplete, 2, with a target %s',
    (outcome) => {
      const verdict = judgeRun(someFacts({ targets: [aTarget(), aTarget({ outcome })] }), finished);
      expect(verdict).toMatchObject({ end: 'incomplete', exitCode: 2 });
      expect(verdict.message).toContain(`1 ${outcome}`);
    },
  );

  it('is incomplete when a target has no outcome at all', () => {
    const { outcome: _, ...open } = aTarget();
    expect(judgeRun(someFacts({ targets: [open] }), finished).exitCode).toBe(2);
  });

  it('is completed with protected targets, and with those that a person skipped', () => {
    const skipped = aTarget({ outcome: 'skipped', evidence: [{ at: 1, what: 'skipped by ann' }] });
    expect(judgeRun(someFacts({ targets: [skipped, aTarget({ outcome: 'protected' })] }), finished).exitCode).toBe(0);
  });

  it.each(LEFT_CODES.map((code) => [code, LEFT_FACTS[code].isOpen ? 2 : 0] as const))(
    'with a task left because of %s ends with %i',
    (code, exitCode) => {
      const left = [{ server: 'carte-1', id: 'x', name: 'load_orders', code, why: 'the reason' }];
      expect(judgeRun(someFacts({ targets: [aTarget()], left }), finished).exitCode).toBe(exitCode);
      expect(judgeRun(someFacts({ left }), finished).exitCode).toBe(exitCode);
    },
  );

  it('is never green while a task that was meant may be at work: held by another run, or with a start that cannot be told', () => {
    expect(LEFT_CODES.filter((code) => LEFT_FACTS[code].isOpen)).toEqual([
      'stateUnknown',
      'startUnknown',
      'idRepeated',
      'gone',
      'reserved',
      'versionUnknown',
      'unreadable',
    ]);
  });

  it('is incomplete when another run took a target between plan and confirm', () => {
    const target = aTarget({ outcome: 'protected', evidence: [{ at: 1, what: reservedBy('INC-7') }] });
    expect(judgeRun(someFacts({ targets: [target] }), finished).exitCode).toBe(2);
  });

  it('says of what was asked for by id that it has ended', () => {
    const left = [{ server: 'carte-1', id: 'x', name: 'load_orders', code: 'ended' as const, why: 'has ended' }];
    expect(judgeRun(someFacts({ left }), finished)).toMatchObject({
      exitCode: 0,
      message: 'nothing was sent: what was asked for has ended, 1 task',
    });
  });

  it.each(['inconclusive', 'notRun'] as const)('is incomplete with a check that is %s after the stop', (after) => {
    const verdict = judgeRun(someFacts({ targets: [aTarget()], checks: [aCheck('green', after)] }), finished);
    expect(verdict).toMatchObject({ exitCode: 2, message: '1 of 1 proven ended · checks without an answer: 1' });
  });

  it('is completed when what replaced a target was seen ended', () => {
    const target = aTarget({ outcome: 'replaced' });
    const { server, id } = target.target;
    const cameBack = [{ server, id, name: 'x', why: '', active: false }];
    expect(judgeRun(someFacts({ targets: [target], cameBack }), finished).exitCode).toBe(0);
  });

  it('is incomplete when a server that the selection covers was not read, even when nothing matched', () => {
    const unreadServers = [{ server: 'carte-2', code: 'SERVER_UNREACHABLE', message: 'down' }];
    expect(judgeRun(someFacts({ unreadServers }), finished)).toMatchObject({
      exitCode: 2,
      message: 'nothing matched, nothing was sent · not read: carte-2',
    });
    const elsewhere = { request: aRequest({ select: { servers: ['carte-1'] } }) };
    expect(judgeRun(someFacts({ unreadServers, run: elsewhere }), finished).exitCode).toBe(0);
  });

  it('is incomplete when a check turned red, or a compensation failed or is unanswered', () => {
    const target = aTarget();
    expect(judgeRun(someFacts({ targets: [target], checks: [aCheck('green', 'red')] }), finished).exitCode).toBe(2);
    expect(judgeRun(someFacts({ targets: [target], checks: [aCheck('inconclusive', 'red')] }), finished).exitCode).toBe(
      2,
    );
    for (const state of ['failed', 'unanswered'] as const) {
      const compensations = [{ server: 's', id: 'i', name: 'n', kind: 'rerun' as const, state, detail: '' }];
      expect(judgeRun(someFacts({ targets: [target], compensations }), finished).exitCode).toBe(2);
    }
  });

  it('is not changed by what came back alone', () => {
    const cameBack = [{ server: 's', id: 'i', name: 'n', why: 'w', active: true }];
    expect(judgeRun(someFacts({ targets: [aTarget()], cameBack }), finished).exitCode).toBe(0);
  });

  it('puts brake and cancel before all else, then refusal, then our own error', () => {
    const facts = someFacts({ targets: [aTarget({ outcome: 'unconfirmed' })] });
    expect(judgeRun(facts, { how: 'braked' })).toMatchObject({ end: 'braked', exitCode: 4 });
    expect(judgeRun(facts, { how: 'cancelled' })).toMatchObject({ end: 'cancelled', exitCode: 4 });
    expect(judgeRun(facts, { how: 'error', code: 'INTERNAL', message: 'bug' })).toMatchObject({
      end: 'error',
      exitCode: 1,
      code: 'INTERNAL',
    });
    expect(judgeRun(someFacts(), { how: 'refused', code: 'PLAN_REJECTED', message: 'ann said no.' })).toEqual({
      end: 'refused',
      exitCode: 3,
      code: 'PLAN_REJECTED',
      message: 'PLAN_REJECTED: ann said no.',
    });
  });

  it('counts in a fixed order', () => {
    expect(formatCounts({ unconfirmed: 2, stopped: 38 })).toBe('38 stopped, 2 unconfirmed');
    expect(formatCounts({})).toBe('no targets');
  });
});
