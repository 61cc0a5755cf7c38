import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf } from '../../activities/deps.js';
import { canonicalJson } from '../../domain/canonical-json.js';
import type { Contract } from '../../domain/contracts/estate.js';
import type { Plan, PlannedTarget } from '../../domain/contracts/plan.js';
import type { PlanInput } from '../../domain/planning/make-plan.js';
import { resolvePolicy } from '../../domain/planning/policies.js';
import type { ObservedTask } from '../../domain/tasks.js';
import { anEstate, aPlan, aTask, seen } from './builders.js';

/** Samples of RFC 8785: §3.2.2 (values), §3.2.3 (order of keys) and appendix B (numbers). */
describe('canonical JSON', () => {
  it('orders keys by their UTF-16 code units, at every level', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
    const inOrder = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'];
    const text = `{${inOrder.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`;
    const value = Object.fromEntries(keys.map((key) => [key, 0]));
    expect(canonicalJson(value)).toBe(text);
    expect(canonicalJson({ b: [value], a: { c: value } })).toBe(`{"a":{"c":${text}},"b":[${text}]}`);
  });

  it('puts capitals before small letters and a key before a longer one that it begins', () => {
    expect(canonicalJson({ ab: 1, b: 2, a: 3, B: 4, 'a-b': 5, A: 6, '10': 7, '9': 8 })).toBe(
      '{"10":7,"9":8,"A":6,"B":4,"a":3,"a-b":5,"ab":1,"b":2}',
    );
  });

  it.each([
    ['333333333.33333329', '333333333.3333333'],
    ['1E30', '1e+30'],
    ['4.50', '4.5'],
    ['2e-3', '0.002'],
    ['0.000000000000000000000000001', '1e-27'],
    ['-0', '0'],
    ['1e21', '1e+21'],
    ['999999999999999900000', '999999999999999900000'],
    ['0.000001', '0.000001'],
    ['0.0000001', '1e-7'],
    ['5e-324', '5e-324'],
    ['1.7976931348623157e308', '1.7976931348623157e+308'],
    ['-9007199254740992', '-9007199254740992'],
  ])('writes the number %s as %s', (given, written) => {
    expect(canonicalJson(JSON.parse(given))).toBe(written);
  });

  it('escapes what must be escaped, in the shortest form, and nothing else', () => {
    expect(canonicalJson('\u20ac$\u000f\nA\'B"\\"/\b\t\f\r\u007f\u2028\u00f6\u{1f600}')).toBe(
      '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/\\b\\t\\f\\r\u007f\u2028\u00f6\u{1f600}"',
    );
  });

  it('has no white space, keeps the order of lists, and leaves out what is undefined', () => {
    expect(canonicalJson({ b: [null, true, false, {}, []], a: undefined })).toBe('{"b":[null,true,false,{},[]]}');
  });

  it('refuses what JSON cannot hold', () => {
    for (const value of [Number.NaN, Infinity, -Infinity, 1n, Symbol('s'), () => 1])
      expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});

const estate = anEstate({
  databases: [{ name: 'warehouse', kind: 'postgresql', url: '${env:WAREHOUSE_URL}' }],
  tasks: [
    {
      match: { name: 'load_orders' },
      priority: 'low',
      stop: { ladder: ['safe', 'stop'], within: '90s' },
      checks: [{ name: 'no half batch', database: 'warehouse', query: 'SELECT 1', expect: { rows: 0 } }],
      compensate: { kind: 'rerun', parameters: { DAY: '1' } },
    },
    { match: { name: 'load_*' }, priority: 'high' },
  ],
});
const tasks = [
  aTask({ id: 'a', startedAt: '2026/01/01 02:10:00' }),
  aTask({ id: 'b', name: 'load_stock', kind: 'job' }),
  aTask({ id: 'c', name: 'load_stock', kind: 'job', server: 'carte-2' }),
];
const planned = (change: Partial<PlanInput> = {}): Plan => aPlan(tasks, { estate, ...change }).plan;
const plan = planned();

/** A value that differs, for each field of a target. */
const otherTarget: { readonly [Field in keyof Required<PlannedTarget>]: PlannedTarget[Field] } = {
  server: 'carte-3',
  id: 'z',
  name: 'load_Orders',
  kind: 'pipeline',
  startedAt: '2026/01/01 02:10:01',
  rungs: ['stop', 'safe'],
  within: 90_001,
  checks: [],
  compensate: null,
};

/** A value that differs, for each other field of a plan. */
const otherPlan: { readonly [Field in keyof Plan]: unknown } = {
  schemaVersion: 2,
  runId: 'R-2',
  requestHash: 'r2',
  policyHash: 'p2',
  estateHash: 'e2',
  waves: [...plan.waves].reverse(),
};

/** The plan with its first target changed. */
function withTarget(change: (target: PlannedTarget) => PlannedTarget): Plan {
  return {
    ...plan,
    waves: plan.waves.map((wave, n) => ({
      ...wave,
      targets: wave.targets.map((target, at) => (n === 0 && at === 0 ? change(target) : target)),
    })),
  };
}

describe('the hash of a plan', () => {
  it('is sha256: and the 64 hex digits of its canonical JSON', () => {
    // by `printf '{"schemaVersion":1,"waves":[]}' | sha256sum`
    expect(hashOf({ waves: [], schemaVersion: 1 })).toBe(
      'sha256:4541c62ec4a1d930a9961090d6037684f9fefd3660ccae651f393802a9856cf8',
    );
  });

  it('covers a plan in which every field says something', () => {
    expect(plan.waves.map(({ priority, targets }) => [priority, targets.length])).toEqual([
      ['low', 1],
      ['high', 2],
    ]);
    expect(plan.waves[0]?.targets[0]).toMatchObject({
      startedAt: '2026/01/01 02:10:00',
      rungs: ['safe', 'stop'],
      within: 90_000,
      checks: [{ name: 'no half batch' }],
      compensate: { kind: 'rerun' },
    });
  });

  it.each(Object.entries(otherPlan))('changes with the field %s of the plan', (field, value) => {
    expect(hashOf({ ...plan, [field]: value })).not.toBe(hashOf(plan));
  });

  it.each(Object.entries(otherTarget))('changes with the field %s of a target', (field, value) => {
    expect(hashOf(withTarget((target) => ({ ...target, [field]: value })))).not.toBe(hashOf(plan));
  });

  const other: readonly [string, Plan][] = [
    ['the priority of a wave', { ...plan, waves: plan.waves.map((wave) => ({ ...wave, priority: 'core' as const })) }],
    ['the order of targets', { ...plan, waves: plan.waves.map((w) => ({ ...w, targets: [...w.targets].reverse() })) }],
    ['a wave that is not there', { ...plan, waves: plan.waves.slice(1) }],
    ['a target that is not there', { ...plan, waves: plan.waves.map((w) => ({ ...w, targets: w.targets.slice(1) })) }],
    ['a start that nobody knows', withTarget(({ startedAt: _, ...rest }) => rest)],
  ];
  it.each(other)('changes with %s', (_, changed) => {
    expect(hashOf(changed)).not.toBe(hashOf(plan));
  });

  const [, ...rest] = tasks;
  const first = (change: Partial<ObservedTask>): Partial<PlanInput> => ({
    observations: seen([aTask({ ...tasks[0], ...change }), ...rest]),
  });
  const contract = (change: Partial<Contract>): Partial<PlanInput> => ({
    estate: { ...estate, tasks: estate.tasks.map((one, n) => (n === 0 ? { ...one, ...change } : one)) },
  });
  const facts: readonly [string, Partial<PlanInput>][] = [
    ['the id of a task', first({ id: 'z' })],
    ['the server of a task', first({ server: 'carte-3' })],
    ['the kind of a task', first({ kind: 'pipeline' })],
    ['the start of a task', first({ startedAt: '2026/01/01 02:10:01' })],
    ['the priority of a contract', contract({ priority: 'normal' })],
    ['the ladder of a contract', contract({ stop: { ladder: ['stop'], within: '90s' } })],
    ['the patience of a contract', contract({ stop: { ladder: ['safe', 'stop'], within: '91s' } })],
    ['the checks of a contract', contract({ checks: [] })],
    ['the compensation of a contract', contract({ compensate: { kind: 'manual', runbook: 'reload the day' } })],
    ['the waves of a policy', { policy: { ...resolvePolicy('contain', estate), waves: [1, '100%'] } }],
    ['a task that another run has reserved', { reserved: new Map([['carte-1/a', 'R-0']]) }],
  ];
  it.each(facts)('changes with %s, from which it is planned', (_, change) => {
    expect(hashOf(planned(change))).not.toBe(hashOf(plan));
  });

  it('changes with any byte of its JSON that means something else', () => {
    const text = canonicalJson(plan);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        fc.pre(changed !== text && isJson(changed));
        expect(hashOf(JSON.parse(changed))).not.toBe(hashOf(plan));
      }),
    );
  });

  it('is the same whenever the plan is made, and whatever the order of observations', () => {
    const shuffled = [...tasks].reverse();
    expect(hashOf(planned({ now: 9_000_000 }))).toBe(hashOf(plan));
    expect(hashOf(planned({ observations: seen(tasks).map((one) => ({ ...one, askedAt: 9_000_000 })) }))).toBe(
      hashOf(plan),
    );
    expect(hashOf(planned({ observations: seen(shuffled).reverse() }))).toBe(hashOf(plan));
  });

  it('is the same whatever the order of keys', () => {
    expect(JSON.stringify(reordered(plan))).not.toBe(JSON.stringify(plan));
    expect(hashOf(reordered(plan))).toBe(hashOf(plan));
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The same value with the keys of every object the other way round. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, reordered(field)]),
  );
}
