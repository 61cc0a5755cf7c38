import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OffboilError } from '../../domain/errors.js';
import { parseRequest } from '../../domain/contracts/request.js';
import { checkSelection } from '../../domain/selection/check-selection.js';
import { createContractMatcher } from '../../domain/selection/contracts.js';
import { coversServer } from '../../domain/selection/covered-servers.js';
import { compileNamePattern, compilePattern } from '../../domain/selection/pattern.js';
import { selectTasks, type Selected } from '../../domain/selection/select-tasks.js';
import type { ObservedTask } from '../../domain/tasks.js';
import { anEstate, aRequest, aTask, seen, unread } from './builders.js';

const NOW = 1_000_000;

const erp = anEstate({
  tasks: [
    {
      match: { name: 'load_orders*' },
      group: 'erp',
      sources: ['erp-oracle'],
      tags: ['nightly'],
      owner: 'data',
      priority: 'low',
    },
    { match: { name: 'pay*' }, group: 'payments', sources: ['erp-oracle'] },
    { match: { name: 'vault' }, protected: true, sources: ['erp-oracle'] },
  ],
});

function select(tasks: readonly ObservedTask[], input: Parameters<typeof aRequest>[0], estate = erp): Selected {
  return selectTasks({ request: aRequest(input), estate, observations: seen(tasks), now: NOW });
}

function names({ chosen }: Selected): string[] {
  return chosen.map(({ task }) => task.name);
}

function faultOf(act: () => unknown): OffboilError {
  try {
    act();
  } catch (error) {
    if (error instanceof OffboilError) return error;
    throw error;
  }
  throw new Error('expected a fault');
}

describe('a pattern', () => {
  it('is a glob over the whole name', () => {
    const matches = compilePattern('load_*_?');
    expect(['load_a_1', 'load__1', 'load_a_12', 'xload_a_1'].map(matches)).toEqual([true, true, false, false]);
  });

  it('takes every sign but * and ? literally', () => {
    expect(compilePattern('a.b(c)[d]')('a.b(c)[d]')).toBe(true);
    expect(compilePattern('a.b')('axb')).toBe(false);
  });

  it('fits any name that its stars were cut out of', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), fc.string(), (parts, filling) => {
        const plain = parts.map((part) => part.replace(/[*?/]/g, ''));
        expect(compilePattern(plain.join('*'))(plain.join(filling))).toBe(true);
      }),
    );
  });

  it('between slashes is an RE2 expression that may match anywhere', () => {
    expect(compilePattern('/ORDERS_\\d+$/i')('load_orders_7')).toBe(true);
    expect(compilePattern('/^orders/')('load_orders')).toBe(false);
  });

  it('that RE2 refuses is named with the reason', () => {
    for (const text of ['/(?=a)/', '/(a+/', '/a/x']) {
      if (text === '/a/x') expect(faultOf(() => compilePattern(text)).message).toContain('flag "x"');
      else
        expect(faultOf(() => compilePattern(text))).toMatchObject({
          code: 'REQUEST_INVALID',
          fields: { pattern: text },
        });
    }
  });

  it('cannot stall the worker, however it backtracks elsewhere', () => {
    expect(compilePattern('/^(a+)+$/')(`${'a'.repeat(5000)}!`)).toBe(false);
  });

  it('means the same task with and without its file ending', () => {
    expect(compileNamePattern('load_orders.ktr')('load_orders')).toBe(true);
    expect(compileNamePattern('load_orders')('load_orders.kjb')).toBe(true);
  });

  it('made of an ending alone does not widen to everything', () => {
    expect(compileNamePattern('*.ktr')('load_orders')).toBe(false);
  });
});

describe('a contract', () => {
  it('is the first that matches', () => {
    const estate = anEstate({
      tasks: [
        { match: { name: 'load_*' }, group: 'first' },
        { match: { name: 'load_orders' }, group: 'second' },
      ],
    });
    expect(createContractMatcher(estate)(aTask())?.group).toBe('first');
  });

  it('may be narrowed by kind and servers', () => {
    const estate = anEstate({ tasks: [{ match: { name: '*', kind: 'job', servers: ['carte-[1]', 'carte-2'] } }] });
    const match = createContractMatcher(estate);
    expect(match(aTask({ kind: 'job', server: 'carte-2' }))).toBeDefined();
    expect(match(aTask({ kind: 'job', server: 'carte-1' }))).toBeUndefined();
    expect(match(aTask({ kind: 'transformation', server: 'carte-2' }))).toBeUndefined();
  });
});

