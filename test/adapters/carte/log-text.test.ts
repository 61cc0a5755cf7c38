import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readLog } from '../../../adapters/engines/kettle/log-text.js';
import { redact, shorten } from '../../../adapters/engines/kettle/redact.js';
import { readXml, textOf } from '../../../adapters/engines/kettle/xml.js';
import { published, recordedBody } from './recorded.js';

const packed = (text: string): string => gzipSync(text).toString('base64');
const loggingOf = async (bytes: Buffer): Promise<string> =>
  textOf(
    await readXml({ server: 'carte-1', bytes }, ['transstatus', 'jobstatus', 'pipeline-status', 'workflow-status']),
    'logging_string',
  ) ?? 'none';

const tailOfLog = async (text: string): Promise<string> => (await readLog(text)).tail;

describe('the log of a task', () => {
  it('is read from escaped marks, as PDI 5.0 and later send it', async () => {
    expect(await tailOfLog(await loggingOf(recordedBody('jobstatus-running')))).toMatch(
      /^\d{4}\/\d\d\/\d\d .*nightly_orders/,
    );
  });

  it('is read from a real CDATA section, as PDI 4.4 sends it', async () => {
    const body = `<transstatus><logging_string><![CDATA[${packed('2026/01/02 03:04:05 - a - ]]> b')}]]></logging_string></transstatus>`;
    expect(await tailOfLog(await loggingOf(Buffer.from(body)))).toBe('2026/01/02 03:04:05 - a - ]]> b');
  });

  it('is read when its base64 is wrapped or blank inside', async () => {
    expect(await tailOfLog(await loggingOf(published('jobStatus-finished-steiner-2020')))).toMatch(/Finished|finished/);
    expect(await tailOfLog(await loggingOf(published('hop-workflowStatus')))).toContain('workflow');
    expect(await tailOfLog(`<![CDATA[${packed('a'.repeat(500)).replace(/(.{8})/g, '$1\r\n')}]]>`)).toBe(
      'a'.repeat(500),
    );
  });

  it('is empty when it is a gzip of nothing, and when there is none', async () => {
    expect(await tailOfLog(await loggingOf(published('transStatus-wiki-emptylog')))).toBe('');
    expect(await tailOfLog('<![CDATA[]]>')).toBe('');
  });

  it('may hold brackets and Chinese', async () => {
    expect(await tailOfLog(packed('销售 [x]] ]'))).toBe('销售 [x]] ]');
  });

  it('is kept at its end only', async () => {
    const tail = await tailOfLog(packed(`first\n${'销售\n'.repeat(5000)}last`));
    expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(8192);
    expect(tail.endsWith('last')).toBe(true);
    expect(tail).not.toContain('\uFFFD');
  });

  it('loses its passwords before it is cut', async () => {
    const tail = await tailOfLog(packed(`x\n-pass=hunter2 ${'y'.repeat(8170)}`));
    expect(tail).not.toContain('hunter2');
  });

  it.each([
    ['is no base64', '<![CDATA[not base64!]]>', 'not base64'],
    ['is no gzip', Buffer.from('plain').toString('base64'), 'log unreadable'],
    [
      'is a cut gzip',
      Buffer.from(gzipSync('a line of a log '.repeat(50)).subarray(0, 30)).toString('base64'),
      'log unreadable',
    ],
  ])('is named unreadable, and nothing more, when it %s', async (_what, text, note) => {
    expect(await tailOfLog(text)).toContain(note);
  });

  it('is given up when it inflates without end', async () => {
    const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024, 'a')).toString('base64');
    expect(await tailOfLog(bomb)).toMatch(/inflates to more than \d+ bytes\]$/);
  });
});

describe('what people read', () => {
  it.each([
    ['kitchen.sh -rep=x -pass=hunter2 -job=a', 'hunter2'],
    ['kitchen.sh /pass:hunter2 /job:a', 'hunter2'],
    ['java -DKETTLE_PASSWORD=hunter2 -jar x', 'hunter2'],
    ['jdbc:postgresql://db/x?user=a&password=hunter2&ssl=true', 'hunter2'],
    ['{"password": "hunter2 with blanks"}', 'hunter2'],
    ['http://ops:hunter2@carte:8080/kettle', 'hunter2'],
    ['Authorization: Basic aHVudGVyMg==', 'aHVudGVyMg'],
    ['<password>Encrypted 2be98afc86aa7f2e4cb79ce10bef8d</password>', '2be98afc'],
  ])('holds no password: %s', (text, secret) => {
    expect(redact(text)).not.toContain(secret);
  });

  it('keeps what is no password', () => {
    expect(redact('passed 5 rows to step "a"; http://carte:8080/kettle')).toBe(
      'passed 5 rows to step "a"; http://carte:8080/kettle',
    );
  });

  it('holds no stack trace', () => {
    const trace =
      'java.lang.NullPointerException: x\r\n\tat org.pentaho.di.www.StopTransServlet.doGet(StopTransServlet.java:170)\r\n\tat b.c(D.java)';
    expect(shorten(trace)).toBe('java.lang.NullPointerException: x');
  });
});
