import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../../domain/contracts/plan.js';
import { reportSchema, type CheckResult, type Report } from '../../domain/contracts/report.js';
import { OUTCOMES, type Outcome } from '../../domain/outcomes.js';
import { resolvePolicy } from '../../domain/planning/policies.js';
import type { FrozenPlan, RunFacts } from '../../domain/ports.js';
import { buildReport } from '../../domain/reporting/build-report.js';
import { judgeBystanders, sampleOf } from '../../domain/reporting/bystanders.js';
import { findCameBack } from '../../domain/reporting/came-back.js';
import { judgeRun } from '../../domain/reporting/verdict.js';
import { serverRestarted } from '../../domain/wording.js';
import { STATE_CLASSES, type ObservedTask, type TaskDetail } from '../../domain/tasks.js';
import { aRequest, aTarget, aTask, seen, someFacts, unread } from './builders.js';

const finished = { how: 'finished' } as const;

function aCheck(before: CheckResult['before'], after: CheckResult['after']): CheckResult {
  return { name: 'half batch', database: 'w', targets: [], before, after, detail: '3 rows' };
}

function report(facts: RunFacts): Report {
  return buildReport(facts, judgeRun(facts, finished), 3_000_000);
}

describe('a bystander', () => {
  const target = aTask({ id: 'target' });
  const before = aTask({ id: 'by', name: 'innocent' });
  const judgeAs = (
    after: Partial<ObservedTask> | 'gone',
    samples: { before?: TaskDetail; after?: TaskDetail } = {},
  ): string => {
    const list = after === 'gone' ? [] : [{ ...before, ...after }];
    const [verdict] = judgeBystanders({
      before: seen([target, before]),
      after: seen(list),
      targets: new Set([keyOf(target)]),
      sampledBefore: new Map(samples.before === undefined ? [] : [[keyOf(before), sampleOf(samples.before)]]),
      sampledAfter: new Map(samples.after === undefined ? [] : [[keyOf(before), sampleOf(samples.after)]]),
    });
    return `${verdict?.verdict ?? 'none'}${verdict?.sampled === true ? ' (sampled)' : ''}`;
  };
  const detail = (errors: number, stoppedFlag = false): TaskDetail => ({
    word: '',
    state: 'active',
    proves: 'nothing',
    steps: [],
    logTail: '',
    errors,
    stoppedFlag,
  });

  it('is undisturbed when it goes on', () => {
    expect(judgeAs({})).toBe('undisturbed');
    expect(judgeAs({}, { before: detail(1), after: detail(1) })).toBe('undisturbed (sampled)');
  });

  it('has ended when it ended by itself', () => {
    expect(judgeAs({ state: 'ended', word: 'Finished' })).toBe('ended');
  });

  it.each<[string, Partial<ObservedTask> | 'gone']>([
    ['it vanished', 'gone'],
    ['its id belongs to another task', { name: 'other' }],
    ['it was stopped by somebody', { state: 'ended', word: 'Stopped' }],
    ['it ended with errors', { state: 'ended', word: 'Finished (with errors)' }],
    ['it is being stopped', { state: 'ending', word: 'Halting' }],
    ['it was paused', { word: 'Paused' }],
  ])('needs a look when %s', (_, after) => {
    expect(judgeAs(after)).toBe('disturbed');
  });

  it('needs a look when its errors grew, or its detail says it was stopped', () => {
    expect(judgeAs({}, { before: detail(1), after: detail(2) })).toBe('disturbed (sampled)');
    expect(judgeAs({ state: 'ended', word: 'Finished' }, { before: detail(0), after: detail(0, true) })).toBe(
      'disturbed (sampled)',
    );
  });

  it('needs a look when it was started again', () => {
    const [verdict] = judgeBystanders({
      before: seen([target, { ...before, startedAt: '1' }]),
      after: seen([{ ...before, startedAt: '2' }]),
      targets: new Set([keyOf(target)]),
    });
    expect(verdict?.verdict).toBe('disturbed');
  });

  it('is unknown when its server or its word cannot be read', () => {
    expect(judgeAs({ state: 'unknown', word: 'Foo' })).toBe('unknown');
    const [verdict] = judgeBystanders({
      before: seen([target, before]),
      after: [unread('carte-1')],
      targets: new Set([keyOf(target)]),
    });
    expect(verdict).toMatchObject({ verdict: 'unknown', why: 'no answer within 10 s' });
  });

  it('is every task of a touched server that had not ended and was no target, exactly once', () => {
    const task = fc.record({
      server: fc.constantFrom('carte-1', 'carte-2'),
      state: fc.constantFrom(...STATE_CLASSES),
      isTarget: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(task), fc.array(fc.constantFrom(...STATE_CLASSES)), (given, later) => {
        const tasks = given.map(({ server, state }, index) => aTask({ server, state, id: String(index) }));
        const targets = new Set(tasks.filter((_, index) => given[index]?.isTarget).map(keyOf));
        const touched = new Set(tasks.filter((one) => targets.has(keyOf(one))).map(({ server }) => server));
        const after = tasks.flatMap((one, index) =>
          later[index] === undefined ? [] : [{ ...one, state: later[index] }],
        );
        const verdicts = judgeBystanders({ before: seen(tasks), after: seen(after), targets });
        const expected = tasks.filter(
          (one) => touched.has(one.server) && one.state !== 'ended' && !targets.has(keyOf(one)),
        );
        expect(verdicts.map(keyOf).sort()).toEqual(expected.map(keyOf).sort());
      }),
    );
  });
});