describe('a selection', () => {
  it('joins its fields by AND and the entries of a list by OR', () => {
    const tasks = [aTask(), aTask({ name: 'pay_all' }), aTask({ name: 'other' })];
    expect(names(select(tasks, { select: { groups: ['erp', 'payments'], sources: ['erp-oracle'] } }))).toEqual([
      'load_orders',
      'pay_all',
    ]);
    expect(names(select(tasks, { select: { groups: ['erp'], names: ['pay*'] } }))).toEqual([]);
  });

  it('says of each task which rules chose it', () => {
    const { chosen } = select([aTask()], { select: { names: ['x', 'load_*'], sources: ['erp-oracle'] } });
    expect(chosen[0]?.why).toBe('name load_* · source erp-oracle');
  });

  it('is overruled by except, and the task is left with that reason', () => {
    const { chosen, left } = select([aTask({ name: 'pay_all' })], {
      select: { sources: ['erp-oracle'] },
      except: { groups: ['payments'] },
    });
    expect(chosen).toEqual([]);
    expect(left).toMatchObject([{ name: 'pay_all', why: 'except: group payments' }]);
  });

  it('never chooses what a contract protects', () => {
    expect(select([aTask({ name: 'vault' })], { everything: true }).left).toMatchObject([
      { name: 'vault', why: 'protected by the contract for vault' },
    ]);
  });

  it('leaves waiting tasks even when they are asked for: there is nothing to stop', () => {
    const { chosen, left } = select([aTask({ state: 'waiting' })], { select: { states: ['waiting'] } });
    expect(chosen).toEqual([]);
    expect(left[0]?.why).toBe('waits: nothing to stop');
  });

  it('takes active and ending tasks by default, and passes ended ones in silence', () => {
    const { chosen, left } = select([aTask(), aTask({ state: 'ending' }), aTask({ state: 'ended' })], {});
    expect(chosen).toHaveLength(2);
    expect(left).toEqual([]);
  });

  it('leaves a task whose state is not known, unless that is asked for', () => {
    const task = aTask({ state: 'unknown', word: 'Foo' });
    expect(select([task], {}).left[0]?.why).toContain('"Foo" is not known');
    expect(select([task], { select: { states: ['unknown'] } }).chosen).toHaveLength(1);
  });

  it('by running time leaves out what started too late, and names what has no start', () => {
    const old = aTask({ name: 'load_old', startedAtMs: NOW - 400_000 });
    const young = aTask({ name: 'load_young', startedAtMs: NOW - 1000 });
    const result = select([old, young, aTask({ name: 'load_when' })], { select: { runningFor: '5m' } });
    expect(names(result)).toEqual(['load_old']);
    expect(result.left).toMatchObject([
      { name: 'load_when', why: expect.stringContaining('start is unknown') as string },
    ]);
  });

  it('excepts a task by running time also when its start is unknown: leaving out does no harm', () => {
    expect(select([aTask()], { except: { runningFor: '5m' } }).chosen).toEqual([]);
  });

  it('can ask for tasks without a contract', () => {
    expect(names(select([aTask(), aTask({ name: 'stray' })], { select: { contract: 'none' } }))).toEqual(['stray']);
  });

  it('refuses a bare id that two servers list, and names both', () => {
    const tasks = [aTask({ id: 'x' }), aTask({ id: 'x', server: 'carte-2' })];
    const fault = faultOf(() => select(tasks, { select: { ids: ['x'] } }));
    expect(fault.code).toBe('SELECTION_AMBIGUOUS');
    expect(fault.message).toContain('carte-1/x or carte-2/x');
    expect(select(tasks, { select: { ids: ['carte-2/x'] } }).chosen).toMatchObject([{ task: { server: 'carte-2' } }]);
  });

  it('answers for a task that was asked for by id and has ended', () => {
    const ended = aTask({ id: 'x', word: 'Finished', state: 'ended' });
    expect(select([ended], { select: { ids: ['carte-1/x'] } })).toMatchObject({
      chosen: [],
      left: [{ id: 'x', code: 'ended', why: 'has ended: the list says "Finished"' }],
    });
    expect(select([ended], {}).left).toEqual([]);
  });

  it('answers for an id that no list has, except where its server was not read', () => {
    const ids = ['carte-1/x', 'carte-2/y', 'z'];
    const { left } = selectTasks({
      request: aRequest({ select: { ids } }),
      estate: anEstate(),
      observations: [...seen([]), unread('carte-2')],
      now: 0,
    });
    expect(left).toMatchObject([
      { server: 'carte-1', id: 'x', code: 'gone' },
      { server: '*', id: 'z', code: 'gone' },
    ]);
  });

  it('tells a start that cannot be told from an exception that fits', () => {
    const request = { select: { names: ['*'] }, except: { runningFor: '5m' } };
    expect(select([aTask()], request).left).toMatchObject([{ code: 'startUnknown' }]);
  });

  it('does not call a task waiting where that word may mean that it has ended', () => {
    const why = (closesBy: 'list' | 'detail'): string | undefined =>
      select([aTask({ word: 'Waiting', state: 'waiting', closesBy })], {}).left[0]?.why;
    expect(why('list')).toBe('waits: nothing to stop');
    expect(why('detail')).toBe('has ended, or was never started: nothing to stop');
  });

  it('names ids that no list has', () => {
    expect(select([aTask({ id: 'a' })], { select: { ids: ['a', 'b'] } }).missingIds).toEqual(['b']);
  });

  it('leaves two entries that bear one id on one server: they cannot be told apart', () => {
    expect(select([aTask({ id: 'x' }), aTask({ id: 'x', name: 'load_other' })], {}).left).toHaveLength(2);
  });
});

