import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../domain/canonical-json.js';
import { keyOf, type PlanDraft } from '../../domain/contracts/plan.js';
import { OffboilError } from '../../domain/errors.js';
import { rungsFor } from '../../domain/planning/ladder.js';
import { resolvePolicy } from '../../domain/planning/policies.js';
import type { Policy } from '../../domain/contracts/policy.js';
import { PRIORITIES, STATE_CLASSES, TASK_KINDS } from '../../domain/tasks.js';
import { anEstate, anInfo, aPlan, aRequest, aTask, seen, targetsOf, unread } from './builders.js';

function contain(change: Partial<Policy> = {}): Policy {
  return { ...resolvePolicy('contain', { policies: {} }), ...change };
}

function findings({ findings: all }: PlanDraft): string {
  return all.map(({ text }) => text).join('\n');
}

describe('the ladder of a task', () => {
  const all = ['safe', 'stop', 'rollback', 'kill'] as const;

  it('has what the mode asks for, of that what the contract permits', () => {
    expect(rungsFor('graceful', all, anInfo(), 'transformation', true).rungs).toEqual(['safe', 'stop']);
    expect(rungsFor('forced', ['stop', 'rollback'], anInfo(), 'transformation', true).rungs).toEqual([
      'stop',
      'rollback',
    ]);
  });

  it('has a safe stop for transformations only, where the dialect knows it, and says so', () => {
    expect(rungsFor('graceful', all, anInfo(), 'job', true)).toMatchObject({
      rungs: ['stop'],
      notes: ['a job has no safe stop'],
    });
    expect(
      rungsFor('graceful', all, anInfo({ rungs: ['stop'], version: '5.4' }), 'transformation', true),
    ).toMatchObject({
      rungs: ['stop'],
      notes: ['Carte 5.4 has no safe stop'],
    });
  });

  it('begins with the rollback when that is asked for and permitted', () => {
    expect(rungsFor('rollback', ['stop', 'rollback'], anInfo(), 'job', true)).toEqual({
      rungs: ['rollback'],
      notes: [],
    });
  });

  it('falls back to a normal stop only where no rollback is permitted, and says so', () => {
    expect(rungsFor('rollback', ['stop'], anInfo(), 'job', true)).toMatchObject({
      rungs: ['stop'],
      stopInsteadOfRollback: 'its contract permits no rollback',
    });
    expect(rungsFor('rollback', ['stop', 'rollback'], anInfo(), 'job', false).stopInsteadOfRollback).toContain(
      'no sessions',
    );
  });

  it('leaves out kill where tasks share a process, and says so', () => {
    const { rungs, notes } = rungsFor('forced', all, anInfo(), 'transformation', true);
    expect(rungs).toEqual(['safe', 'stop', 'rollback']);
    expect(notes[0]).toContain('cannot be killed');
  });
});