describe('what came back', () => {
  const target = aTarget({ target: { id: 'a', startedAt: '1' } });
  const was = aTask({ id: 'a', startedAt: '1' });
  const cameBack = (
    after: readonly ObservedTask[],
    startedByUs: readonly string[] = [],
    before: readonly ObservedTask[] = [was],
  ): string[] =>
    findCameBack({
      facts: someFacts({ targets: [target] }),
      before: seen(before),
      after: seen(after),
      startedByUs: new Set(startedByUs),
    }).map(({ task, why, active }) => `${task.id}: ${why}${active ? '' : ', ended'}`);

  it('is a new task under the name of a target', () => {
    expect(cameBack([aTask({ id: 'b' })])).toEqual(['b: started after the plan, under the name of a target (Running)']);
    expect(cameBack([aTask({ id: 'b', state: 'ended', word: 'Finished' })])).toEqual([
      'b: started after the plan, under the name of a target (Finished), ended',
    ]);
  });

  it('is a new task that fits the selection', () => {
    expect(cameBack([aTask({ id: 'b', name: 'load_more' })])[0]).toContain('fits the selection');
  });

  it('is a target that was started again, and not one that is at work under the same identity: that takes its proof back', () => {
    expect(cameBack([{ ...was, startedAt: '2' }])[0]).toContain('started again under its own id');
    expect(cameBack([was])).toEqual([]);
    expect(cameBack([{ ...was, name: 'other' }])[0]).toContain('now belongs to other');
  });

  it('is not what was there before, what does not fit, or what our own rerun started', () => {
    const bystander = aTask({ id: 'b' });
    expect(cameBack([{ ...was, state: 'ended', word: 'Stopped' }, bystander], [], [was, bystander])).toEqual([]);
    expect(cameBack([aTask({ name: 'other' })])).toEqual([]);
    expect(cameBack([aTask({ id: 'c' })], ['carte-1/c'])).toEqual([]);
  });
});

