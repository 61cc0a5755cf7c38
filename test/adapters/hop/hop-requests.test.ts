import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../../domain/secret.js';
import { endlessPipeline } from '../../../sandbox/hop/documents.js';
import { pipelineRef, recorded, recordedBody, sceneOf, signal, STOP, workflowRef } from './hop-replies.js';

const idIn = (name: string): string => /<id>(.+?)<\/id>/.exec(recordedBody(name))?.[1] ?? '';

describe('the recorded detail of a Hop pipeline', () => {
  const detailOf = async (name: string, ref = pipelineRef(idIn(name))) => {
    const { engine } = await sceneOf({ pipelineStatus: recorded(name) }, { clockNow: () => 1_000_000_000 });
    return engine.inspect(ref, signal);
  };

  it('that was stopped proves the end, with counters, errors and the log', async () => {
    const detail = await detailOf('pipelinestatus-load-stopped');
    expect(detail).toMatchObject({ word: 'Finished', state: 'ended', proves: 'ended', errors: 0, stoppedFlag: true });
    expect(detail.endedAtMs).toBe(1_000_000_000 - 1_812);
    expect(detail.steps.map(({ name, read, written, output }) => [name, read, written, output])).toEqual([
      ['rows', 0, 2221, 0],
      ['wait', 2120, 2119, 0],
      ['load', 2119, 2000, 2119],
    ]);
    expect(detail.logTail).toContain('load.0 - Finished processing (I=0, O=2119, R=2119, W=2000, U=0, E=0)');
  });

  it('that had finished before its stop has the flag of a stop and the end of its own', async () => {
    const detail = await detailOf('pipelinestatus-finished-then-stopped');
    expect(detail).toMatchObject({ word: 'Finished', stoppedFlag: true, errors: 0, endedAtMs: 1_000_000_000 - 707 });
  });

  it('that runs again under its id proves that it runs, and shows no end', async () => {
    const detail = await detailOf('pipelinestatus-restarted-stopped');
    expect(detail).toMatchObject({ word: 'Running', proves: 'running', stoppedFlag: false });
    expect(detail.endedAtMs).toBeUndefined();
  });

  it('that could not start has ended with errors, and its flag reads as if somebody had stopped it', async () => {
    expect(await detailOf('pipelinestatus-error-init')).toMatchObject({
      word: 'Finished (with errors)',
      proves: 'ended',
      errors: 1,
      stoppedFlag: true,
    });
  });

  it('that was never started proves nothing', async () => {
    expect(await detailOf('pipelinestatus-registered')).toMatchObject({ state: 'waiting', proves: 'nothing' });
  });

  it('that is gone, removed or timed out right after its stop, is an error and no end', async () => {
    await expect(detailOf('pipelinestatus-removed', pipelineRef('gone'))).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
    });
    await expect(detailOf('pipelinestatus-unknown-id', pipelineRef('gone'))).rejects.toMatchObject({
      code: 'REPLY_REJECTED',
    });
  });

  it('that is about another id is not taken for the one asked for', async () => {
    await expect(detailOf('pipelinestatus-running', pipelineRef('another'))).rejects.toMatchObject({
      code: 'REPLY_INCOMPLETE',
    });
  });
});

describe('the recorded detail of a Hop workflow', () => {
  it('shows its actions with the counters of what they ran', async () => {
    const { engine } = await sceneOf({ workflowStatus: recorded('workflowstatus-with-child-after-stop') });
    const detail = await engine.inspect(
      workflowRef(idIn('workflowstatus-with-child-after-stop'), 'wf-pipeline'),
      signal,
    );
    expect(detail).toMatchObject({ word: 'Stopped', proves: 'ended', errors: 0, stoppedFlag: false });
    expect(detail.steps.map(({ name, status, read, written }) => [name, status, read, written])).toEqual([
      ['Start', 'FINISHED', 0, 0],
      ['run pipeline', 'FINISHED', 217, 318],
    ]);
  });

  it('in Halting proves that it runs', async () => {
    const { engine } = await sceneOf({ workflowStatus: recorded('workflowstatus-halting') });
    const detail = await engine.inspect(workflowRef(idIn('workflowstatus-halting'), 'wf-long-sleep'), signal);
    expect(detail).toMatchObject({ word: 'Halting', state: 'ending', proves: 'running' });
  });
});

