import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { stringify } from 'yaml';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../worker/clock.js';
import { createEstates } from '../../worker/estates.js';

const CERTIFICATE = rootCertificates[0] ?? '';

/** Asks a server at which nobody listens for its list, with these files behind the fields of `tls`; absent: no such file. */
async function askWith(files: Readonly<Record<string, string | undefined>>): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'offboil-tls-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const tls: Record<string, string> = {};
  for (const [field, text] of Object.entries(files)) {
    tls[field] = join(folder, `${field}.pem`);
    if (text !== undefined) await writeFile(tls[field], text);
  }
  const file = join(folder, 'offboil.yaml');
  await writeFile(
    file,
    stringify({ servers: [{ name: 'carte-1', engine: 'carte', url: 'https://127.0.0.1:9/kettle', tls }] }),
  );
  const estates = createEstates(file, {}, systemClock);
  const { estate, hash } = await estates.current();
  return Promise.all(estate.servers.map((server) => estates.engine(hash, server).list(AbortSignal.timeout(5000))));
}

/** A refusal that names the field with its server, the path and what was expected. */
function refusal(field: string, why: RegExp, holds: string): object {
  const sentence = `^tls\\.${field} of carte-1 is "/.*/${field}\\.pem", ${why.source}; expected a PEM file with -----BEGIN ${holds}-----`;
  return { code: 'SECRET_UNRESOLVED', message: expect.stringMatching(new RegExp(sentence)) as string };
}

describe('a file of a server’s TLS settings', () => {
  it('that holds PEM is used', async () => {
    await expect(askWith({ ca: CERTIFICATE })).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  it.each([
    ['ca', { ca: undefined }, 'CERTIFICATE'],
    ['cert', { cert: undefined, key: 'x' }, 'CERTIFICATE'],
    ['key', { cert: CERTIFICATE, key: undefined }, 'PRIVATE KEY'],
  ])('that this worker does not have is named, as %s', async (field, files, holds) => {
    await expect(askWith(files)).rejects.toMatchObject(
      refusal(field, /which this worker cannot read \(ENOENT\)/, holds),
    );
  });

  it.each([
    ['ca', { ca: 'geheim' }, 'CERTIFICATE'],
    ['cert', { cert: '', key: 'x' }, 'CERTIFICATE'],
    ['key', { cert: CERTIFICATE, key: CERTIFICATE }, 'PRIVATE KEY'],
  ])('that holds something else is refused without showing it, as %s', async (field, files, holds) => {
    const asking = askWith(files);
    await expect(asking).rejects.toMatchObject(refusal(field, /which holds no PEM of that kind/, holds));
    await expect(asking).rejects.toThrow(/^(?!.*geheim)/s);
  });
});
