import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { personalities, type Personality } from '../personalities.js';
import type { RequestLog } from '../request-log.js';
import type { FaultKind, FaultOptions, LogEntry, ServerAddress, ServerSpec } from '../scenario.js';
import { Faults, meetBefore, spoil } from './faults.js';
import { Objects } from './objects.js';
import { isYes, servlets, type Answer, type Call, type Parameters } from './servlets.js';
import { htmlPage, jettyPage, webResult } from './texts.js';

/** Jetty sends what is longer than its buffer in chunks. */
const RESPONSE_BUFFER = 24_000;
/** Carte's own default. */
const CREDENTIALS = `Basic ${Buffer.from('cluster:cluster').toString('base64')}`;
const MANY_ENDED = 50_000;
const PAGE = { code: 200, type: 'html', body: htmlPage('Carte', 'A page for people') } as const;

export interface CarteSettings {
  readonly spec: ServerSpec;
  readonly log: RequestLog;
  readonly databaseUrl: string | undefined;
  readonly ensureTable: (table: string) => Promise<void>;
}

/** One simulated Carte: its port, its objects, its faults. */
export class CarteServer {
  readonly spec: ServerSpec;
  readonly objects: Objects;
  readonly #log: RequestLog;
  readonly #personality: Personality;
  readonly #faults = new Faults();
  #port = 0;
  #server: Server | undefined;

