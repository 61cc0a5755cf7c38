import { describe, expect, it } from 'vitest';
import { compileNamePattern } from '../../domain/selection/pattern.js';
import { anEstate, aPlan, aRequest, aTask, targetsOf } from './builders.js';

describe('a name is the same name', () => {
  it.each([
    ['in another form of Unicode', 'Abschlüsse', 'Abschlu\u0308sse'],
    ['with a blank at its end', 'payroll', 'payroll '],
    ['as the master part of a cluster', 'load_orders', 'load_orders (master)'],
    ['as a slave part of a cluster', 'load_orders', 'load_orders (prod:carte-2)'],
    ['as a part whose name keeps its ending', 'load_orders', 'load_orders.ktr (prod:carte-2)'],
    ['for an expression with an anchor', '/^load_orders$/', 'load_orders (master)'],
  ])('%s', (_, pattern, name) => {
    expect(compileNamePattern(pattern)(name)).toBe(true);
  });

  it('not with other words in brackets', () => {
    expect(compileNamePattern('load_orders')('load_orders (copy)')).toBe(false);
  });

  it('for a protection, and the request to a server bears it as listed', () => {
    const tasks = [aTask({ id: 'a', name: 'vault (master)' }), aTask({ id: 'b', name: 'load_orders (s:carte-2)' })];
    const estate = anEstate({ tasks: [{ match: { name: 'vault' }, protected: true }] });
    const request = aRequest({ select: { names: ['vault', 'load_orders'] } });
    const plan = aPlan(tasks, { estate, request });
    expect(targetsOf(plan)).toEqual(['carte-1/b']);
    expect(plan.plan.waves[0]?.targets[0]?.name).toBe('load_orders (s:carte-2)');
    expect(plan.left).toMatchObject([{ id: 'a' }]);
  });
});
