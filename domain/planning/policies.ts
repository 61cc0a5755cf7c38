import type { z } from 'zod';
import type { Estate } from '../contracts/estate.js';
import { policySchema, type Policy, type PolicyInput } from '../contracts/policy.js';
import { durationMs } from '../contracts/request.js';
import { OffboilError } from '../errors.js';

/** A policy in which nothing is left open but the limits that may be absent. */
const completePolicy = policySchema
  .required({
    waves: true,
    settle: true,
    confirm: true,
    validFor: true,
    watchAfter: true,
    climb: true,
    snapshot: true,
    inFlight: true,
  })
  .extend({
    gate: policySchema.shape.gate.unwrap().required({ wait: true }),
    verify: policySchema.shape.verify.unwrap().required(),
  });

const VERIFY = { within: '60s', every: '500ms', linger: '10m' };

/** The two situations are opposite, so there are two policies and no default between them (`design.md` §10). */
export const BUILT_IN_POLICIES = {
  /** A planned stop, where stopping is the risk. */
  careful: {
    waves: [1, 5, '20%'],
    settle: '10s',
    confirm: 'count',
    validFor: '15m',
    gate: { failed: 0, unconfirmed: 0, wait: '30m' },
    verify: VERIFY,
    watchAfter: '2m',
    climb: 'ask',
    snapshot: 'full',
    inFlight: 64,
  },
  /** A source or the data is bad, and every minute of running does harm. */
  contain: {
    waves: ['100%'],
    settle: '0s',
    confirm: 'count',
    validFor: '15m',
    gate: { failed: '20%', wait: '30m' },
    verify: VERIFY,
    watchAfter: '5m',
    climb: 'auto',
    snapshot: 'failed',
    inFlight: 200,
  },
} as const satisfies Record<string, PolicyInput>;

/** Names a request may give. */
export function policyNames(estate: Pick<Estate, 'policies'>): string[] {
  return [...new Set([...Object.keys(BUILT_IN_POLICIES), ...Object.keys(estate.policies)])];
}

/**
 * Fills a policy from those it extends; `gate`, `verify` and `budget` field by field. A built-in name always means the built-in.
 * @throws OffboilError `POLICY_UNKNOWN` for an unknown name or a circle, `ESTATE_INVALID` for one that stays incomplete
 */
export function resolvePolicy(name: string, estate: Pick<Estate, 'policies'>): Policy {
  const filled = lineage(name, estate).reduceRight<PolicyInput>(merged, {});
  const complete = completePolicy.safeParse(filled);
  if (complete.success) return toPolicy(name, complete.data);
  const missing = complete.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new OffboilError(
    'ESTATE_INVALID',
    `Policy ${name} extends nothing that fills ${missing}. Nothing was sent. Add the fields, or "extends: careful" or "extends: contain".`,
    { policy: name },
  );
}

/** The policy and its ancestors, itself first. */
function lineage(name: string, estate: Pick<Estate, 'policies'>): PolicyInput[] {
  const chain: PolicyInput[] = [];
  const seen: string[] = [];
  for (let next: string | undefined = name; next !== undefined;) {
    if (seen.includes(next)) {
      const circle = [...seen, next].join(' → ');
      throw new OffboilError('POLICY_UNKNOWN', `Policy ${name} extends itself: ${circle}. Nothing was sent.`, {
        policy: name,
      });
    }
    seen.push(next);
    const policy: PolicyInput | undefined = ownPolicy(BUILT_IN_POLICIES, next) ?? ownPolicy(estate.policies, next);
    if (policy === undefined) {
      const asked =
        next === name
          ? `There is no policy ${name}.`
          : `Policy ${seen.at(-2) ?? name} extends ${next}, which does not exist.`;
      throw new OffboilError(
        'POLICY_UNKNOWN',
        `${asked} Nothing was sent. There are: ${policyNames(estate).join(', ')}.`,
        {
          policy: next,
        },
      );
    }
    chain.push(policy);
    next = policy.extends;
  }
  return chain;
}

/** Own fields only: `constructor` is no policy. */
function ownPolicy(policies: Readonly<Record<string, PolicyInput>>, name: string): PolicyInput | undefined {
  return Object.hasOwn(policies, name) ? policies[name] : undefined;
}

function merged(base: PolicyInput, own: PolicyInput): PolicyInput {
  return {
    ...base,
    ...own,
    ...(base.gate !== undefined || own.gate !== undefined ? { gate: { ...base.gate, ...own.gate } } : {}),
    ...(base.verify !== undefined || own.verify !== undefined ? { verify: { ...base.verify, ...own.verify } } : {}),
    ...(base.budget !== undefined || own.budget !== undefined ? { budget: { ...base.budget, ...own.budget } } : {}),
  };
}

function toPolicy(name: string, filled: z.infer<typeof completePolicy>): Policy {
  const { gate, verify, budget } = filled;
  return {
    name,
    waves: filled.waves,
    settleMs: durationMs(filled.settle),
    confirm: filled.confirm,
    validForMs: durationMs(filled.validFor),
    gate: {
      ...(gate.failed === undefined ? {} : { failed: gate.failed }),
      ...(gate.unconfirmed === undefined ? {} : { unconfirmed: gate.unconfirmed }),
      waitMs: durationMs(gate.wait),
    },
    verify: {
      withinMs: durationMs(verify.within),
      everyMs: durationMs(verify.every),
      lingerMs: durationMs(verify.linger),
    },
    watchAfterMs: durationMs(filled.watchAfter),
    climb: filled.climb,
    snapshot: filled.snapshot,
    inFlight: filled.inFlight,
    ...(budget === undefined
      ? {}
      : {
          budget: {
            ...(budget.targets === undefined ? {} : { targets: budget.targets }),
            ...(budget.share === undefined ? {} : { share: budget.share }),
          },
        }),
    floors: filled.floors ?? [],
  };
}
