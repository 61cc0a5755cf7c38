import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { estateSchema } from '../domain/contracts/estate.js';
import {
  errorDocumentSchema,
  estateCheckDocumentSchema,
  psDocumentSchema,
  runsDocumentSchema,
} from '../domain/contracts/listings.js';
import { messageSchemas } from '../domain/contracts/messages.js';
import { reportSchema, runResultSchema } from '../domain/contracts/report.js';
import { requestSchema } from '../domain/contracts/request.js';

/** What is published under `schema/`; `input`: as people write it, before defaults. */
const PUBLISHED = [
  ['request', requestSchema, 'input', 'What to stop and why; the input of the workflow bulkTermination.'],
  ['estate', estateSchema, 'input', 'Everything Offboil may see or touch; the file offboil.yaml.'],
  ['result', runResultSchema, 'output', 'The result of a run.'],
  ['report', reportSchema, 'output', 'The report of a run.'],
  ['ps', psDocumentSchema, 'output', 'What runs now; offboil ps --json.'],
  ['runs', runsDocumentSchema, 'output', 'Runs, newest first; offboil runs --json.'],
  ['estate-check', estateCheckDocumentSchema, 'output', 'What was reached; offboil estate check --json.'],
  ['error', errorDocumentSchema, 'output', 'What went wrong; any command with --json.'],
  ...Object.entries(messageSchemas).map(
    ([name, schema]) => [`message-${name}`, schema, 'input', `The message ${name}.`] as const,
  ),
] as const satisfies readonly (readonly [string, z.ZodType, 'input' | 'output', string])[];

const FOLDER = new URL('../schema/', import.meta.url);

/** The schemas as they must stand in `schema/`, by file name. */
export function generateSchemas(): ReadonlyMap<string, string> {
  return new Map(
    PUBLISHED.map(([name, schema, io, description]) => {
      const { $schema, ...rest } = z.toJSONSchema(schema, { io });
      const file = `${name}.schema.json`;
      const document = { $schema, $id: file, title: `Offboil ${name.replace('-', ' ')}`, description, ...rest };
      return [file, `${JSON.stringify(document, null, 2)}\n`];
    }),
  );
}

/** Files that are missing or stale. */
export async function staleSchemas(): Promise<string[]> {
  const checks = [...generateSchemas()].map(async ([file, text]) => {
    const current = await readFile(new URL(file, FOLDER), 'utf8').catch(() => undefined); // missing: stale
    return current === text ? [] : [file];
  });
  return (await Promise.all(checks)).flat();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, text] of generateSchemas()) await writeFile(new URL(file, FOLDER), text);
  console.error(`wrote ${generateSchemas().size} schemas to schema/`);
}