describe('a plan', () => {
  const estate = anEstate({
    databases: [{ name: 'w', kind: 'postgresql', url: '${env:W}' }],
    tasks: [
      {
        match: { name: 'load_*' },
        group: 'erp',
        priority: 'low',
        owner: 'data',
        stop: { ladder: ['stop', 'rollback'], within: '90s' },
        writes: [{ database: 'w', table: 'public.orders' }],
        sessions: [{ database: 'w', applicationName: 'load' }],
        checks: [{ name: 'c', database: 'w', query: 'SELECT 1', expect: { rows: 1 } }],
        compensate: { kind: 'manual', runbook: 'https://r' },
      },
      { match: { name: 'feed_*' }, group: 'feeds', priority: 'core' },
    ],
  });

  it('carries all that stopping a target needs', () => {
    const task = aTask({ id: 'a', startedAt: 's', closesBy: 'detail' });
    const { plan, extras, confirm } = aPlan([task], { estate });
    expect(plan.waves).toMatchObject([
      {
        priority: 'low',
        targets: [
          {
            server: 'carte-1',
            id: 'a',
            name: 'load_orders',
            startedAt: 's',
            rungs: ['stop'],
            within: 90_000,
            checks: [{ name: 'c' }],
            compensate: { kind: 'manual' },
          },
        ],
      },
    ]);
    expect(extras.get('carte-1/a')).toMatchObject({
      group: 'erp',
      owner: 'data',
      hasContract: true,
      why: 'name load_*',
      writes: ['w.public.orders'],
      closesByDetailWhenStopped: true,
    });
    expect(confirm).toBe('count');
  });

  it('treats a task without a contract as core, with a normal stop, and asks for an approver', () => {
    const { plan, confirm } = aPlan([aTask()]);
    expect(plan.waves).toMatchObject([
      { priority: 'core', targets: [{ rungs: ['stop'], within: 60_000, checks: [], compensate: null }] },
    ]);
    expect(confirm).toBe('approver');
  });

  it('leaves what another run has reserved, with the name of that run and the command that finishes it', () => {
    const { plan, left } = aPlan([aTask({ id: 'a' })], { reserved: new Map([['carte-1/a', 'INC-7']]) });
    expect(plan.waves).toEqual([]);
    expect(left).toMatchObject([
      { id: 'a', why: expect.stringMatching(/reserved by run INC-7;.*"offboil retry INC-7"/) as string },
    ]);
  });

  it('is empty and says so when nothing matches', () => {
    const draft = aPlan([aTask({ name: 'other' })]);
    expect(draft.plan.waves).toEqual([]);
    expect(findings(draft)).toContain('Nothing matched');
    expect(draft.confirm).toBe('count');
  });

  it('refuses a task that no permitted rung can stop, by name', () => {
    const only = anEstate({ tasks: [{ match: { name: 'load_*' }, stop: { ladder: ['kill'] } }] });
    expect(() => aPlan([aTask()], { estate: only, request: aRequest({ mode: 'forced' }) })).toThrow(
      /load_orders on carte-1/,
    );
  });

  it('sends nothing to a server whose product cannot be told', () => {
    const observations = [{ server: 'carte-1', askedAt: 1, tasks: [aTask()] }];
    expect(aPlan([], { observations }).left[0]?.why).toContain('cannot be told');
  });

  it('names unread servers and what no engine covers', () => {
    const draft = aPlan([], { observations: [unread('carte-2'), ...seen([aTask({ kind: 'job' })])] });
    expect(draft.notSeen).toEqual([
      'carte-2 (SERVER_TIMEOUT): no answer within 10 s',
      expect.stringContaining('children of jobs'),
      expect.stringContaining('kitchen, pan'),
    ]);
  });

  it('tells what whoever confirms must know', () => {
    const tasks = [aTask({ kind: 'job', remark: 'restarted under one id' }), aTask({ server: 'carte-2' })];
    const info = {
      version: '5.4',
      source: 'read',
      start: 'none',
      stopReachesChildren: false,
      remarks: ['Its clock is 3 s ahead.'],
    } as const;
    const text = findings(aPlan(tasks, { observations: seen(tasks, info) }));
    for (const part of [
      'every one of the 2 active',
      'rolls nothing back',
      'the list tells no start',
      'children run on',
      'read in source code',
      'carte-1, carte-2: Its clock',
      'restarted under one id',
      'load_orders (2)',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('warns of children that run on only where a job is among the targets', () => {
    const info = { stopReachesChildren: false } as const;
    const said = (kind: 'job' | 'transformation'): string => {
      const tasks = [aTask({ kind })];
      return findings(aPlan(tasks, { observations: seen(tasks, info) }));
    };
    expect(said('job')).toContain('its children run on, in no list, and nothing here can show their end');
    expect(said('transformation')).not.toContain('children');
  });

  it('says before the confirm where a stop takes the place of a rollback', () => {
    const tasks = [aTask(), aTask({ name: 'feed_a' })];
    const request = aRequest({ mode: 'rollback', select: { names: ['load_*', 'feed_*'] } });
    const draft = aPlan(tasks, {
      estate,
      request,
      observations: ['carte-1', 'carte-2', 'carte-3'].map((server) => ({
        server,
        askedAt: 1,
        info: anInfo(),
        tasks: tasks.filter((task) => task.server === server),
      })),
    });
    expect(draft.plan.waves.map(({ targets }) => targets[0]?.rungs)).toEqual([['rollback'], ['stop']]);
    expect(findings(draft)).toContain('1 target can only be stopped: feed_a on carte-1');
  });

  it('says who could own the same sessions: another task of that contract, and a server that was not read', () => {
    const [one, two] = [aTask({ id: 'a' }), aTask({ id: 'b', server: 'carte-2', name: 'load_items' })];
    const request = aRequest({ mode: 'rollback', select: { names: ['load_orders'] } });
    const draft = aPlan([], { estate, request, observations: [...seen([one, two]), unread('carte-3')] });
    expect(draft.extras.get('carte-1/a')?.sharesSessionsWith).toEqual(['carte-2/b', 'carte-3 (not read)']);
    expect(findings(draft)).toContain('will not be ended');
  });
});

describe('tasks that share their sessions', () => {
  it('are named up to ten, and the rest counted', () => {
    const estate = anEstate({
      databases: [{ name: 'w', kind: 'postgresql', url: '${env:W}' }],
      tasks: [
        { match: { name: 'load_*', servers: ['carte-1'] }, sessions: [{ database: 'w', applicationName: 'load' }] },
      ],
    });
    const tasks = Array.from({ length: 13 }, (_, index) => aTask({ id: `t${10 + index}` }));
    const { extras } = aPlan(tasks, { estate });
    for (const task of tasks) {
      const shared = extras.get(keyOf(task))?.sharesSessionsWith ?? [];
      expect(shared).not.toContain(keyOf(task));
      const counted = Number(/^(\d+) more tasks$/.exec(shared.at(-1) ?? '')?.[1] ?? 0);
      expect(shared.length - 1 + counted).toBe(12);
    }
  });
});

describe('floors', () => {
  const estate = anEstate({ tasks: [{ match: { name: 'load_*' }, group: 'feeds' }] });
  const policy = contain({ floors: [{ group: 'feeds', keep: 2 }] });
  const three = ['a', 'b', 'c'].map((id) => aTask({ id }));

  it('keep those members that would have come last', () => {
    const draft = aPlan(three, { estate, policy });
    expect(targetsOf(draft)).toEqual(['carte-1/a']);
    expect(draft.left.map(({ id, why }) => `${id}: ${why}`)).toEqual([
      'b: floor of group feeds: at least 2 of its 3 active tasks stay',
      'c: floor of group feeds: at least 2 of its 3 active tasks stay',
    ]);
  });

  it('count members that another run has reserved as gone', () => {
    expect(targetsOf(aPlan(three, { estate, policy, reserved: new Map([['carte-1/a', 'X']]) }))).toEqual([]);
  });

  it('count members on unread servers as gone, and members that are ending as no help', () => {
    const tasks = [aTask({ id: 'a' }), aTask({ id: 'b' }), aTask({ id: 'c', state: 'ending' })];
    expect(targetsOf(aPlan([], { estate, policy, observations: [...seen(tasks), unread('carte-2')] }))).toEqual([
      'carte-1/c',
    ]);
  });
});

describe('a budget', () => {
  const tasks = Array.from({ length: 10 }, (_, index) => aTask({ name: index < 6 ? 'load_x' : 'other' }));

  it('refuses more targets than it allows, with the numbers', () => {
    expect(() => aPlan(tasks, { policy: contain({ budget: { targets: 5 } }) })).toThrow(/6 targets.*at most 5/);
    expect(targetsOf(aPlan(tasks, { policy: contain({ budget: { targets: 6 } }) }))).toHaveLength(6);
  });

  it('takes its share of the active tasks that were seen', () => {
    expect(() => aPlan(tasks, { policy: contain({ budget: { share: '50%' } }) })).toThrow(
      /50% of the 10 active tasks seen, which is 5/,
    );
    expect(targetsOf(aPlan(tasks, { policy: contain({ budget: { share: '60%' } }) }))).toHaveLength(6);
  });
});

describe('any plan over any estate', () => {
  const names = ['load_a', 'load_b', 'feed_a', 'vault', 'stray'];
  const task = fc.record({
    server: fc.constantFrom('carte-1', 'carte-2', 'carte-3'),
    name: fc.constantFrom(...names),
    kind: fc.constantFrom(...TASK_KINDS),
    state: fc.constantFrom(...STATE_CLASSES),
    reserved: fc.boolean(),
  });
  const contract = fc.record({
    match: fc.record({ name: fc.constantFrom('load_*', 'feed_*', 'vault', '*_a') }),
    priority: fc.constantFrom(...PRIORITIES),
    group: fc.constantFrom('erp', 'feeds'),
    protected: fc.boolean(),
  });
  const scene = fc.record({
    tasks: fc.array(task, { maxLength: 30 }),
    contracts: fc.array(contract, { maxLength: 4 }),
    keep: fc.integer({ min: 1, max: 4 }),
    except: fc.constantFrom('load_a', 'feed_*'),
  });

  it('touches no protected, excepted, reserved, ended or waiting task, each target once, floors held, whatever the order of observations', () => {
    fc.assert(
      fc.property(scene, ({ tasks, contracts, keep, except }) => {
        const estate = anEstate({ tasks: contracts });
        const observed = tasks.map(({ reserved: _, ...rest }, index) => aTask({ ...rest, id: String(index) }));
        const reserved = new Map(observed.filter((_, index) => tasks[index]?.reserved).map((one) => [keyOf(one), 'X']));
        const input = {
          estate,
          reserved,
          request: aRequest({ everything: true, except: { names: [except] } }),
          policy: contain({ waves: [2, '50%'], floors: [{ group: 'feeds', keep }] }),
        };
        const draft = aPlan(observed, input);
        const keys = targetsOf(draft);
        expect(new Set(keys).size).toBe(keys.length);
        const left = new Set(draft.left.map(keyOf));
        const contractOf = (name: string): (typeof contracts)[number] | undefined =>
          contracts.find(({ match }) =>
            match.name.startsWith('*')
              ? name.endsWith('_a')
              : match.name.endsWith('*')
                ? name.startsWith(match.name.slice(0, -1))
                : name === match.name,
          );
        for (const one of observed.filter((candidate) => keys.includes(keyOf(candidate)))) {
          expect(contractOf(one.name)?.protected ?? false).toBe(false);
          expect(except === 'load_a' ? one.name : one.name.slice(0, 5)).not.toBe(
            except === 'load_a' ? 'load_a' : 'feed_',
          );
          expect(['active', 'ending']).toContain(one.state);
          expect(reserved.has(keyOf(one)) || left.has(keyOf(one))).toBe(false);
        }
        const feeds = observed.filter(
          (one) => contractOf(one.name)?.group === 'feeds' && one.state === 'active' && !reserved.has(keyOf(one)),
        );
        const stopped = feeds.filter((one) => keys.includes(keyOf(one))).length;
        expect(stopped).toBeLessThanOrEqual(Math.max(0, feeds.length - keep));

        const remarks = { remarks: ['Its clock is ahead.'] };
        const inOrder = aPlan([], { ...input, observations: seen(observed, remarks) });
        const shuffled = aPlan([], { ...input, observations: seen([...observed].reverse(), remarks).reverse() });
        expect(canonicalJson(shuffled.plan)).toBe(canonicalJson(draft.plan));
        expect(shuffled).toEqual(inOrder);
      }),
    );
  });

  it('has the same JSON whenever it is made', () => {
    const tasks = [aTask({ id: 'a' })];
    expect(canonicalJson(aPlan(tasks, { now: 1 }).plan)).toBe(canonicalJson(aPlan(tasks, { now: 2 }).plan));
    expect(() => aPlan(tasks, { policy: contain({ budget: { share: '0%' } }) })).toThrow(OffboilError);
  });
});
