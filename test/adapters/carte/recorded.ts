import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RawReply } from '../../support/reply-server.js';

const folder = fileURLToPath(new URL('../../fixtures/carte/', import.meta.url));

/** A body as it was recorded on PDI 5.4.0.1. */
export function recordedBody(name: string): Buffer {
  return readFileSync(`${folder}pdi-5.4.0.1/${name}.body`);
}

/** A reply as it was recorded, to be played back; the length is counted anew (the recorder lost some last line feeds). */
export function recorded(name: string): RawReply {
  const head = readFileSync(`${folder}pdi-5.4.0.1/${name}.head`, 'latin1').replace(/^content-length:.*\r?\n/im, '');
  return { head, body: recordedBody(name) };
}

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
