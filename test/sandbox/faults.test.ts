import { describe, expect, it } from 'vitest';
import { aServer, aTask, asked, call } from './caller.js';

const STOP = asked('stopTrans', { id: 't1', name: 'load_orders' });

describe('a faulty server', () => {
  it('that is down refuses connections, and comes back on its port', async () => {
    const { fleet, get, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'down');
    await expect(get('status')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    await fleet.heal('carte');
    expect((await call(`${url}${asked('status')}`)).code).toBe(200);
  });

  it('that hangs does not answer and does nothing', async () => {
    const { fleet, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'hang');
    await expect(call(url + STOP, { timeoutMs: 200 })).rejects.toThrow(/abort/i);
    expect(await fleet.tasks()).toMatchObject([{ stops: 0 }]);
    expect(await fleet.log()).toMatchObject([{ path: 'stopTrans', id: 't1', name: 'load_orders', answered: 'hang' }]);
  });

  it('that resets does nothing', async () => {
    const { fleet, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'reset');
    await expect(call(url + STOP)).rejects.toThrow(/ECONNRESET|hang up/);
    expect(await fleet.tasks()).toMatchObject([{ stops: 0 }]);
  });

  it('that loses the reply of a stop has done it', async () => {
    const { fleet, url, word } = await aServer('8.3', [aTask({ settleMs: 5_000 })]);
    await fleet.fault('carte', 'halfReplyAfterStop', { times: 1 });
    await expect(call(url + STOP)).rejects.toThrow(/ECONNRESET|aborted/);
    expect(await word('t1')).toBe('Halting');
    expect((await call(url + STOP)).code).toBe(200);
  });

  it.each([
    ['html200', 200],
    ['html502', 502],
    ['unauthorised', 401],
  ] as const)('with %s answers a page with %i and does nothing', async (kind, code) => {
    const { fleet, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', kind);
    const reply = await call(url + STOP);
    expect(reply.code).toBe(code);
    expect(reply.contentType).toMatch('text/html');
    expect(await fleet.tasks()).toMatchObject([{ stops: 0 }]);
  });

  it('that refuses answers everything but lists with its code', async () => {
    const { fleet, get } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'refuse', { code: 403 });
    expect((await get('stopTrans', { id: 't1' })).code).toBe(403);
    expect((await get('status')).code).toBe(200);
  });

  it('that cuts its list breaks off in mid-body', async () => {
    const { fleet, get } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'cut', { paths: ['status'] });
    await expect(get('status')).rejects.toThrow(/aborted/);
    expect((await get('stopTrans', { id: 't1' })).code).toBe(200);
  });

  it('with a list that never ends sends until the caller goes away', async () => {
    const { fleet, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'oversized');
    await expect(call(url + asked('status'), { timeoutMs: 300 })).rejects.toThrow(/abort/i);
    await fleet.heal('carte', 'oversized');
    expect((await call(url + asked('status'))).code).toBe(200);
  });

  it('that drips is not through in time', async () => {
    const { fleet, url } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'slowDrip', { ms: 50 });
    await expect(call(url + asked('status'), { timeoutMs: 300 })).rejects.toThrow(/abort/i);
  });

  it('fails one list with a page of Jetty, and no other', async () => {
    const { fleet, get } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'status500Once');
    expect((await get('status')).code).toBe(500);
    expect((await get('status')).code).toBe(200);
  });

  it('lists 50,000 ended objects more', async () => {
    const { fleet, get } = await aServer('8.3', [aTask()]);
    await fleet.fault('carte', 'listOf');
    const { text } = await get('status');
    expect(text.match(/<transstatus>/g)).toHaveLength(50_001);
  });

  it('whose list shrinks leaves out what runs on', async () => {
    const { fleet, word } = await aServer('8.3', [aTask(), aTask({ id: 't2' })]);
    await fleet.fault('carte', 'shrink', { ids: ['t2'] });
    expect([await word('t1'), await word('t2')]).toEqual(['Running', undefined]);
  });

  it('that is restarted has forgotten everything, and its threads are gone', async () => {
    const { fleet, word } = await aServer('8.3', [aTask()]);
    await fleet.restart('carte');
    expect(await word('t1')).toBeUndefined();
    expect(await fleet.tasks()).toMatchObject([{ id: 't1', threads: 0, hidden: true }]);
  });
});