describe('a stop sent to a Hop Server', () => {
  it('names id and name together, with the slash that keeps it from being redirected', async () => {
    const { engine, server } = await sceneOf({ stopPipeline: recorded('stop') });
    expect(await engine.stop(pipelineRef('an-id', 'a & b'), STOP, signal)).toEqual({ kind: 'acknowledged' });
    expect(server.requests.map(({ path, rawQuery }) => `${path}?${rawQuery}`)).toEqual([
      '/hop/stopPipeline/?name=a%20%26%20b&id=an-id&xml=Y',
    ]);
  });

  it('for an unknown id is rejected in the server’s words', async () => {
    const { engine } = await sceneOf({ stopPipeline: recorded('stop-unknown-id') });
    expect(await engine.stop(pipelineRef('gone'), STOP, signal)).toEqual({
      kind: 'rejected',
      note: 'Pipeline [slow] could not be found.',
    });
  });

  it('with a wrong password is rejected, and with an unreadable answer it may have arrived', async () => {
    const refused = await sceneOf({ stopPipeline: recorded('stop-unauth') });
    expect(await refused.engine.stop(pipelineRef('x'), STOP, signal)).toMatchObject({ kind: 'rejected' });
    const html = await sceneOf({ stopPipeline: recorded('stop-html') });
    expect(await html.engine.stop(pipelineRef('x'), STOP, signal)).toMatchObject({ kind: 'unanswered' });
  });

  it('to a workflow goes out at once when a list has shown that it was started', async () => {
    const { engine, asked } = await sceneOf({
      status: recorded('status-workflow-with-child'),
      stopWorkflow: recorded('stopworkflow'),
    });
    await engine.list(signal);
    const started = workflowRef('fb6229b1-989d-4d04-9fdf-3bdf57919bcf', 'wf-pipeline');
    expect(await engine.stop(started, STOP, signal)).toEqual({ kind: 'acknowledged' }); // its answer has no id
    expect(asked()).toEqual(['status', 'stopWorkflow']);
  });

  it('to a workflow that cannot be looked at first does not leave', async () => {
    const { engine, asked } = await sceneOf({
      workflowStatus: recorded('workflowstatus-unknown-id'),
      stopWorkflow: recorded('stopworkflow'),
    });
    expect(await engine.stop(workflowRef('gone'), STOP, signal)).toMatchObject({ kind: 'unsent' });
    expect(asked()).toEqual(['workflowStatus']);
  });

  it('is never a safe one', async () => {
    const { engine, asked } = await sceneOf({ stopPipeline: recorded('stop') });
    expect(await engine.stop(pipelineRef('x'), { ...STOP, rung: 'safe' }, signal)).toMatchObject({ kind: 'unsent' });
    expect(asked()).toEqual([]);
  });
});

