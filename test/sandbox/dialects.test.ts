import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { aJob, aServer, aTask, call, until } from './caller.js';

describe('a simulated server', () => {
  it('redirects a path without its slash and does nothing', async () => {
    const { url, fleet } = await aServer('8.3', [aTask()]);
    const reply = await call(`${url}/stopTrans?xml=Y&id=t1&name=load_orders`);
    expect(reply).toMatchObject({ code: 302, location: `${url}/stopTrans/?xml=Y&id=t1&name=load_orders`, text: '' });
    expect((await fleet.tasks())[0]).toMatchObject({ stops: 0, state: 'running' });
  });

  it('redirects with 301 on 11.1', async () => {
    const { url } = await aServer('11.1', []);
    expect((await call(`${url}/status?xml=Y`)).code).toBe(301);
  });

  it('answers an unknown path with 404 and nothing else', async () => {
    const { url } = await aServer('5.4', []);
    expect(await call(`${url}/nothing/`)).toMatchObject({ code: 404, contentType: undefined, text: '' });
    expect((await call(`${url}/constructor/`)).code).toBe(404);
  });

  it('does what is asked without xml=Y too, and answers with a page', async () => {
    const { url, fleet } = await aServer('8.3', [aTask()]);
    const reply = await call(`${url}/stopTrans/?id=t1&name=load_orders`);
    expect(reply.contentType).toMatch('text/html');
    expect((await fleet.tasks())[0]).toMatchObject({ stops: 1 });
  });

  it('stops on a HEAD and on a form that is posted', async () => {
    const { url, fleet } = await aServer('9.4', [aTask(), aTask({ id: 't2' })]);
    await call(`${url}/stopTrans/?xml=Y&id=t1&name=load_orders`, { method: 'HEAD' });
    await call(`${url}/stopTrans/`, { method: 'POST', body: 'xml=Y&id=t2&name=load_orders' });
    expect((await fleet.tasks()).map(({ stops }) => stops)).toEqual([1, 1]);
  });

  it('sends a question mark for what ISO-8859-1 lacks, from 7.1 on', async () => {
    const { get } = await aServer('8.3', [aTask({ name: '销售é' })]);
    const { text, contentType } = await get('stopTrans', { id: 't1', name: '销售é' });
    expect(text).toContain('<message>Transformation [??é] stop requested.</message>');
    expect(contentType).toBe('text/xml;charset=iso-8859-1');
  });

  it('escapes only the five marks of XML from 7.1 on, and turns control characters into blanks', async () => {
    const { get } = await aServer('7.1', [aTask({ name: `a<b>&"c'\u0007d]]>` })]);
    expect((await get('status')).text).toContain('<transname>a&lt;b&gt;&amp;&#34;c&#39; d]]&gt;</transname>');
  });

  it('tells a start time from 7.0 on', async () => {
    const old = await aServer('6.1', [aTask()]);
    const young = await aServer('8.3', [aTask()]);
    expect((await old.get('status')).text).not.toContain('<log_date>');
    expect((await young.get('status')).text).toMatch(/<log_date>\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3}<\/log_date>/);
  });

  it('wraps the log at 76 characters from 8.1 on', async () => {
    const { get } = await aServer('8.3', [aTask()]);
    const { text } = await get('transStatus', { id: 't1', name: 'load_orders' });
    const payload = /&lt;!\[CDATA\[([^\]]*)\]\]&gt;/.exec(text)?.[1] ?? '';
    expect(payload.split('\r\n')[0]).toHaveLength(76);
    expect(payload.endsWith('\r\n')).toBe(true);
    expect(gunzipSync(Buffer.from(payload, 'base64')).toString()).toContain(
      'Dispatching started for transformation [load_orders]',
    );
  });

  it('sends a long list in chunks and a short reply with its length', async () => {
    const { get } = await aServer('8.3', [aTask({ id: 't{n}', count: 200 })]);
    expect((await get('status')).chunked).toBe(true);
    expect((await get('stopTrans', { id: 't1' })).chunked).toBe(false);
  });

  it('lets the id alone decide and echoes the name that was asked for', async () => {
    const { get, fleet } = await aServer('8.3', [aTask(), aTask({ id: 't2', name: 'other' })]);
    expect((await get('stopTrans', { id: 't1', name: 'other' })).text).toContain(
      'Transformation [other] stop requested.',
    );
    expect((await fleet.tasks()).map(({ id, stops }) => [id, stops])).toEqual([['t1', 1], ['t2', 0]]); // prettier-ignore
  });

  it('takes an arbitrary one of two objects of a name', async () => {
    const { get, fleet } = await aServer('5.4', [aTask({ id: 'b' }), aTask({ id: 'a' })]);
    await get('stopTrans', { name: 'load_orders' });
    expect((await fleet.tasks()).filter(({ stops }) => stops > 0).map(({ id }) => id)).toEqual(['a']);
  });

  it.each([
    ['6.1', 200, 'could not be found'],
    ['7.0', 500, 'NullPointerException'],
  ] as const)('of %s meets an unknown id of a transformation with %i', async (personality, code, text) => {
    const { get } = await aServer(personality, []);
    const reply = await get('transStatus', { id: 'nope', name: 'nope' });
    expect(reply.code).toBe(code);
    expect(reply.text).toContain(text);
  });

  it('answers a stop of an unknown id with 200 and a stack from 7.0 on', async () => {
    const { get } = await aServer('9.4', []);
    const reply = await get('stopTrans', { id: 'nope', name: 'nope' });
    expect(reply.code).toBe(200);
    expect(reply.text).toMatch(/<result>ERROR<[^]*NullPointerException/);
  });

  it.each([
    ['8.3', [200, 200, 200]],
    ['9.4', [404, 409, 400]],
    ['11.1', [404, 200, 200]],
  ] as const)('of %s answers jobStatus for an unknown, a repeated and a missing name', async (personality, codes) => {
    const { get } = await aServer(personality, [aJob(), aJob({ id: 'j2' })]);
    const replies = [
      await get('jobStatus', { name: 'zzz' }),
      await get('jobStatus', { name: 'nightly' }),
      await get('jobStatus', { id: 'j1' }),
    ];
    expect(replies.map(({ code }) => code)).toEqual(codes);
  });

  it('runs what lies at a path, keeps the parameters and tells the id', async () => {
    const { get, fleet, word } = await aServer('8.3', []);
    const { text } = await get('runJob', { job: '/etl/load_orders', level: 'Basic', FROM: '2026-01-01' });
    const id = /<id>(.*?)<\/id>/.exec(text)?.[1] ?? '';
    expect(await fleet.tasks()).toMatchObject([{ id, name: 'load_orders', parameters: { FROM: '2026-01-01' } }]);
    await until(() => word(id), (now) => now === 'Finished'); // prettier-ignore
  });
});
