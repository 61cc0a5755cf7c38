import { afterEach, describe, expect, it } from 'vitest';
import type { CarteConfig } from '../../../adapters/engines/carte/carte-engine.js';
import { OffboilError } from '../../../domain/errors.js';
import type { RawReply } from '../../support/reply-server.js';
import { detailOf, type DetailLook, errorPage, listOf, refTo, type Scene, sceneOf, webresult } from './carte-server.js';
import { recorded } from './recorded.js';

const never = new AbortController().signal;
const scenes: Scene[] = [];
const recordedTrans = refTo('fea2bb79-8401-4fad-8cf7-855636fcf483', '销售_同步 & A');
const recordedJob = refTo('8b400ce0-f39a-4e59-9cc2-5bfcad2bf112', 'nightly_orders', 'job');

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(replies: Parameters<typeof sceneOf>[0], config: Partial<CarteConfig> = {}): Promise<Scene> {
  const made = await sceneOf(replies, config);
  scenes.push(made);
  return made;
}

const on54 = (reply: string): Promise<Scene> =>
  scene(
    { status: recorded('status-running'), transStatus: recorded(reply), jobStatus: recorded(reply) },
    { version: '5.4.0.1' },
  );

describe('a detail recorded on PDI 5.4.0.1', () => {
  it('shows a running transformation with its steps and its log', async () => {
    const { engine } = await on54('transstatus-running');
    const detail = await engine.inspect(recordedTrans, never);
    expect(detail).toMatchObject({
      word: 'Running',
      state: 'active',
      proves: 'running',
      errors: 0,
      stoppedFlag: false,
    });
    expect(detail.steps[1]).toEqual({
      name: 'delay',
      copy: 0,
      status: 'Running',
      read: 8,
      written: 6,
      input: 0,
      output: 0,
      updated: 0,
      rejected: 0,
      errors: 0,
    });
    expect(detail.logTail).toContain('销售_同步 & A');
  });

  it('proves the end of one that still says Waiting', async () => {
    const { engine } = await on54('transstatus-finished');
    const ref = {
      ...recordedTrans,
      id: /<id>(.*)<\/id>/.exec(String(recorded('transstatus-finished').body))?.[1] ?? '',
    };
    expect(await engine.inspect(ref, never)).toMatchObject({
      word: 'Waiting',
      state: 'waiting',
      proves: 'ended',
      errors: 0,
    });
  });

  it('proves the end of a stopped one, and tells that it was stopped', async () => {
    const { engine } = await on54('transstatus-stopped');
    expect(await engine.inspect(recordedTrans, never)).toMatchObject({
      word: 'Stopped',
      proves: 'ended',
      stoppedFlag: true,
      errors: 0,
    });
  });

  it.each([
    ['transstatus-paused', 'Paused'],
    ['jobstatus-running', 'Running'],
    ['jobstatus-halting', 'Halting'],
  ])('takes %s for running', async (reply, word) => {
    const { engine } = await on54(reply);
    const id = /<id>(.*)<\/id>/.exec(String(recorded(reply).body))?.[1] ?? '';
    const ref = reply.startsWith('job') ? { ...recordedJob, id } : { ...recordedTrans, id };
    expect(await engine.inspect(ref, never)).toMatchObject({ word, proves: 'running' });
  });

  it.each([
    ['transstatus-removed', recordedTrans],
    ['jobstatus-unknown', recordedJob],
  ])('says that there is no such task: %s', async (reply, ref) => {
    const { engine } = await on54(reply);
    await expect(engine.inspect(ref, never)).rejects.toMatchObject({ code: 'TARGET_UNKNOWN' });
  });
});

describe('a detail proves', () => {
  it.each<[string, DetailLook, string]>([
    ['the end, when the word and the result say so', { word: 'Finished', result: { stopped: 'Y' } }, 'ended'],
    ['nothing yet, when the word comes before the result', { word: 'Finished' }, 'nothing'],
    [
      'that it runs, while a step of an ended one still runs',
      { word: 'Finished', result: {}, steps: [{ priority: '   100/0' }] },
      'running',
    ],
    ['that it runs, while it halts', { word: 'Halting', result: { stopped: 'Y' } }, 'running'],
    ['nothing, for a word that nobody knows', { word: 'Foo', result: {} }, 'nothing'],
    ['nothing, for one that was never started', { word: 'Waiting' }, 'nothing'],
    ['nothing, for one that is prepared', { word: 'Waiting', result: {}, steps: [{ status: 'Idle' }] }, 'nothing'],
    [
      'the end, of a waiting one whose steps have run',
      { word: 'Waiting', result: {}, steps: [{ written: 3, status: '已完成' }] },
      'ended',
    ],
    ['the end, of a waiting one that had no rows', { word: 'Waiting', result: {}, steps: [{}] }, 'ended'],
  ])('%s', async (_what, look, proves) => {
    const { engine } = await scene(
      { status: listOf('7.0', [{ id: 'a1' }]), transStatus: detailOf('trans', look) },
      { version: '7.0' },
    );
    expect((await engine.inspect(refTo('a1'), never)).proves).toBe(proves);
  });

  it.each([
    ['nothing, for a job that reads Finished without a result', {}, 'nothing'],
    ['the end of a job, once its result is there', { result: {} }, 'ended'],
  ])('%s', async (_what, look: DetailLook, proves) => {
    const jobStatus = detailOf('job', { word: 'Finished', ...look });
    const { engine } = await scene({ status: listOf('7.1', [], [{ id: 'a1' }]), jobStatus }, { version: '8.0' });
    expect((await engine.inspect(refTo('a1', 'nightly', 'job'), never)).proves).toBe(proves);
  });

  it('a failed start by its errors, although it reads Stopped', async () => {
    const transStatus = detailOf('trans', {
      word: 'Stopped',
      result: { errors: 1, stopped: 'Y' },
      steps: [{ status: 'Stopped' }],
    });
    const { engine } = await scene({ status: listOf('6.1', [{ id: 'a1' }]), transStatus }, { version: '6.1' });
    expect(await engine.inspect(refTo('a1'), never)).toMatchObject({ proves: 'ended', errors: 1, stoppedFlag: true });
  });

  it('by its own result, whatever an inner element of another place says', async () => {
    const body = String(detailOf('trans', { word: 'Finished', result: { errors: 0, stopped: 'Y' }, steps: [{}] }).body);
    const { engine } = await scene(
      {
        status: listOf('7.1', [{ id: 'a1' }]),
        transStatus: { body: body.replace('<result>Y</result>', '<result>N</result>') },
      },
      { version: '9.4' },
    );
    expect(await engine.inspect(refTo('a1'), never)).toMatchObject({ proves: 'ended', errors: 0, stoppedFlag: true });
  });
});