describe('a rerun on a Hop Server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'offboil-hop-run-'));
  const run = join(folder, 'slow.hpl');
  const held = pipelineRef('held');
  beforeAll(() => {
    writeFileSync(run, `<?xml version="1.0"?>\n${endlessPipeline('slow')}`);
    writeFileSync(join(folder, 'cut.hpl'), endlessPipeline('slow').slice(0, -20));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const started = {
    status: recorded('status-empty'),
    registerPipeline: recorded('register-pipeline'),
    startPipeline: recorded('stop'),
  };

  it('registers the file anew with its parameters and starts what was registered', async () => {
    const { engine, server, asked } = await sceneOf(started);
    const ref = await engine.start({ held, run }, { FROM: '2026-11-24 & "later"' }, () => true, signal);
    expect(ref).toEqual(pipelineRef('e0261e04-eb88-49ff-b2fc-fcbe0f9330ea'));
    expect(asked()).toEqual(['status', 'registerPipeline', 'startPipeline']);

    const [, registered, start] = server.requests;
    expect(registered).toMatchObject({ method: 'POST', path: '/hop/registerPipeline/' });
    expect(registered?.headers.get('content-type')).toBe('text/xml; charset=UTF-8');
    expect(registered?.body).toContain(
      '<parameter><name>FROM</name><value>2026-11-24 &#38; &#34;later&#34;</value></parameter>',
    );
    expect(start?.query.get('id')).toBe('e0261e04-eb88-49ff-b2fc-fcbe0f9330ea');
  });

  it('that may not leave any more is held back, before its registration or after it', async () => {
    const { engine, asked } = await sceneOf(started);
    expect(await engine.start({ held, run }, {}, () => false, signal)).toBe('heldBack');
    expect(asked()).toEqual(['status']);
    const mayRegister = (): boolean => !asked().includes('registerPipeline');
    expect(await engine.start({ held, run }, {}, mayRegister, signal)).toBe('heldBack');
    expect(asked()).toEqual(['status', 'status', 'registerPipeline']);
  });

  it('always carries metadata, without which the server would never answer', async () => {
    const { engine, server } = await sceneOf(started);
    await engine.start({ held, run }, {}, () => true, signal);
    const packed = /<metastore_json>(.+)<\/metastore_json>/.exec(server.requests[1]?.body ?? '')?.[1] ?? '';
    expect(Object.keys(JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString()) as object)).toEqual([
      'pipeline-run-configuration',
      'workflow-run-configuration',
    ]);
  });

  it('uses a password that was read again', async () => {
    const accepted = `Basic ${Buffer.from('cluster:new').toString('base64')}`;
    const { engine } = await sceneOf(
      {
        status: ({ headers }) => recorded(headers.get('authorization') === accepted ? 'status-empty' : 'status-unauth'),
        registerPipeline: ({ headers }) =>
          recorded(headers.get('authorization') === accepted ? 'register-pipeline' : 'status-unauth'),
        startPipeline: recorded('stop'),
      },
      { password: new Secret('old'), refreshPassword: () => Promise.resolve(new Secret('new')) },
    );
    expect(await engine.start({ held, run }, {}, () => true, signal)).toMatchObject({ name: 'slow' });
  });

  it.each([
    ['without a file, since a restart under the old id could never be stopped', undefined],
    ['of a file that is not there', 'missing.hpl'],
    ['of a file that is no pipeline or workflow by its name', 'slow.xml'],
    ['of a file that is cut', 'cut.hpl'],
  ])('%s is refused before anything is sent', async (_what, name) => {
    const { engine, asked } = await sceneOf(started);
    const what = name === undefined ? { held } : { held, run: join(folder, name) };
    await expect(engine.start(what, {}, () => true, signal)).rejects.toMatchObject({ code: 'ESTATE_INVALID' });
    expect(asked()).toEqual([]);
  });

  it.each(['register-pipeline-bad-xml', 'register-pipeline-unknown-runconfig'])(
    'that the server does not register (%s) is refused',
    async (reply) => {
      const { engine, asked } = await sceneOf({ ...started, registerPipeline: recorded(reply) });
      await expect(engine.start({ held, run }, {}, () => true, signal)).rejects.toMatchObject({
        code: 'REPLY_REJECTED',
      });
      expect(asked()).toEqual(['status', 'registerPipeline']);
    },
  );

  it.each(['startpipeline-init-error', 'startpipeline-unknown-transform'])(
    'that the server does not start (%s) is refused, and what was registered is removed',
    async (reply) => {
      const { engine, asked } = await sceneOf({
        ...started,
        startPipeline: recorded(reply),
        removePipeline: recorded('stop'),
      });
      await expect(engine.start({ held, run }, {}, () => true, signal)).rejects.toMatchObject({
        code: 'REPLY_REJECTED',
      });
      expect(asked()).toEqual(['status', 'registerPipeline', 'startPipeline', 'removePipeline']);
    },
  );

  it('whose start got no answer stays in the list, since it may run', async () => {
    const { engine, asked } = await sceneOf({ ...started, startPipeline: { then: 'reset' } });
    await expect(engine.start({ held, run }, {}, () => true, signal)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    });
    expect(asked()).not.toContain('removePipeline');
  });
});

describe('releasing an ended task of a Hop Server', () => {
  it('that is there no more is rejected', async () => {
    const { engine } = await sceneOf({ removePipeline: recorded('remove-again') });
    expect(await engine.release(pipelineRef('gone'), signal)).toMatchObject({ kind: 'rejected' });
  });
});
