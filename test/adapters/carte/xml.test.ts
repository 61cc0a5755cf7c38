import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childOf, childrenOf, readXml, textOf, type XmlElement } from '../../../adapters/engines/kettle/xml.js';
import { OffboilError } from '../../../domain/errors.js';
import { allXmlBodies, recordedBody } from './recorded.js';

const ROOTS = ['serverstatus', 'transstatus', 'jobstatus', 'webresult', 'pipeline-status', 'workflow-status'];

function read(body: string | Buffer, contentType?: string, roots: readonly string[] = ROOTS): Promise<XmlElement> {
  const type = contentType === undefined ? {} : { contentType };
  return readXml({ server: 'carte-1', bytes: Buffer.from(body), ...type }, roots);
}

async function refusedAs(body: string | Buffer): Promise<string> {
  const error: unknown = await read(body).catch((reason: unknown) => reason);
  return error instanceof OffboilError ? error.code : 'accepted';
}

const named = (name: string): string => `<transstatus><transname>${name}</transname></transstatus>`;

describe('a reply is read', () => {
  it.each(allXmlBodies())('when it is the whole of $name', async ({ body }) => {
    expect(ROOTS).toContain((await read(body)).name);
  });

  it('without an XML declaration and after white space', async () => {
    expect((await read('\r\n\n  <webresult><result>OK</result></webresult>\n\n')).name).toBe('webresult');
    expect(textOf(await read(recordedBody('transstatus-removed')), 'result')).toBe('ERROR');
  });

  it.each([
    ['&#x9500;&#x552e;_&#x540c;&#x6b65; &#x26; A', '销售_同步 & A'],
    ['&#x5b;a&#x5d; &#x28;b&#x29; &#39;c&#39; &#x3a; &#x2f;', "[a] (b) 'c' : /"],
    ['&amp;&lt;&gt;&quot;&apos;', `&<>"'`],
    ['0012', '0012'],
    ['1e5', '1e5'],
    ['a]]&gt;b', 'a]]>b'],
    ['<![CDATA[<x> & y]]>', '<x> & y'],
    [' blank ', ' blank '],
  ])('with the name %s as it is meant', async (sent, meant) => {
    expect(textOf(await read(named(sent)), 'transname')).toBe(meant);
  });

  it('by child, so that an inner element of the same name is not taken for the outer', async () => {
    const root = await read(recordedBody('transstatus-stopped'));
    expect(textOf(childOf(root, 'result'), 'result')).toBe('Y');
    expect(textOf(childOf(root, 'result'), 'is_stopped')).toBe('Y');
    expect(textOf(root, 'stopped')).toBeUndefined();
  });

  it.each([0, 1, 2])('with %i entries of a list', async (count) => {
    const root = await read(`<serverstatus><list>${'<job><id>7</id></job>'.repeat(count)}</list></serverstatus>`);
    expect(childrenOf(childOf(root, 'list'), 'job')).toHaveLength(count);
  });

  it('in the charset of its HTTP header, not of its declaration', async () => {
    const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${named('Größe')}`, 'latin1');
    expect(textOf(await read(body, 'text/xml; charset=iso-8859-1'), 'transname')).toBe('Größe');
  });

  it('although its bytes are not those of its charset', async () => {
    const body = Buffer.from(named('Größe'), 'latin1');
    expect(textOf(await read(body, 'text/xml; charset=utf-8'), 'transname')).toBe('Gr\uFFFD\uFFFDe');
  });

  it('although a name holds characters that XML forbids, as PDI 4.4 to 7.0 sends them', async () => {
    expect(textOf(await read(named('a\u0001b&#x1b;c&#8;d')), 'transname')).toBe('a\uFFFDb\uFFFDc\uFFFDd');
    expect(textOf(await read(named('a&#x10;&#xa;b&#x9;')), 'transname')).toBe('a\uFFFD\nb\t');
  });
});

describe('a reply is refused', () => {
  it('when it is cut anywhere', async () => {
    const bodies = allXmlBodies().map(({ body }) => body);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bodies),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        async (body, share) => {
          const whole = body.toString('latin1').trimEnd().length;
          expect(await refusedAs(body.subarray(0, Math.floor(whole * share)))).toMatch(
            /^REPLY_(INCOMPLETE|NOT_CARTE)$/,
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  it('when it is cut at any byte of a short one', async () => {
    const body = recordedBody('stopjob').toString().trimEnd();
    for (let bytes = 0; bytes < body.length; bytes += 1)
      expect(await refusedAs(body.slice(0, bytes))).not.toBe('accepted');
  });

  it.each([
    ['is empty', '', 'REPLY_INCOMPLETE'],
    ['is white space', ' \n ', 'REPLY_INCOMPLETE'],
    ['is an HTML page', '<html><body>Login</body></html>', 'REPLY_NOT_CARTE'],
    ['is an HTML page with its doctype', '<!DOCTYPE html><html></html>', 'REPLY_NOT_CARTE'],
    ['is plain text', 'Bad Gateway', 'REPLY_NOT_CARTE'],
    ['has another root', '<note>hello</note>', 'REPLY_NOT_CARTE'],
    ['declares a document type', '<!DOCTYPE a [<!ENTITY b "c">]><webresult>&b;</webresult>', 'REPLY_NOT_CARTE'],
    ["uses an entity that is not XML's own", '<webresult>&nbsp;</webresult>', 'REPLY_INCOMPLETE'],
    ['has a second root', '<webresult/><webresult/>', 'REPLY_INCOMPLETE'],
    ['goes on after its end', '<webresult/>and so on', 'REPLY_INCOMPLETE'],
    ['closes what it did not open', '<webresult></result></webresult>', 'REPLY_INCOMPLETE'],
    ['nests without end', '<webresult>'.repeat(30), 'REPLY_TOO_LARGE'],
    ['is JSON', '{"result":"OK"}', 'REPLY_NOT_CARTE'],
  ])('when it %s', async (_what, body, code) => {
    expect(await refusedAs(body)).toBe(code);
  });

  it('when the root is not the one this call answers with', async () => {
    await expect(read('<webresult/>', undefined, ['serverstatus'])).rejects.toThrow(
      '<webresult> where <serverstatus> belongs',
    );
  });

  it('with its beginning kept for people, short and without passwords', async () => {
    const page = `<html><p>502 from http://ops:s3cret@proxy/ password=hunter2</p>${'x'.repeat(5000)}</html>`;
    const error: unknown = await read(page).catch((reason: unknown) => reason);
    const begins = error instanceof OffboilError ? String(error.fields['begins']) : '';
    expect(begins).toContain('502 from http://***@proxy/');
    expect(begins).not.toMatch(/s3cret|hunter2/);
    expect(begins.length).toBeLessThanOrEqual(200);
  });

  it('as a second reading of the recorded 401 page would', async () => {
    expect(await refusedAs(recordedBody('status-unauth'))).toBe('REPLY_NOT_CARTE');
    expect(await refusedAs(recordedBody('unknown-path'))).toBe('REPLY_INCOMPLETE');
    expect(await refusedAs(recordedBody('stop-html'))).toBe('REPLY_NOT_CARTE');
  });
});