describe('a detail is asked for', () => {
  it('by id and name, from the beginning of the log', async () => {
    const { engine, server } = await scene(
      { status: listOf('7.1', []), transStatus: detailOf('trans') },
      { version: '9.4' },
    );
    await engine.inspect(refTo('a1', '销售 & A'), never);
    expect(Object.fromEntries(server.requests.at(-1)?.query ?? [])).toEqual({
      xml: 'Y',
      name: '销售 & A',
      id: 'a1',
      from: '0',
    });
  });

  it('with another "from" each time where the server would repeat an old answer for a day', async () => {
    const { engine, server } = await scene(
      { status: listOf('7.1', []), transStatus: detailOf('trans') },
      { version: '8.2' },
    );
    for (let i = 0; i < 3; i += 1) await engine.inspect(refTo('a1'), never);
    const asked = server.requests.flatMap(({ query }) => query.get('from') ?? []);
    expect(new Set(asked).size).toBe(3);
    expect(asked.every((from) => Number(from) < 0)).toBe(true);
  });
});

describe('a detail is refused', () => {
  it('as no such task, when 500 comes for an id that the list does not show', async () => {
    const { engine, asked } = await scene({ status: listOf('7.1', []), transStatus: errorPage }, { version: '9.4' });
    await expect(engine.inspect(refTo('a1'), never)).rejects.toMatchObject({ code: 'TARGET_UNKNOWN' });
    expect(asked()).toEqual(['status', 'transStatus', 'status']);
  });

  it('as the failure it is, when 500 comes for an id that the list shows', async () => {
    const { engine } = await scene(
      { status: listOf('7.1', [{ id: 'a1' }]), transStatus: errorPage },
      { version: '9.4' },
    );
    await expect(engine.inspect(refTo('a1'), never)).rejects.toMatchObject({ code: 'REPLY_REJECTED' });
  });

  it.each<[string, RawReply, string]>([
    [
      'with 404 from 9.2 on',
      { ...webresult('ERROR', 'nicht gefunden'), head: 'HTTP/1.1 404 Not Found' },
      'TARGET_UNKNOWN',
    ],
    [
      'with a Java trace',
      webresult('ERROR', 'java.lang.NullPointerException\n\tat a.b.C(D.java:1)\n\tat e'),
      'REPLY_REJECTED',
    ],
    ['with 409', { ...webresult('ERROR', 'duplicate'), head: 'HTTP/1.1 409 Conflict' }, 'REPLY_REJECTED'],
    ['with OK and nothing else', webresult('OK'), 'REPLY_INCOMPLETE'],
    ['with the detail of another task', detailOf('job', { id: 'b2' }), 'REPLY_REJECTED'],
    ['without a status', { body: '<jobstatus><id>a1</id></jobstatus>' }, 'REPLY_INCOMPLETE'],
    ['with a list', listOf('7.1', []), 'REPLY_NOT_CARTE'],
    ['with a log of 5 MB', detailOf('job', { word: 'x'.repeat(5_000_000) }), 'REPLY_TOO_LARGE'],
  ])('%s', async (_what, jobStatus, code) => {
    const { engine } = await scene({ status: listOf('7.1', [], [{ id: 'a1' }]), jobStatus }, { version: '9.4' });
    const error: unknown = await engine
      .inspect(refTo('a1', 'nightly', 'job'), never)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OffboilError);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain('at a.b.C');
  });

  it('never for a log that cannot be read', async () => {
    const body = String(detailOf('trans', { word: 'Running' }).body).replace(/CDATA\[.*?\]\]/, 'CDATA[broken!]]');
    const { engine } = await scene({ status: listOf('7.1', []), transStatus: { body } }, { version: '9.4' });
    expect((await engine.inspect(refTo('a1'), never)).logTail).toContain('log unreadable');
  });
});
