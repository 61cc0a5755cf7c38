import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RawReply } from '../../support/reply-server.js';

const folder = fileURLToPath(new URL('../../fixtures/carte/', import.meta.url));

/** A body as it was recorded on a version of PDI. */
export function recordedBody(name: string, version = '5.4.0.1'): Buffer {
  return readFileSync(`${folder}pdi-${version}/${name}.body`);
}

/** A reply as it was recorded, to be played back; the length is counted anew (the recorder lost some last line feeds). */
export function recorded(name: string, version = '5.4.0.1'): RawReply {
  const head = readFileSync(`${folder}pdi-${version}/${name}.head`, 'latin1')
    .replace(/^content-length:.*\r?\n/im, '')
    .replace(/^transfer-encoding:.*\r?\n/im, '');
  return { head, body: recordedBody(name, version) };
}

/** Versions of which replies were recorded in one order, with one set of tasks. */
export const RECORDED_VERSIONS = [
  '6.1.0.19',
  '7.0.0.6',
  '7.1.0.32',
  '8.0.0.7',
  '8.1.0.2',
  '8.2.0.7',
  '8.3.0.0',
  '8.3.0.25',
  '9.1.0.7',
  '9.2.0.0',
  '9.3.0.4',
  '9.4.0.0',
  '10.2.0.0',
  '10.3.0.0-snapshot',
] as const;

/** A reply or sample published by others. */
export function published(name: string): Buffer {
  return readFileSync(`${folder}public/${name}.xml`);
}

/** Every body that holds XML: name and bytes. */
export function allXmlBodies(): { name: string; body: Buffer }[] {
  const own = readdirSync(`${folder}pdi-5.4.0.1`)
    .filter((file) => file.endsWith('.body') && !/^(status-unauth|unknown-path|stop-html)/.test(file))
    .map((file) => ({ name: file, body: readFileSync(`${folder}pdi-5.4.0.1/${file}`) }));
  const others = readdirSync(`${folder}public`).map((file) => ({
    name: file,
    body: readFileSync(`${folder}public/${file}`),
  }));
  return [...own, ...others];
}
