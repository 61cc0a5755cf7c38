import { setImmediate } from 'node:timers/promises';
import { SaxesParser } from 'saxes';
import { OffboilError } from '../../../domain/errors.js';
import { shorten } from './redact.js';

/** One element of a read reply. Access is by child only: Carte nests `result` in `result`, and `id`, `paused`, `errors` repeat. */
export interface XmlElement {
  readonly name: string;
  /** Text directly inside this element, decoded. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** A body with what is needed to read it and to say where it came from. */
export interface XmlSource {
  readonly server: string;
  readonly bytes: Buffer;
  readonly contentType?: string;
  readonly status?: number;
}

const MAX_DEPTH = 24;
/** 50,000 objects have about 700,000 elements. */
const MAX_ELEMENTS = 2_000_000;
/** Characters parsed without a pause: below 25 ms, so that heartbeats and the lease loop run on beside a large list. */
const SLICE = 262_144;

/** The first child of that name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

/** All children of that name: none, one or many alike. */
export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** Text of the first child of that name; undefined where there is no such child, `''` where it is empty. */
export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  return childOf(element, name)?.text;
}

/**
 * Decodes a body by the HTTP charset. Several servlets of Carte really send ISO-8859-1 below a declaration of UTF-8; the header
 * is right (measured on PDI 5.4.0.1). Undecodable bytes become U+FFFD, never an error.
 */
export function decodeBody(bytes: Buffer, contentType = ''): string {
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  if (/^(iso-?8859-1|latin-?1|us-ascii)$/.test(charset)) return bytes.toString('latin1');
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('utf8'); // a charset nobody knows
  }
}

/**
 * Reads a whole reply strictly: complete, one of the expected roots, no doctype, no entities but XML's own, bounded.
 * @throws OffboilError `REPLY_NOT_CARTE` (HTML, other root, doctype), `REPLY_INCOMPLETE` (empty, cut, malformed),
 *   `REPLY_TOO_LARGE` (depth, number of elements)
 */
export async function readXml(source: XmlSource, roots: readonly string[]): Promise<XmlElement> {
  const text = readable(decodeBody(source.bytes, source.contentType));
  if (text === '') throw refusal(source, 'REPLY_INCOMPLETE', 'an empty body', text);
  if (!text.startsWith('<') || /^<(!doctype\s+html|html|head|body)\b/i.test(text)) {
    throw refusal(source, 'REPLY_NOT_CARTE', text.startsWith('<') ? 'an HTML page' : 'something that is no XML', text);
  }
  const root = await parse(source, text);
  if (!roots.includes(root.name)) {
    throw refusal(
      source,
      'REPLY_NOT_CARTE',
      `a <${shorten(root.name, 40)}> where <${roots.join('> or <')}> belongs`,
      text,
    );
  }
  return root;
}

async function parse(source: XmlSource, text: string): Promise<XmlElement> {
  const parser = new SaxesParser({ position: false });
  const top = { name: '', text: '', children: [] as XmlElement[] };
  const open: (typeof top)[] = [top];
  let elements = 0;
  const append = (more: string): void => {
    const current = open.at(-1);
    if (current !== undefined && current !== top) current.text += more;
  };
  parser.on('opentag', ({ name }) => {
    const element = { name, text: '', children: [] as XmlElement[] };
    open.at(-1)?.children.push(element);
    open.push(element);
    if (++elements > MAX_ELEMENTS) throw refusal(source, 'REPLY_TOO_LARGE', `more than ${MAX_ELEMENTS} elements`, text);
    if (open.length > MAX_DEPTH)
      throw refusal(source, 'REPLY_TOO_LARGE', `elements nested deeper than ${MAX_DEPTH - 1}`, text);
  });
  parser.on('closetag', () => open.pop());
  parser.on('text', append);
  parser.on('cdata', append);
  parser.on('doctype', () => {
    throw refusal(source, 'REPLY_NOT_CARTE', 'a document type declaration, which Offboil never accepts', text);
  });
  parser.on('error', (error) => {
    throw refusal(
      source,
      'REPLY_INCOMPLETE',
      `a reply that is cut or not well formed (${shorten(error.message, 80)})`,
      text,
    );
  });
  for (let at = 0; at < text.length; at += SLICE) {
    if (at > 0) await setImmediate();
    parser.write(text.slice(at, at + SLICE));
  }
  parser.close();
  const [root] = top.children;
  if (root === undefined) throw refusal(source, 'REPLY_INCOMPLETE', 'no element at all', text);
  return root;
}

/**
 * Leading line feeds are Carte's habit, and so are forbidden characters: PDI 4.4 to 7.0 send control characters of a task's
 * name as they are or as references. One such name must not hide the whole list, so they become U+FFFD.
 */
function readable(text: string): string {
  return text
    .replace(/^\uFEFF?\s+|^\uFEFF/, '')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\uFFFD')
    .replace(/&#(?:x0*(?:[0-8bcef]|1[0-9a-f]|fff[ef])|0*(?:[0-8]|1[1245-9]|2\d|3[01]));/gi, '\uFFFD');
}

function refusal(
  { server, status, bytes }: XmlSource,
  code: 'REPLY_NOT_CARTE' | 'REPLY_INCOMPLETE' | 'REPLY_TOO_LARGE',
  what: string,
  text: string,
): OffboilError {
  const http = status === undefined || status === 200 ? '' : ` with HTTP ${status}`;
  return new OffboilError(
    code,
    `${server} answered${http} with ${what}; it was not read. Is the URL in the estate that of the server itself?`,
    { server, ...(status === undefined ? {} : { status }), bytes: bytes.length, begins: shorten(text.slice(0, 1000)) },
  );
}
