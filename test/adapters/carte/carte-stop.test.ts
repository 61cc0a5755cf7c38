import { afterEach, describe, expect, it } from 'vitest';
import type { CarteConfig } from '../../../adapters/engines/carte/carte-engine.js';
import type { TaskRef } from '../../../domain/tasks.js';
import { type RawReply, startReplyServer } from '../../support/reply-server.js';
import { detailOf, errorPage, listOf, refTo, type Scene, sceneOf, webresult } from './carte-server.js';
import { recorded } from './recorded.js';

const never = new AbortController().signal;
const scenes: Scene[] = [];
const stop = { rung: 'stop', mayLeave: () => true } as const;
const safe = { rung: 'safe', mayLeave: () => true } as const;

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(replies: Parameters<typeof sceneOf>[0], config: Partial<CarteConfig> = {}): Promise<Scene> {
  const made = await sceneOf(replies, { timeoutMs: 300, ...config });
  scenes.push(made);
  return made;
}

describe('a stop', () => {
  it.each<[string, TaskRef, string]>([
    ['transformation', refTo('a1', "[x] & 'y' / 销售"), '/kettle/stopTrans/'],
    ['job', refTo('a1', "[x] & 'y' / 销售", 'job'), '/kettle/stopJob/'],
  ])('of a %s is addressed by id and name together', async (_kind, ref, path) => {
    const { engine, server } = await scene({ stopTrans: recorded('stop-again'), stopJob: recorded('stopjob') });
    expect(await engine.stop(ref, stop, never)).toEqual({ kind: 'acknowledged' });
    expect(server.requests.map((request) => request.path)).toEqual([path]);
    expect(Object.fromEntries(server.requests[0]?.query ?? [])).toEqual({ xml: 'Y', name: ref.name, id: 'a1' });
  });

  it.each(['stop-again', 'stop-ambiguous', 'stop-byid-wrongname'])(
    'that was answered as recorded in %s is requested',
    async (reply) => {
      const { engine } = await scene({ stopTrans: recorded(reply) });
      expect((await engine.stop(refTo('a1'), stop, never)).kind).toBe('acknowledged');
    },
  );

  it.each(['stop-unknown', 'stop-noname'])(
    'that was answered as recorded in %s is rejected, in the words of the server',
    async (reply) => {
      const { engine } = await scene({ stopTrans: recorded(reply) });
      const came = await engine.stop(refTo('a1'), stop, never);
      expect(came.kind).toBe('rejected');
      expect(came.note).toContain('could not be found');
    },
  );

  it('that fails inside the server is rejected without its stack trace', async () => {
    const trace = `java.lang.NullPointerException\r\n\tat org.pentaho.di.www.StopTransServlet.doGet(StopTransServlet.java:1)\r\n${'\tat x.y(Z.java)\r\n'.repeat(40)}`;
    const { engine } = await scene({ stopTrans: webresult('ERROR', trace) });
    expect(await engine.stop(refTo('a1'), stop, never)).toEqual({
      kind: 'rejected',
      note: 'java.lang.NullPointerException',
    });
  });

  it('is told by result alone, whatever the language of the message', async () => {
    const { engine } = await scene({
      stopTrans: webresult('OK', '转换 [x] 停止请求失败?'),
      stopJob: webresult('ERROR', '成功'),
    });
    expect((await engine.stop(refTo('a1'), stop, never)).kind).toBe('acknowledged');
    expect((await engine.stop(refTo('a2', 'x', 'job'), stop, never)).kind).toBe('rejected');
  });

  it('is read in the charset of the HTTP header', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=iso-8859-1';
    const body = Buffer.from(
      '<?xml version="1.0" encoding="UTF-8"?><webresult><result>ERROR</result><message>Größe fehlt</message><id/></webresult>',
      'latin1',
    );
    const { engine } = await scene({ stopTrans: { head, body } });
    expect(await engine.stop(refTo('a1'), stop, never)).toEqual({ kind: 'rejected', note: 'Größe fehlt' });
  });

  it.each<[string, RawReply]>([
    ['a page with 200', { body: '<html>Login</html>' }],
    ['the HTML recorded without xml=Y', recorded('stop-html')],
    ['a page with 500', errorPage],
    ['the page of a proxy', { head: 'HTTP/1.1 502 Bad Gateway', body: '<html>502</html>' }],
    ['half a reply', { body: '<webresult><result>OK</result><message>x' }],
    ['a cut connection', { body: '<webresult><result>OK</result></webresult>', cutAt: 20 }],
    ['an empty body', { body: '' }],
    ['neither OK nor ERROR', webresult('MAYBE')],
    ['another document', listOf('7.1', [])],
    ['silence', { then: 'hang' }],
    ['a slow drip', { body: '<webresult><result>OK</result></webresult>', dripMs: 30 }],
    ['a reset', { then: 'reset' }],
    ['too many bytes', { body: `<webresult><result>OK</result></webresult>${' '.repeat(5_000_000)}` }],
  ])('is unanswered, for it may have been done, after %s', async (_what, stopTrans) => {
    const { engine, asked } = await scene({ stopTrans });
    const came = await engine.stop(refTo('a1'), stop, never);
    expect(came.kind).toBe('unanswered');
    expect(came.note).toContain('carte-1');
    expect(asked()).toEqual(['stopTrans']);
  });

  it.each<[string, RawReply, string]>([
    ['a refused password', recorded('status-unauth'), 'refused the password of user "ops"'],
    ['a role that may not', { head: 'HTTP/1.1 403 Forbidden', body: '' }, 'HTTP 403'],
    ['a redirect', { head: 'HTTP/1.1 301 Moved\r\nLocation: https://sso.corp/x?token=t' }, 'redirects to sso.corp'],
  ])('is rejected, for nothing was done, after %s', async (_what, stopTrans, note) => {
    const { engine } = await scene({ stopTrans });
    const came = await engine.stop(refTo('a1'), stop, never);
    expect(came.kind).toBe('rejected');
    expect(came.note).toContain(note);
  });

  it('is unsent when nothing listens there', async () => {
    const gone = await startReplyServer(() => ({}));
    await gone.close();
    const { engine } = await scene({}, { url: `${gone.origin}/kettle` });
    const came = await engine.stop(refTo('a1'), stop, never);
    expect(came.kind).toBe('unsent');
    expect(came.note).toContain('refuses connections');
  });

  it('of a task that the last list showed waiting is never sent', async () => {
    const { engine, asked } = await scene({
      status: listOf('7.1', [], [{ id: 'a1', word: 'Waiting' }]),
      stopJob: recorded('stopjob'),
    });
    await engine.list(never);
    expect((await engine.stop(refTo('a1', 'x', 'job'), stop, never)).kind).toBe('rejected');
    expect(asked()).toEqual(['status']);
  });

  it('of a kind that Carte does not have is never sent', async () => {
    const { engine, asked } = await scene({});
    expect((await engine.stop(refTo('a1', 'x', 'process'), stop, never)).kind).toBe('rejected');
    expect(asked()).toEqual([]);
  });
});

