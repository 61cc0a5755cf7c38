import { z } from 'zod';
import { STATE_CLASSES, TASK_KINDS } from '../tasks.js';
import { ENDS } from './report.js';

// What `--json` prints beside results, reports and plans. Loose: fields may be added, none is taken away.

const schemaVersion = z.literal(1);
const error = z.looseObject({ code: z.string(), message: z.string() });

/** `offboil … --json` when it failed. */
export const errorDocumentSchema = z.looseObject({ schemaVersion, error });

/** `offboil ps --json`: the servers, and the tasks on them that have not ended. */
export const psDocumentSchema = z.looseObject({
  schemaVersion,
  servers: z.array(
    z.looseObject({
      server: z.string(),
      product: z.string().optional(),
      version: z.string().optional(),
      dialect: z.string().optional(),
      tasks: z.number().int().optional(),
      active: z.number().int().optional(),
      problem: error.optional(),
    }),
  ),
  tasks: z.array(
    z.looseObject({
      server: z.string(),
      id: z.string(),
      name: z.string(),
      kind: z.enum(TASK_KINDS),
      state: z.enum(STATE_CLASSES),
      word: z.string(),
      startedAt: z.string().optional(),
    }),
  ),
});

/** `offboil runs --json`, newest first; `waits` with `--waiting`. */
export const runsDocumentSchema = z.looseObject({
  schemaVersion,
  runs: z.array(
    z.looseObject({
      runId: z.string(),
      startedAt: z.string(),
      end: z.enum(ENDS).optional(),
      exitCode: z.number().int().optional(),
      requestedBy: z.string(),
      reason: z.string(),
      planned: z.number().int(),
      waits: z
        .looseObject({ reason: z.string(), until: z.string().optional(), answers: z.array(z.string()) })
        .optional(),
    }),
  ),
});

/** `offboil estate check --json`: one line a thing that was looked at; `kind` is server, database, policy or a newer one. */
export const estateCheckDocumentSchema = z.looseObject({
  schemaVersion,
  estateHash: z.string(),
  ok: z.boolean(),
  found: z.array(z.looseObject({ kind: z.string(), name: z.string(), ok: z.boolean(), text: z.string() })),
});
