import { describe, expect, it } from 'vitest';
import { requestSchema, type Selection } from '../../domain/contracts/request.js';
import { selectTasks } from '../../domain/selection/select-tasks.js';
import type { ObservedTask } from '../../domain/tasks.js';
import { anEstate, aRequest, aTask, seen } from './builders.js';

const NOW = 10_000_000;
const estate = anEstate({
  tasks: [
    { match: { name: 'mine' }, group: 'g1', tags: ['t1'], owner: 'o1', sources: ['s1'], priority: 'low' },
    { match: { name: 'other' }, group: 'g2', tags: ['t2'], owner: 'o2', sources: ['s2'], priority: 'high' },
  ],
});

const other: Partial<ObservedTask> = { name: 'other', server: 'carte-2', startedAtMs: NOW - 1000 };

/** For each field a value, and how a task differs that it must not fit; the other task fits. */
const ROWS: { readonly [Field in keyof Required<Selection>]: readonly [Selection[Field], Partial<ObservedTask>] } = {
  names: [['mine'], other],
  ids: [['fits'], other],
  servers: [['carte-1'], other],
  groups: [['g1'], other],
  tags: [['t1'], other],
  owners: [['o1'], other],
  sources: [['s1'], other],
  priorities: [['low'], other],
  states: [['active'], { state: 'ending' }],
  kinds: [['transformation'], { kind: 'job' }],
  runningFor: ['1h', other],
  contract: ['any', { name: 'stranger' }],
};

function chosenBy(
  request: { select?: Selection; except?: Selection; everything?: boolean },
  unlike: Partial<ObservedTask>,
) {
  const started = { startedAt: 'known', startedAtMs: NOW - 4_000_000 };
  const tasks = [
    aTask({ id: 'fits', name: 'mine', ...started }),
    aTask({ name: 'mine', ...started, ...unlike, id: 'does not' }),
  ];
  const input = { request: aRequest(request), estate, observations: seen(tasks), now: NOW };
  return selectTasks(input).chosen.map(({ task }) => task.id);
}

describe('a field of a selection', () => {
  const fields = Object.keys(requestSchema.shape.select.unwrap().shape);

  it('has its row here, each of them', () => {
    expect(Object.keys(ROWS).sort()).toEqual(fields.sort());
  });

  it.each(Object.entries(ROWS))('%s narrows what is selected', (field, [value, unlike]) => {
    expect(chosenBy({ select: { [field]: value } }, unlike)).toEqual(['fits']);
  });

  it.each(Object.entries(ROWS))('%s leaves out what is excepted', (field, [value, unlike]) => {
    expect(chosenBy({ everything: true, except: { [field]: value } }, unlike)).toEqual(['does not']);
  });
});