describe('a safe stop', () => {
  it('asks for the input steps only', async () => {
    const { engine, server } = await scene({ stopTrans: recorded('stop-again') }, { version: '9.4' });
    expect((await engine.stop(refTo('a1'), safe, never)).kind).toBe('acknowledged');
    expect(server.requests[0]?.query.get('inputOnly')).toBe('Y');
  });

  it.each(['5.4.0.1', '7.0', '8', '8.0', '13.0', undefined])(
    'is never sent where it could be a full stop: %s',
    async (version) => {
      const config = version === undefined ? {} : { version };
      const { engine, asked } = await scene({ stopTrans: recorded('stop-again') }, config);
      const came = await engine.stop(refTo('a1'), safe, never);
      expect(came).toMatchObject({ kind: 'rejected', note: expect.stringContaining('nothing was sent') as string });
      expect(asked()).toEqual([]);
    },
  );

  it('is never sent to a job', async () => {
    const { engine, asked } = await scene({ stopJob: recorded('stopjob') }, { version: '9.4' });
    expect((await engine.stop(refTo('a1', 'x', 'job'), safe, never)).kind).toBe('rejected');
    expect(asked()).toEqual([]);
  });
});

describe('an ended task', () => {
  const ended = listOf('7.1', [{ id: 'a1', word: 'Finished' }]);

  it('is removed when asked', async () => {
    const { engine, asked } = await scene({ status: ended, removeTrans: recorded('remove') }, { version: '9.4' });
    expect((await engine.release(refTo('a1'), never)).kind).toBe('acknowledged');
    expect(asked()).toEqual(['status', 'removeTrans']);
  });

  it.each([
    ['runs', listOf('7.1', [{ id: 'a1', word: 'Running' }])],
    ['halts', listOf('7.1', [{ id: 'a1', word: 'Halting' }])],
    ['is gone', listOf('7.1', [])],
    ['belongs to another name', listOf('7.1', [{ id: 'a1', name: 'other', word: 'Finished' }])],
    ['reads a word nobody knows', listOf('7.1', [{ id: 'a1', word: 'Foo' }])],
  ])('is never removed when it %s after all', async (_what, status) => {
    const { engine, asked } = await scene({ status, removeTrans: recorded('remove') }, { version: '9.4' });
    expect((await engine.release(refTo('a1'), never)).kind).toBe('unsent');
    expect(asked()).toEqual(['status']);
  });

  it('is started again under its id, with its doubt closed first', async () => {
    const replies = {
      status: listOf('6.1', [{ id: 'a1', word: 'Stopped' }]),
      transStatus: detailOf('trans', { word: 'Stopped', result: { stopped: 'Y' }, steps: [{ written: 1 }] }),
      startTrans: recorded('starttrans'),
    };
    const { engine, asked } = await scene(replies, { version: '6.1' });
    expect(await engine.start({ held: refTo('a1') }, {}, () => true, never)).toEqual(refTo('a1'));
    expect(asked()).toEqual(['status', 'transStatus', 'startTrans']);
  });

  it('is never started again while it runs, for Carte would run it twice', async () => {
    const { engine, asked } = await scene(
      { status: listOf('7.1', [{ id: 'a1', word: 'Running' }]) },
      { version: '9.4' },
    );
    await expect(engine.start({ held: refTo('a1') }, {}, () => true, never)).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
    });
    expect(asked()).toEqual(['status']);
  });

  it('is never started again when another job of its name is held, for Carte might take that one', async () => {
    const jobs = [
      { id: 'a1', word: 'Stopped' },
      { id: 'a2', word: 'Stopped' },
    ];
    const { engine, asked } = await scene({ status: listOf('7.1', [], jobs) }, { version: '9.4' });
    await expect(
      engine.start({ held: refTo('a1', 'load_orders', 'job') }, {}, () => true, never),
    ).rejects.toMatchObject({
      code: 'ESTATE_INVALID',
    });
    expect(asked()).toEqual(['status']);
  });
});