describe('a request is refused', () => {
  const refused = (input: Parameters<typeof aRequest>[0]): string =>
    faultOf(() => {
      checkSelection(aRequest(input), erp);
    }).message;

  it('when its select is empty, or one of its lists is', () => {
    for (const select of [{}, { names: [] }, undefined]) {
      expect(() => parseRequest({ requestId: 'R', reason: 'r', requestedBy: 'a', policy: 'contain', select })).toThrow(
        OffboilError,
      );
    }
  });

  it('when it names what the estate does not know, with the likely word', () => {
    expect(refused({ select: { servers: ['carte-4'], groups: ['epr'] } })).toMatch(
      /no server "carte-4"; did you mean "carte-1"\?[^]*no group "epr"; did you mean "erp"\?/,
    );
  });

  it('when except names a group that does not exist: it would protect nothing', () => {
    expect(refused({ except: { groups: ['paymnets'] } })).toContain('did you mean "payments"?');
  });

  it('when a pattern is invalid, in select and in except', () => {
    expect(refused({ select: { names: ['/(/'] }, except: { names: ['/[/'] } })).toMatch(
      /select\.names[^]*except\.names/,
    );
  });

  it('when an id names a server that does not exist', () => {
    expect(refused({ select: { ids: ['carte-9/x'] } })).toContain('carte-9');
  });

  it('when names alone are made to fit everything, which must be said as everything', () => {
    for (const pattern of ['*', '**', '/.*/', '/^/'])
      expect(refused({ select: { names: [pattern] } })).toContain('"everything": true');
  });

  it('not when such a pattern is narrowed by another field', () => {
    expect(() => {
      checkSelection(aRequest({ select: { names: ['*'], servers: ['carte-1'] } }), erp);
    }).not.toThrow();
  });
});

describe('a server is covered', () => {
  it('unless the selection names others, or except names it whole', () => {
    expect(coversServer(aRequest(), 'carte-1')).toBe(true);
    expect(coversServer(aRequest({ select: { servers: ['carte-2'] } }), 'carte-1')).toBe(false);
    expect(coversServer(aRequest({ select: { ids: ['carte-2/x'] } }), 'carte-1')).toBe(false);
    expect(coversServer(aRequest({ select: { ids: ['carte-2/x', 'y'] } }), 'carte-1')).toBe(true);
    expect(coversServer(aRequest({ except: { servers: ['carte-1'] } }), 'carte-1')).toBe(false);
    expect(coversServer(aRequest({ except: { servers: ['carte-1'], groups: ['erp'] } }), 'carte-1')).toBe(true);
  });
});
