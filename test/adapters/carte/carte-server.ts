import { gzipSync } from 'node:zlib';
import { createCarteEngine, type CarteConfig, type CarteEngine } from '../../../adapters/engines/carte/carte-engine.js';
import type { TaskKind, TaskRef } from '../../../domain/tasks.js';
import { type RawReply, type RawRequest, type ReplyServer, startReplyServer } from '../../support/reply-server.js';

/** One entry of a written list. */
export interface Entry {
  readonly id: string;
  readonly name?: string;
  readonly word?: string;
  readonly logDate?: string;
}

/** How a list looks by version. Written after the source of the servlets (GetStatusServlet, SlaveServer*Status); 5.4 is recorded. */
export type Look = '4.4' | '5.4' | '6.1' | '7.0' | '7.1';

const hex = (text: string): string =>
  text.replace(/[^A-Za-z0-9_. ,-]/g, (char) => `&#x${(char.codePointAt(0) ?? 0).toString(16)};`);
const minimal = (text: string): string =>
  text.replace(
    /[&<>'"]/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' })[char] ?? char,
  );

/** A list as a server of that version writes it. */
export function listOf(look: Look, trans: readonly Entry[], jobs: readonly Entry[] = []): RawReply {
  const escape = look === '4.4' || look === '7.1' ? minimal : hex;
  const marks = look === '4.4' ? '<![CDATA[]]>' : escape('<![CDATA[]]>');
  const entry = (
    element: string,
    nameElement: string,
    { id, name = 'load_orders', word = 'Running', logDate }: Entry,
  ): string =>
    `<${element}>\n<${nameElement}>${escape(name)}</${nameElement}>\n<id>${id}</id>\n<status_desc>${escape(word)}</status_desc>\n<error_desc/>\n` +
    (look === '7.0' || look === '7.1' ? `<log_date>${escape(logDate ?? '2026/11/24 02:00:00.000')}</log_date>\n` : '') +
    `<paused>N</paused>\n<logging_string>${marks}</logging_string>\n</${element}>\n`;
  const builtIn: Entry[] =
    look === '4.4' || look === '5.4' ? [{ id: 'built-in', name: 'Row generator test', word: 'Waiting' }] : [];
  const system = look === '4.4' ? '' : '<memory_free>383391648</memory_free>\n<load_avg>-1.0</load_avg>\n';
  return {
    body:
      `<?xml version="1.0" encoding="UTF-8"?>\n<serverstatus>\n<statusdesc>Online</statusdesc>\n${system}<transstatuslist>\n` +
      [...builtIn, ...trans].map((task) => entry('transstatus', 'transname', task)).join('') +
      '</transstatuslist>\n<jobstatuslist>\n' +
      jobs.map((job) => entry('jobstatus', 'jobname', job)).join('') +
      '</jobstatuslist>\n</serverstatus>\n',
  };
}

/** What a written detail shows. */
export interface DetailLook {
  readonly id?: string;
  readonly word?: string;
  readonly result?: { readonly errors?: number; readonly stopped?: 'Y' | 'N' };
  readonly steps?: readonly { readonly written?: number; readonly priority?: string; readonly status?: string }[];
  readonly log?: string;
}

/** A detail as PDI 8.3 and later write it (GetTransStatusServlet, GetJobStatusServlet, Result.getXML). */
export function detailOf(kind: 'trans' | 'job', look: DetailLook = {}): RawReply {
  const { id = 'a1', word = 'Running', result, steps = [], log = '' } = look;
  const rows = steps.map(
    ({ written = 0, priority = '-', status = 'Finished' }, copy) =>
      `<stepstatus><stepname>s</stepname><copy>${copy}</copy><linesRead>0</linesRead><linesWritten>${written}</linesWritten><linesInput>0</linesInput><linesOutput>0</linesOutput><linesUpdated>0</linesUpdated><linesRejected>0</linesRejected><errors>0</errors><statusDescription>${status}</statusDescription><seconds>0.0</seconds><speed>-</speed><priority>${priority}</priority><stopped>N</stopped><paused>N</paused></stepstatus>`,
  );
  const outcome =
    result === undefined
      ? ''
      : `<result><lines_read>0</lines_read><nr_errors>${result.errors ?? 0}</nr_errors><result>Y</result><is_stopped>${result.stopped ?? 'N'}</is_stopped></result>`;
  const name = kind === 'trans' ? 'transname' : 'jobname';
  return {
    body:
      `<?xml version="1.0" encoding="UTF-8"?>\n<${kind}status><${name}>asked</${name}><id>${id}</id><status_desc>${word}</status_desc><error_desc/>` +
      (kind === 'trans' ? `<stepstatuslist>${rows.join('')}</stepstatuslist>` : '') +
      `${outcome}<logging_string>&lt;![CDATA[${gzipSync(log).toString('base64')}]]&gt;</logging_string></${kind}status>\n`,
  };
}

export function webresult(result: string, message = '', id = ''): RawReply {
  return {
    body: `<webresult>\n  <result>${result}</result>\n  <message>${minimal(message)}</message>\n  <id>${id}</id>\n</webresult>\n`,
  };
}

/** Jetty's page for an exception in a servlet. */
export const errorPage: RawReply = {
  head: 'HTTP/1.1 500 Server Error\r\nContent-Type: text/html;charset=iso-8859-1',
  body: '<html><head><title>Error 500</title></head><body><h2>HTTP ERROR 500</h2><pre>java.lang.NullPointerException</pre></body></html>',
};

export interface Scene {
  readonly engine: CarteEngine;
  readonly server: ReplyServer;
  /** Paths asked so far, such as `stopTrans`. */
  readonly asked: () => string[];
  close(): Promise<void>;
}

type Play = RawReply | ((request: RawRequest) => RawReply);

/** An engine before a server that plays the given replies by call. */
export async function sceneOf(
  replies: Readonly<Record<string, Play>>,
  config: Partial<CarteConfig> = {},
): Promise<Scene> {
  const callOf = (path: string): string => path.split('/')[2] ?? '';
  const server = await startReplyServer((request) => {
    const play = replies[callOf(request.path)] ?? { head: 'HTTP/1.1 404 Not Found' };
    return typeof play === 'function' ? play(request) : play;
  });
  const engine = createCarteEngine({
    server: 'carte-1',
    url: `${server.origin}/kettle`,
    user: 'ops',
    perServer: 4,
    timeoutMs: 2000,
    ...config,
  });
  return {
    engine,
    server,
    asked: () => server.requests.map(({ path }) => callOf(path)),
    close: async () => {
      engine.close();
      await server.close();
    },
  };
}

export function refTo(id: string, name = 'load_orders', kind: TaskKind = 'transformation'): TaskRef {
  return { server: 'carte-1', id, name, kind };
}