describe('a report', () => {
  it('satisfies its contract and its counts add up, whatever the outcomes', () => {
    const outcome = fc.option(fc.constantFrom<Outcome>(...OUTCOMES), { nil: undefined });
    const verdict = fc.constantFrom('undisturbed' as const, 'ended' as const, 'disturbed' as const, 'unknown' as const);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(outcome, fc.nat(2))),
        fc.array(fc.tuple(verdict, fc.boolean())),
        (outcomes, others) => {
          const targets = outcomes.map(([given, requests]) => {
            const { outcome: _, ...open } = aTarget({ requests });
            return given === undefined ? open : { ...open, outcome: given };
          });
          const bystanders = others.map(([given, sampled], index) => ({
            server: 's',
            id: String(index),
            name: 'n',
            kind: 'job' as const,
            verdict: given,
            sampled,
            why: '',
          }));
          const made = reportSchema.parse(report(someFacts({ targets, bystanders })));
          expect(made.targets).toBe(targets.length);
          expect(Object.values(made.outcomes).reduce((sum, count) => sum + count, 0)).toBe(targets.length);
          const { total, undisturbed, ended, disturbed, unknown } = made.bystanders;
          expect(undisturbed + ended + disturbed + unknown).toBe(total);
          expect(total).toBe(others.length);
        },
      ),
    );
  });

  it('orders its timeline and shows times in UTC', () => {
    const { timeline } = report(
      someFacts({
        timeline: [
          { at: 2000, what: 'later' },
          { at: 1000, what: 'first', by: 'ann' },
        ],
      }),
    );
    expect(timeline).toEqual([
      { at: '1970-01-01T00:00:01.000Z', what: 'first', by: 'ann' },
      { at: '1970-01-01T00:00:02.000Z', what: 'later' },
    ]);
  });

  it('says of an unconfirmed target what the last way out is and who would die with it', () => {
    const bystanders = [
      {
        server: 'carte-1',
        id: 'b',
        name: 'innocent',
        kind: 'job' as const,
        verdict: 'undisturbed' as const,
        sampled: false,
        why: '',
      },
    ];
    const [first] = report(someFacts({ targets: [aTarget({ outcome: 'unconfirmed' })], bystanders })).needsYou;
    expect(first).toMatch(/offboil retry R-1.*restart of carte-1, which would also end 1 bystander: innocent/);
  });

  it('never claims a request that did not leave', () => {
    const ending = aTarget({ outcome: 'unconfirmed', requests: 0, target: { name: 'half_dead', id: 'h' } });
    const [first] = report(someFacts({ targets: [ending, aTarget({ outcome: 'unconfirmed' })] })).needsYou;
    expect(first).toContain('1 requested and not proven ended: load_orders');
    expect(first).toContain('1 not asked and not proven ended: half_dead (h)');
  });

  it('offers no restart of a server that has just started again', () => {
    const evidence = [{ at: 1, what: `not in the list; ${serverRestarted('12 s')}` }];
    const [first] = report(someFacts({ targets: [aTarget({ outcome: 'unconfirmed', evidence })] })).needsYou;
    expect(first).toMatch(/carte-1 has started again since they were asked/);
    expect(first).not.toContain('last way out');
  });

  it('does not know whether what it could not reach runs', () => {
    const [first] = report(someFacts({ targets: [aTarget({ outcome: 'unreachable', requests: 0 })] })).needsYou;
    expect(first).toContain('1 target not reached, and whether they run nobody knows: carte-1/');
  });

  it('names what the request meant and the run left, a line a reason', () => {
    const left = ['a', 'b'].map((id) => ({
      server: 'carte-1',
      id,
      name: 'load',
      code: 'reserved' as const,
      why: 'held elsewhere',
    }));
    expect(report(someFacts({ left })).needsYou).toEqual([
      '2 tasks left, and perhaps at work (held elsewhere): load (carte-1/a), load (carte-1/b)',
    ]);
  });

  it('names everything else that waits for a person', () => {
    const policy = { ...resolvePolicy('contain', { policies: {} }), confirm: 'approver' as const };
    const plan: FrozenPlan = {
      planHash: 'h',
      plannedAt: 1,
      confirm: 'count',
      policy,
      waves: [],
      linger: [],
      left: 0,
      findings: [],
      hasChecks: false,
      hasCompensations: false,
      longestWithinMs: 1,
    };
    const text = report(
      someFacts({
        run: { request: aRequest({ emergency: true }), plan },
        targets: [aTarget({ outcome: 'unreachable' })],
        checks: [aCheck('green', 'red'), aCheck('red', 'red')],
        compensations: [{ server: 's', id: 'i', name: 'n', kind: 'rerun', state: 'failed', detail: 'no such path' }],
        cameBack: [{ server: 's', id: 'i', name: 'reborn', why: 'w', active: true }],
        bystanders: [
          { server: 's', id: 'b', name: 'hurt', kind: 'job', verdict: 'disturbed', sampled: false, why: 'gone' },
        ],
        unreadServers: [{ server: 'carte-3', code: 'SERVER_UNREACHABLE', message: 'down' }],
      }),
    ).needsYou.join('\n');
    expect(text.split('\n')).toHaveLength(7);
    for (const part of [
      'not reached',
      'other than ann is owed',
      'was green before',
      'rerun for n on s failed',
      'reborn',
      'Bystander hurt',
      'carte-3 was not read (SERVER_UNREACHABLE)',
    ]) {
      expect(text).toContain(part);
    }
  });
});
