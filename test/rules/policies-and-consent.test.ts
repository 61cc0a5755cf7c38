import { describe, expect, it } from 'vitest';
import type { ConfirmNeed } from '../../domain/contracts/plan.js';
import type { PolicyInput } from '../../domain/contracts/policy.js';
import { approvalRefusal, confirmNeed, isConfirmed, owesApproval } from '../../domain/planning/confirmation.js';
import { resolvePolicy } from '../../domain/planning/policies.js';

const policies = (policies: Record<string, PolicyInput>): { policies: Record<string, PolicyInput> } => ({ policies });

describe('a policy', () => {
  it('careful is built in as documented', () => {
    expect(resolvePolicy('careful', policies({}))).toEqual({
      name: 'careful',
      waves: [1, 5, '20%'],
      settleMs: 10_000,
      confirm: 'count',
      validForMs: 900_000,
      gate: { failed: 0, unconfirmed: 0, waitMs: 1_800_000 },
      verify: { withinMs: 60_000, everyMs: 500, lingerMs: 600_000 },
      watchAfterMs: 120_000,
      climb: 'ask',
      snapshot: 'full',
      inFlight: 64,
      floors: [],
    });
  });

  it('contain is built in as documented, without a limit on the unconfirmed', () => {
    expect(resolvePolicy('contain', policies({}))).toMatchObject({
      waves: ['100%'],
      settleMs: 0,
      gate: { failed: '20%', waitMs: 1_800_000 },
      watchAfterMs: 300_000,
      climb: 'auto',
      snapshot: 'failed',
      inFlight: 200,
    });
    expect(resolvePolicy('contain', policies({})).gate).not.toHaveProperty('unconfirmed');
  });

  it('fills its gaps along the whole line of what it extends, gate and verify field by field', () => {
    const estate = policies({
      a: { extends: 'careful', verify: { linger: '5s' }, gate: { failed: 3 } },
      b: { extends: 'a', waves: [2], verify: { within: '1m' } },
    });
    expect(resolvePolicy('b', estate)).toMatchObject({
      name: 'b',
      waves: [2],
      gate: { failed: 3, unconfirmed: 0, waitMs: 1_800_000 },
      verify: { withinMs: 60_000, everyMs: 500, lingerMs: 5000 },
    });
  });

  it('that does not exist is refused, with those that do', () => {
    expect(() => resolvePolicy('carefull', policies({ mine: {} }))).toThrow(/There are: careful, contain, mine\./);
    expect(() => resolvePolicy('constructor', policies({}))).toThrow(/There is no policy constructor/);
    expect(() => resolvePolicy('a', policies({ a: { extends: 'b' } }))).toThrow(/a extends b, which does not exist/);
  });

  it('that extends itself in a circle is refused', () => {
    expect(() => resolvePolicy('a', policies({ a: { extends: 'b' }, b: { extends: 'a' } }))).toThrow(/a → b → a/);
  });

  it('that extends nothing and is incomplete is refused, with what is missing', () => {
    expect(() => resolvePolicy('a', policies({ a: { waves: [1], verify: { within: '1s' } } }))).toThrow(
      /settle, .*verify\.every, verify\.linger/,
    );
  });
});

describe('the consent a plan needs', () => {
  const need = (
    confirm: 'none' | 'count' | 'approver',
    request: { everything?: boolean; emergency?: boolean },
    unmatched?: 'none' | 'count' | 'approver',
  ): ConfirmNeed =>
    confirmNeed({ confirm }, { everything: false, emergency: false, ...request }, unmatched !== undefined, {
      unmatched: { priority: 'core', confirm: unmatched ?? 'approver' },
    });

  it('is the policy’s', () => {
    expect((['none', 'count', 'approver'] as const).map((confirm) => need(confirm, {}))).toEqual([
      'none',
      'count',
      'approver',
    ]);
  });

  it('is one step more for everything, up to two different people', () => {
    expect((['none', 'count', 'approver'] as const).map((confirm) => need(confirm, { everything: true }))).toEqual([
      'count',
      'approver',
      'twoApprovers',
    ]);
  });

  it('is at least the estate’s for tasks without a contract', () => {
    expect(need('none', {}, 'approver')).toBe('approver');
    expect(need('approver', {}, 'none')).toBe('approver');
  });

  it('is lowered to one approve by anyone in an emergency, which is owed afterwards', () => {
    expect(need('approver', { emergency: true })).toBe('count');
    expect(need('approver', { everything: true, emergency: true })).toBe('count');
    expect(need('none', { emergency: true })).toBe('none');
    const estate = { unmatched: { priority: 'core', confirm: 'approver' } } as const;
    expect(owesApproval({ confirm: 'approver' }, { everything: false, emergency: true }, false, estate)).toBe(true);
    expect(owesApproval({ confirm: 'count' }, { everything: false, emergency: true }, false, estate)).toBe(false);
    expect(owesApproval({ confirm: 'approver' }, { everything: false, emergency: false }, false, estate)).toBe(false);
  });
});

describe('an approval', () => {
  const byAnn = { requestedBy: 'ann' };

  it('by the requester does not count where someone else is needed, however the name is spelled', () => {
    for (const by of ['ann', ' Ann', 'ANN ', 'ａｎｎ']) {
      expect(approvalRefusal('approver', byAnn, by, [], false)).toContain('someone else');
      expect(approvalRefusal('twoApprovers', byAnn, by, [], false)).toContain('someone else');
    }
  });

  it('by the requester counts where a count is enough, and in an emergency', () => {
    expect(approvalRefusal('count', byAnn, 'ann', [], false)).toBeUndefined();
    expect(approvalRefusal('approver', byAnn, 'ann', [], true)).toBeUndefined();
  });

  it('twice by one person is one', () => {
    expect(approvalRefusal('twoApprovers', byAnn, 'Bob', ['bob'], false)).toContain('approved already');
    expect(isConfirmed('twoApprovers', ['bob', 'Bob '])).toBe(false);
    expect(isConfirmed('twoApprovers', ['bob', 'cy'])).toBe(true);
  });

  it('is not needed where the policy asks for none', () => {
    expect(isConfirmed('none', [])).toBe(true);
    expect(isConfirmed('count', [])).toBe(false);
    expect(isConfirmed('approver', ['bob'])).toBe(true);
  });
});
