import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { resolveReference } from '../../worker/secrets.js';

describe('a reference', () => {
  it('to the environment gives its value, which cannot be printed', async () => {
    const secret = await resolveReference('${env:P}', { P: 'geheim' });
    expect(secret.reveal()).toBe('geheim');
    expect(`${String(secret)} ${JSON.stringify(secret)} ${inspect(secret)}`).not.toContain('geheim');
  });

  it('to a file gives its content without the last line break', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'offboil-secret-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 's'), 'two\nlines\n');
    expect((await resolveReference(`\${file:${folder}/s}`, {})).reveal()).toBe('two\nlines');
  });

  it('that is none is plain text', async () => {
    expect((await resolveReference('pa$$word', {})).reveal()).toBe('pa$$word');
  });

  it('that this worker cannot resolve is named, whether variable or file', async () => {
    await expect(resolveReference('${env:NOPE}', {})).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
      message: expect.stringContaining('${env:NOPE}') as string,
    });
    await expect(resolveReference('${env:EMPTY}', { EMPTY: '' })).rejects.toMatchObject({ code: 'SECRET_UNRESOLVED' });
    await expect(resolveReference('${file:/nowhere/x}', {})).rejects.toMatchObject({
      message: expect.stringContaining('ENOENT') as string,
    });
  });

  it('inside other text is refused without showing that text', async () => {
    await expect(resolveReference('geheim${env:X}', {})).rejects.toThrow(/^(?!.*geheim).*neither/s);
  });
});
