import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { estateCheckDocumentSchema } from '../../domain/contracts/listings.js';
import { staleSchemas } from '../../schema/generate.js';

describe('the published JSON Schemas', () => {
  it('are those of the contracts; refresh them with: npx tsx schema/generate.ts', async () => {
    expect(await staleSchemas()).toEqual([]);
  });

  it('are kept by what `offboil estate check --json` prints', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'offboil-schemas-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'offboil.yaml');
    await writeFile(
      file,
      'servers:\n  - { name: carte-1, engine: carte, url: "http://127.0.0.1:1/kettle", user: u, password: "${env:PW}" }\n',
    );

    const document = estateCheckDocumentSchema.parse(JSON.parse(await estateCheck(file)));

    expect(document.ok).toBe(false); // nobody listens there
    expect(document.found).toContainEqual(expect.objectContaining({ kind: 'server', name: 'carte-1', ok: false }));
  });
});

/** Runs the program as the command line does; its exit code says what its document says. */
async function estateCheck(file: string): Promise<string> {
  const args = ['--import', 'tsx', 'worker/estate.ts', 'check', '--json', '--estate', file];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, PW: 'x' } }, (_error, stdout) => {
      resolve(stdout);
    });
  });
}
