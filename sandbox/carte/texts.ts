import { gzipSync } from 'node:zlib';
import type { Personality } from '../personalities.js';
import type { TaskKind } from '../scenario.js';

/** The documents a server sends, as pure text. 5.4 is byte for byte as recorded; later versions follow the source code. */

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

const minimalEntities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

/** Text as this version writes it into XML. */
export function escape(text: string, { escaping }: Personality): string {
  if (!/[^\w,. -]/.test(text)) return text; // nearly every name, and a list has thousands
  switch (escaping) {
    case 'hexadecimal':
      return text.replace(/[^\w,. -]/gu, (mark) => `&#x${(mark.codePointAt(0) ?? 0).toString(16)};`);
    case 'minimal':
      return (
        text
          .replace(/[&<>"']/g, (mark) => minimalEntities[mark] ?? mark)
          // What XML forbids becomes a blank (OWASP encoder).
          .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ' ')
      );
  }
}

function element(tag: string, text: string): string {
  return text === '' ? `<${tag}/>` : `<${tag}>${text}</${tag}>`;
}

/** The log of a detail reply: gzip, base64, marks. `undefined` is a list's entry, which never has one. */
function loggingString(log: string | undefined, personality: Personality): string {
  const payload = log === undefined ? '' : encodeLog(log, personality);
  return `<logging_string>${escape(`<![CDATA[${payload}]]>`, personality)}</logging_string>`;
}

function encodeLog(log: string, { wrappedLog }: Personality): string {
  const zipped = gzipSync(log);
  zipped[9] = 0xff; // "unknown operating system", as the recorded JVM writes it
  const base64 = zipped.toString('base64');
  return wrappedLog ? base64.replace(/.{1,76}/g, '$&\r\n') : base64;
}

/** `yyyy/MM/dd HH:mm:ss.SSS`, or the `yyyy/MM/dd HH:mm:ss` of a log line; UTC, the zone of these servers. */
export function date(epochMs: number, digits: 19 | 23): string {
  const iso = new Date(epochMs).toISOString();
  return `${iso.slice(0, 4)}/${iso.slice(5, 7)}/${iso.slice(8, 10)} ${iso.slice(11, digits)}`;
}

export interface EntryView {
  readonly kind: TaskKind;
  readonly name: string;
  readonly id: string;
  readonly word: string;
  /** `undefined` for an object that was never started. */
  readonly logDate: number | undefined;
}

/** The part of an entry that a list and a detail share. */
function head(view: EntryView, personality: Personality): string {
  const indent = personality.indented ? '  ' : '';
  const tag = view.kind === 'job' ? 'jobname' : 'transname';
  const word = escape(view.word, personality);
  let text = `${indent}${element(tag, escape(view.name, personality))}\n${indent}<id>${view.id}</id>\n${indent}<status_desc>${word}</status_desc>\n${indent}<error_desc/>\n`;
  if (personality.logDate !== 'none') {
    const logDate = view.logDate === undefined ? '' : date(view.logDate, 23);
    const needsNone = personality.escaping === 'minimal'; // a list has thousands of dates
    text += `${indent}${element('log_date', needsNone ? logDate : escape(logDate, personality))}\n`;
  }
  return view.kind === 'job' ? text : `${text}${indent}<paused>N</paused>\n`;
}

function lineNumbers(from: number, last: number, personality: Personality): string {
  const indent = personality.indented ? '  ' : '';
  return `${indent}<first_log_line_nr>${from}</first_log_line_nr>\n${indent}<last_log_line_nr>${last}</last_log_line_nr>\n`;
}

const emptyLogs = new Map<Personality, { numbers: string; log: string }>();

/** What stands for a log in every entry of a list. */
function emptyLog(personality: Personality): { numbers: string; log: string } {
  let made = emptyLogs.get(personality);
  if (made === undefined) {
    const log = `${personality.indented ? '  ' : ''}${loggingString(undefined, personality)}\n`;
    made = { numbers: lineNumbers(0, 0, personality), log };
    emptyLogs.set(personality, made);
  }
  return made;
}

/** One entry of the list. */
export function listEntry(view: EntryView, personality: Personality): string {
  const { numbers, log } = emptyLog(personality);
  return view.kind === 'job'
    ? `    <jobstatus>\n${head(view, personality)}${log}${numbers}</jobstatus>\n`
    : `    <transstatus>\n${head(view, personality)}  <stepstatuslist>\n  </stepstatuslist>\n${numbers}${log}</transstatus>\n`;
}

export interface SystemValues {
  readonly memoryFree: number;
  readonly memoryTotal: number;
  readonly cpuCores: number;
  readonly cpuProcessTime: number;
  readonly uptimeMs: number;
  readonly threads: number;
  readonly load: number;
}

export function listStart(system: SystemValues): string {
  const values = `<memory_free>${system.memoryFree}</memory_free>
<memory_total>${system.memoryTotal}</memory_total>
<cpu_cores>${system.cpuCores}</cpu_cores>
<cpu_process_time>${system.cpuProcessTime}</cpu_process_time>
<uptime>${system.uptimeMs}</uptime>
<thread_count>${system.threads}</thread_count>
<load_avg>${system.load}</load_avg>
<os_name>Linux</os_name>
<os_version>5.15.0-generic</os_version>
<os_arch>amd64</os_arch>
`;
  return `${DECLARATION}<serverstatus>\n<statusdesc>Online</statusdesc>\n${values}  <transstatuslist>\n`;
}
export const LIST_MIDDLE = '  </transstatuslist>\n  <jobstatuslist>\n';
export const LIST_END = '  </jobstatuslist>\n</serverstatus>\n\n';

export interface StepView {
  readonly name: string;
  readonly linesRead: number;
  readonly linesWritten: number;
  readonly linesInput: number;
  readonly linesOutput: number;
  readonly errors: number;
  readonly status: string;
  readonly seconds: number;
  readonly speed: string;
  /** `-`, or three blanks and the fill of the buffers before and behind the step. */
  readonly priority: string;
  readonly stopped: boolean;
}

export interface ResultView {
  readonly errors: number;
  readonly success: boolean;
  readonly isStopped: boolean;
  readonly logChannelId: string;
  /** Jobs: their whole log a second time, unzipped. */
  readonly logText: string;
}

export interface DetailView extends EntryView {
  readonly steps: readonly StepView[];
  readonly from: number;
  readonly lastLine: number;
  readonly log: string;
  readonly result: ResultView | undefined;
}

function step(view: StepView, personality: Personality): string {
  return (
    `    <stepstatus><stepname>${escape(view.name, personality)}</stepname><copy>0</copy><linesRead>${view.linesRead}</linesRead>` +
    `<linesWritten>${view.linesWritten}</linesWritten><linesInput>${view.linesInput}</linesInput>` +
    `<linesOutput>${view.linesOutput}</linesOutput><linesUpdated>0</linesUpdated><linesRejected>0</linesRejected>` +
    `<errors>${view.errors}</errors><statusDescription>${view.status}</statusDescription><seconds>${view.seconds.toFixed(1)}</seconds>` +
    `<speed>${escape(view.speed, personality)}</speed><priority>${escape(view.priority, personality)}</priority>` +
    `<stopped>${view.stopped ? 'Y' : 'N'}</stopped><paused>N</paused></stepstatus>\n`
  );
}

function result(view: ResultView, personality: Personality): string {
  const counters = ['input', 'output', 'read', 'written', 'updated', 'rejected', 'deleted'];
  return (
    `<result>${counters.map((counter) => `<lines_${counter}>0</lines_${counter}>\n`).join('')}` +
    `<nr_errors>${view.errors}</nr_errors>\n<nr_files_retrieved>0</nr_files_retrieved>\n<entry_nr>0</entry_nr>\n` +
    `<result>${view.success ? 'Y' : 'N'}</result>\n<exit_status>0</exit_status>\n<is_stopped>${view.isStopped ? 'Y' : 'N'}</is_stopped>\n` +
    `<log_channel_id>${view.logChannelId}</log_channel_id>\n${element('log_text', escape(view.logText, personality))}\n` +
    (personality.elapsed ? '<elapsedTimeMillis>0</elapsedTimeMillis>\n<executionId/>\n' : '') +
    (personality.fullResult ? '<result-file></result-file><result-rows></result-rows>' : '') +
    '</result>'
  );
}

/** The reply of `transStatus` and `jobStatus`. */
export function detail(view: DetailView, personality: Personality): string {
  const indent = personality.indented ? '  ' : '';
  const outcome = view.result === undefined ? '' : result(view.result, personality);
  const log = `${indent}${loggingString(view.log, personality)}\n`;
  const numbers = lineNumbers(view.from, view.lastLine, personality);
  if (view.kind === 'job') {
    const end = outcome === '' ? '' : `${outcome}\n`;
    return `${DECLARATION}<jobstatus>\n${head(view, personality)}${log}${numbers}${end}</jobstatus>\n`;
  }
  const steps = view.steps.map((row) => step(row, personality)).join('');
  return `${DECLARATION}<transstatus>\n${head(view, personality)}  <stepstatuslist>\n${steps}  </stepstatuslist>\n${numbers}${outcome}${log}</transstatus>\n`;
}

export interface WebResult {
  readonly ok: boolean;
  readonly message?: string;
  readonly id?: string;
}

/** `declared`: error answers of some servlets come without the XML declaration. */
export function webResult(view: WebResult, declared: boolean, personality: Personality): string {
  const message = element('message', escape(view.message ?? '', personality));
  const id = element('id', escape(view.id ?? '', personality));
  return `${declared ? DECLARATION : ''}<webresult>\n  <result>${view.ok ? 'OK' : 'ERROR'}</result>\n  ${message}\n  ${id}\n</webresult>\n`;
}

/** What a caller gets who forgot `xml=Y`. */
export function htmlPage(title: string, text: string): string {
  const safe = text.replace(/[&<>"']/g, (mark) => minimalEntities[mark] ?? mark);
  return `<HTML>\n<HEAD>\n<TITLE>${title}</TITLE>\n<META http-equiv="Content-Type" content="text/html; charset=UTF-8">\n</HEAD>\n<BODY>\n<H1>${safe}</H1>\n</BODY>\n</HTML>\n`;
}

/** Jetty's own page, padded as the recorded one. */
export function jettyPage(code: number, reason: string, path: string): string {
  const padding = `${' '.repeat(48)}\n`.repeat(20);
  return `<html>
<head>
<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1"/>
<title>Error ${code} ${reason}</title>
</head>
<body>
<h2>HTTP ERROR: ${code}</h2>
<p>Problem accessing ${path}. Reason:
<pre>    ${reason}</pre></p>
<hr /><i><small>Powered by Jetty://</small></i>
${padding}</body>
</html>
`;
}

export const LOGIN_PAGE = htmlPage('Pentaho User Console - Login', 'Please log in');
export const PROXY_PAGE =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n';