describe('a rerun', () => {
  it.each([
    ['held task', {}],
    ['path', { run: '/etl/load' }],
  ])('of a %s that may not leave any more is held back: only looks were sent', async (_what, run) => {
    const status = listOf('7.1', [{ id: 'a1', word: 'Finished' }]);
    const { engine, asked } = await scene({ status, transStatus: recorded('starttrans') }, { version: '9.4' });
    expect(await engine.start({ held: refTo('a1'), ...run }, {}, () => false, never)).toBe('heldBack');
    expect(asked()).toEqual(['status']);
  });

  it('runs a path of the repository of the server, with parameters, and tells the new task by its own name', async () => {
    const status = listOf('7.1', [{ id: 'n1', name: 'load orders' }]);
    const { engine, server } = await scene({ status, runTrans: webresult('OK', 'started', 'n1') }, { version: '9.4' });
    const started = await engine.start(
      { held: refTo('a1'), run: '/etl/load & orders' },
      { FROM: '2026-11-24', 'A=B': '&' },
      () => true,
      never,
    );
    expect(started).toEqual(refTo('n1', 'load orders'));
    const request = server.requests.find(({ path }) => path === '/kettle/runTrans/');
    expect(Object.fromEntries(request?.query ?? [])).toEqual({
      xml: 'Y',
      trans: '/etl/load & orders',
      level: 'Basic',
      FROM: '2026-11-24',
      'A=B': '&',
    });
  });

  it.each<[string, RawReply, string]>([
    ['the server says no', webresult('ERROR', 'no repository'), 'REPLY_REJECTED'],
    ['it tells no id', webresult('OK'), 'REPLY_INCOMPLETE'],
    ['the password is refused', recorded('status-unauth'), 'AUTH_REFUSED'],
    ['there is no answer', { then: 'hang' }, 'SERVER_TIMEOUT'],
  ])('is an error when %s', async (_what, runJob, code) => {
    const { engine } = await scene({ status: listOf('7.1', []), runJob }, { version: '9.4' });
    await expect(
      engine.start({ held: refTo('a1', 'x', 'job'), run: '/x' }, {}, () => true, never),
    ).rejects.toMatchObject({ code });
  });

  it.each([
    ['on 4.4', '4.4', { run: '/x' }, {}],
    ['with a parameter that Carte takes for its own', '9.4', { run: '/x' }, { level: 'Debug' }],
    ['with parameters and no path', '9.4', {}, { FROM: '1' }],
  ])('is refused %s', async (_what, version, run, parameters) => {
    const { engine, asked } = await scene({ status: listOf(version === '4.4' ? '4.4' : '7.1', []) }, { version });
    await expect(engine.start({ held: refTo('a1'), ...run }, parameters, () => true, never)).rejects.toMatchObject({
      code: 'ESTATE_INVALID',
    });
    expect(asked().filter((call) => call !== 'status')).toEqual([]);
  });
});