  constructor({ spec, log, databaseUrl, ensureTable }: CarteSettings) {
    this.spec = spec;
    this.#log = log;
    this.#personality = personalities[spec.personality];
    this.objects = new Objects({ server: spec.name, personality: this.#personality, databaseUrl, ensureTable });
    for (const task of spec.tasks) this.objects.add(task);
  }

  get address(): ServerAddress {
    return { name: this.spec.name, url: `http://127.0.0.1:${this.#port}/kettle`, personality: this.spec.personality };
  }

  /** Opens the port; the same one again after a `close`. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
      this.#receive(request, response).catch(() => request.socket.destroy());
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
  }

  /** Closes the port and cuts every connection. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  async fault(kind: FaultKind, options: FaultOptions): Promise<void> {
    if (kind === 'down') await this.close();
    else this.#faults.set(kind, options);
  }

  async heal(kind: FaultKind | undefined): Promise<void> {
    this.#faults.clear(kind);
    if (kind === undefined || kind === 'down') await this.open();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '/';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    let parameters = mark < 0 ? {} : parseForm(target.slice(mark + 1));
    // POST, PUT and DELETE are forwarded to the GET code in every servlet, and HEAD runs it as well.
    if (request.method === 'POST' || request.method === 'PUT') {
      parameters = { ...parameters, ...parseForm(await textOf(request)) };
    }
    const slash = path.indexOf('/', 8);
    const servlet = path.startsWith('/kettle/') ? path.slice(8, slash < 0 ? undefined : slash) : '';
    const known = Object.hasOwn(servlets, servlet);
    const { id, name } = parameters;
    const entry = this.#log.add({
      server: this.spec.name,
      path: known ? servlet : path,
      ...(id !== undefined && { id }),
      ...(name !== undefined && { name }),
      ...(isYes(parameters['inputOnly']) && { safe: true as const }),
    });
    const asked = { path, servlet: known ? servlet : undefined, slash, parameters, mark };
    const answer = this.#answer(request, response, asked);
    if (typeof answer === 'string') entry.answered = answer;
    else this.#reply(answer, entry, response);
  }

  /** What to say, or the word for the log when it was said already. */
  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    asked: { path: string; servlet: string | undefined; slash: number; parameters: Parameters; mark: number },
  ): Answer | string {
    const { path, servlet, slash, parameters, mark } = asked;
    const faults = this.#faults;
    if (!faults.none) {
      const met = meetBefore(faults, servlet ?? path, request, response);
      if (met !== undefined) return met;
    }
    const isRefused = request.headers.authorization !== CREDENTIALS;
    if (isRefused || faults.take('unauthorised', servlet ?? path) !== undefined) {
      response.setHeader('WWW-Authenticate', 'Basic realm="Kettle"');
      response.setHeader('Cache-Control', 'must-revalidate,no-cache,no-store');
      return { code: 401, type: 'jetty', body: jettyPage(401, 'UNAUTHORIZED', path), word: '401' };
    }
    const handle = servlet === undefined ? undefined : servlets[servlet];
    if (servlet === undefined || handle === undefined) {
      return { code: 404, type: 'none', body: '', word: '404' };
    }
    if (slash < 0) {
      const query = mark < 0 ? '' : (request.url ?? '').slice(mark);
      response.setHeader('Location', `http://${request.headers.host ?? ''}${path}/${query}`);
      return { code: this.#personality.redirect, type: 'none', body: '', word: String(this.#personality.redirect) };
    }
    const { endedObjects = 0 } = this.spec;
    const list = { without: undefined, more: endedObjects };
    const call = { objects: this.objects, parameters, personality: this.#personality, list };
    // Whoever forgets it has done the deed and gets a page for people.
    const answer = (given: Call): Answer => (isYes(parameters['xml']) ? handle(given) : { ...handle(given), ...PAGE });
    if (faults.none) return answer(call);
    const refusal = servlet === 'status' ? undefined : faults.take('refuse', servlet);
    if (refusal !== undefined) {
      const { code = 409 } = refusal;
      const body = webResult({ ok: false, message: 'Refused' }, true, this.#personality);
      return { code, type: 'xml utf-8', body, word: String(code) };
    }
    if (faults.take('status500Once', servlet) !== undefined) {
      return { code: 500, type: 'jetty', body: jettyPage(500, 'java.lang.NullPointerException', path), word: '500' };
    }
    return answer({ ...call, list: this.#listFaults(servlet, endedObjects) });
  }

  #listFaults(servlet: string, ended: number): Call['list'] {
    const longer = this.#faults.take('listOf', servlet);
    const shorter = this.#faults.take('shrink', servlet);
    const first = this.objects.firstId();
    return {
      more: longer === undefined ? ended : MANY_ENDED,
      without: shorter === undefined ? undefined : new Set(shorter.ids ?? (first === undefined ? [] : [first])),
    };
  }

  #reply(answer: Answer, entry: LogEntry, response: ServerResponse): void {
    entry.answered = answer.word;
    const { answerMs = 0 } = this.spec;
    if (answerMs === 0) this.#send(answer, entry, response);
    else {
      setTimeout(() => {
        this.#send(answer, entry, response);
      }, answerMs);
    }
  }

  #send({ code, type, body, word }: Answer, entry: LogEntry, response: ServerResponse): void {
    const bytes = typeof body === 'string' ? encode(body, type) : body;
    response.sendDate = false;
    if (type !== 'none') response.setHeader('Content-Type', contentType(type, this.#personality));
    if (!this.#faults.none) {
      const fault = spoil(this.#faults, entry.path, response, bytes);
      if (fault !== undefined) {
        entry.answered = `${word}, ${fault}`;
        return;
      }
    }
    response.statusCode = code;
    if (bytes.length <= RESPONSE_BUFFER) response.setHeader('Content-Length', bytes.length);
    else response.setHeader('Transfer-Encoding', 'chunked');
    response.end(bytes);
  }
}

function contentType(type: Exclude<Answer['type'], 'none'>, { charsetGap }: Personality): string {
  switch (type) {
    case 'xml utf-8':
      return `text/xml;${charsetGap}charset=utf-8`;
    case 'xml iso-8859-1':
      return `text/xml;${charsetGap}charset=iso-8859-1`;
    case 'html':
      return 'text/html;charset=UTF-8';
    case 'jetty':
      return `text/html;${charsetGap}charset=iso-8859-1`;
  }
}

/** Outside Latin-1 a writer for ISO-8859-1 leaves a question mark. */
function encode(body: string, type: Answer['type']): Buffer {
  if (type !== 'xml iso-8859-1' && type !== 'jetty') return Buffer.from(body);
  return Buffer.from(body.replace(/[^\u0000-\u00ff]/gu, '?'), 'latin1');
}

function parseForm(form: string): Parameters {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>; // no inherited key can be asked for
  for (const pair of form.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const key = decode(equals < 0 ? pair : pair.slice(0, equals));
    parameters[key] ??= equals < 0 ? '' : decode(pair.slice(equals + 1)); // the first value counts
  }
  return parameters;
}

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(Buffer.from(part as Uint8Array)); // no encoding is set: parts are bytes
  return Buffer.concat(parts).toString();
}
