import { z } from 'zod';
import { PRIORITIES, RUNGS, TASK_KINDS } from '../tasks.js';
import { policySchema } from './policy.js';
import { durationAboveZero, word } from './request.js';

const name = z.string().regex(/^[\w][\w.-]{0,99}$/, 'letters, digits, dot, dash and underscore');
/** `${env:NAME}` or `${file:/path}`, or plain text. References are resolved in the worker and stored as references. */
const reference = z.string().min(1);

const tls = z.strictObject({
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  serverName: z.string().optional(),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
});

const server = z.strictObject({
  name,
  engine: z.enum(['carte', 'hop']),
  url: z.url({ protocol: /^https?$/ }),
  user: z.string().optional(),
  password: reference.optional(),
  /** Declared where it is known: Carte tells no version, and safe stop cannot be probed without stopping. */
  version: z
    .string()
    .regex(/^\d+(\.\d+)*$/, 'a version such as 8.3 or 2.16.0')
    .optional(),
  /** IANA zone of the server's JVM: Carte's dates have no offset, and `runningFor` needs it. */
  timezone: z.string().min(1).optional(),
  site: name.optional(),
  labels: z.record(z.string(), z.string()).default({}),
  limits: z
    .strictObject({ perServer: z.number().int().min(1).max(64).default(4), timeout: durationAboveZero.default('10s') })
    .default({ perServer: 4, timeout: '10s' }),
  tls: tls.optional(),
});

const database = z.strictObject({ name, kind: z.enum(['postgresql']), url: reference });

const check = z.strictObject({
  name: z.string().min(1),
  database: name,
  query: z.string().min(1),
  /** `rows`: how many rows the query may return; `value`: what its first column of the only row must be. */
  expect: z.union([
    z.strictObject({ rows: z.number().int().min(0) }),
    z.strictObject({ value: z.union([z.string(), z.number(), z.boolean(), z.null()]) }),
  ]),
});

const compensate = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('rerun'),
    run: z.string().min(1).optional(),
    parameters: z.record(z.string(), z.string()).default({}),
  }),
  z.strictObject({ kind: z.literal('manual'), runbook: z.string().min(1) }),
]);

const contract = z.strictObject({
  match: z.strictObject({
    name: z.string().min(1),
    kind: z.enum(TASK_KINDS).optional(),
    servers: z.array(z.string().min(1)).optional(),
  }),
  group: word.optional(),
  priority: z.enum(PRIORITIES).default('normal'),
  owner: word.optional(),
  sources: z.array(word).default([]),
  tags: z.array(word).default([]),
  /** Tasks that no run may ever stop. */
  protected: z.boolean().default(false),
  stop: z
    .strictObject({
      ladder: z.array(z.enum(RUNGS)).nonempty().default(['stop']),
      within: durationAboveZero.optional(),
    })
    .default({ ladder: ['stop'] }),
  writes: z
    .array(
      z.strictObject({
        database: name,
        table: z.string().min(1),
        key: z.string().optional(),
        batch: z.string().optional(),
        watermark: z.string().optional(),
      }),
    )
    .default([]),
  checks: z.array(check).default([]),
  sessions: z
    .array(z.strictObject({ database: name, applicationName: z.string().min(1), user: z.string().min(1).optional() }))
    .default([]),
  compensate: compensate.optional(),
});

const notifier = z.strictObject({ name, kind: z.literal('webhook'), url: reference, secret: reference.optional() });

/** The estate file: everything Offboil may see or touch. `design.md` §10. */
export const estateSchema = z.strictObject({
  servers: z.array(server).nonempty(),
  databases: z.array(database).default([]),
  tasks: z.array(contract).default([]),
  unmatched: z
    .strictObject({
      priority: z.enum(PRIORITIES).default('core'),
      confirm: z.enum(['none', 'count', 'approver']).default('approver'),
    })
    .default({ priority: 'core', confirm: 'approver' }),
  include: z.array(z.string().min(1)).default([]),
  policies: z.record(name, policySchema).default({}),
  notifiers: z.array(notifier).default([]),
});

/** The effective estate: defaults filled, includes merged, secrets still references. What is hashed as `estateHash`. */
export type Estate = z.infer<typeof estateSchema>;
export type ServerEntry = Estate['servers'][number];
export type DatabaseEntry = Estate['databases'][number];
export type Contract = Estate['tasks'][number];
export type CheckEntry = Contract['checks'][number];
export type Compensation = NonNullable<Contract['compensate']>;
export type NotifierEntry = Estate['notifiers'][number];
