import { expect, it } from 'vitest';
import {
  deafPipeline,
  endlessPipeline,
  parentWorkflow,
  shortPipeline,
  startHopServer,
} from '../../sandbox/hop/harness.js';
import { describeOnHop, engineOf, HopScene, signal, STOP, waitFor } from './scene.js';

describeOnHop('a pipeline on a real Hop Server', () => {
  const hop = HopScene.use('pipelines');

  it('that was stopped reads Finished, and its detail says that it was stopped', async () => {
    const endless = await hop.runningPipeline(endlessPipeline('endless'));
    await hop.until(endless, ({ state }) => state === 'active');
    expect(await hop.stop(endless)).toEqual({ kind: 'acknowledged' });
    expect(await hop.untilEnded(endless)).toMatchObject({ word: 'Finished', closesBy: 'list' });

    const detail = await hop.engine.inspect(endless, signal);
    expect(detail).toMatchObject({ word: 'Finished', proves: 'ended', stoppedFlag: true, errors: 0 });
    expect(detail.steps.map(({ name }) => name)).toEqual(['rows', 'end']);
    expect(detail.logTail).toContain('Execution started for pipeline [endless]');
    expect(await hop.threadsOf('endless')).toEqual([]);
  });

  it('that was started again under its id cannot be stopped, and both list and reply say so', async () => {
    const again = await hop.runningPipeline(endlessPipeline('again'));
    await hop.stop(again);
    const first = await hop.untilEnded(again);
    await hop.server.start({ ...again, kind: 'pipeline' });

    const restarted = await hop.until(again, ({ state }) => state === 'active');
    expect(restarted.startedAt).not.toBe(first.startedAt); // so a plan made before finds it replaced
    expect(restarted.remark).toContain('started again under the same id');
    expect(restarted.endedAtMs).toBeUndefined(); // the end of the earlier run is still in its entry
    const reply = await hop.stop(again);
    expect(reply).toMatchObject({ kind: 'acknowledged', note: expect.stringContaining('rollback') as string });

    const { steps } = await hop.engine.inspect(again, signal);
    const later = await waitFor('more rows after the acknowledged stop', async () => {
      const detail = await hop.engine.inspect(again, signal);
      return (detail.steps[0]?.written ?? 0) > (steps[0]?.written ?? 0) + 20 ? detail : undefined;
    });
    expect(later).toMatchObject({ word: 'Running', proves: 'running' });
  });

  it('that had finished before its stop reads as stopped afterwards, while its end time tells the truth', async () => {
    const short = await hop.runningPipeline(shortPipeline('short'));
    const ended = await hop.untilEnded(short);
    expect(await hop.engine.inspect(short, signal)).toMatchObject({ stoppedFlag: false });
    await waitFor('the clock to be past its end', () =>
      Promise.resolve(Date.now() > (ended.endedAtMs ?? 0) + 200 || undefined),
    );

    const stoppedAt = Date.now();
    expect(await hop.stop(short)).toEqual({ kind: 'acknowledged' });
    expect(await hop.engine.inspect(short, signal)).toMatchObject({ word: 'Finished', stoppedFlag: true });
    expect((await hop.seen(short))?.endedAtMs).toBeLessThan(stoppedAt);
  });

  it('whose thread is in a call that hears no stop is ending until that call is over', async () => {
    const deaf = await hop.runningPipeline(deafPipeline('deaf', { deafMs: 1_500 }));
    await hop.until(deaf, ({ state }) => state === 'active');
    await hop.stop(deaf);
    expect(await hop.seen(deaf)).toMatchObject({ word: 'Halting', state: 'ending' });
    expect(await hop.engine.inspect(deaf, signal)).toMatchObject({ proves: 'running' });
    expect(await hop.untilEnded(deaf)).toMatchObject({ word: 'Finished' });
  });

  it('whose name holds markup and Chinese characters is listed, read and stopped', async () => {
    const named = await hop.runningPipeline(endlessPipeline(`销售 & A <b> 'q' "d"`));
    const listed = await hop.until(named, ({ state }) => state === 'active');
    const ref = { ...named, name: listed.name };
    expect(listed.name).toBe(`销售 & A <b> 'q' "d"`);
    expect(await hop.engine.inspect(ref, signal)).toMatchObject({ word: 'Running' });
    expect(await hop.stop(ref)).toEqual({ kind: 'acknowledged' });
    await hop.untilEnded(ref);
  });

  it('tells its start by our clock', async () => {
    const before = Date.now();
    const endless = await hop.runningPipeline(endlessPipeline('timed'));
    const { startedAtMs = 0 } = await hop.until(endless, ({ state }) => state === 'active');
    expect(startedAtMs).toBeGreaterThan(before - 1_000);
    expect(startedAtMs).toBeLessThan(Date.now() + 1_000);
  });
});

describeOnHop('a workflow on a real Hop Server', () => {
  const hop = HopScene.use('workflows');

  it('that waits for its child ends with it', async () => {
    const file = hop.server.writeFile('kid.hpl', endlessPipeline('kid'));
    const parent = await hop.runningWorkflow(parentWorkflow('parent', { file, wait: true }));
    await waitFor('the child to run', async () => ((await hop.threadsOf('kid')).length > 0 ? true : undefined));
    expect((await hop.engine.list(signal)).map(({ name }) => name)).toEqual(['parent']); // the child is in no list
    expect(await hop.stop(parent)).toEqual({ kind: 'acknowledged' });
    expect(await hop.untilEnded(parent)).toMatchObject({ word: 'Stopped' });
    expect(await hop.threadsOf('kid')).toEqual([]);
    expect(await hop.engine.inspect(parent, signal)).toMatchObject({ word: 'Stopped', proves: 'ended' });
  });

  it('that does not wait for its child leaves it running, in no list, whatever is stopped', async () => {
    const file = hop.server.writeFile('orphan.hpl', deafPipeline('orphan', { deafMs: 50 }));
    const parent = await hop.runningWorkflow(parentWorkflow('careless', { file, wait: false }));
    expect(await hop.untilEnded(parent)).toMatchObject({ word: 'Finished' });
    expect(await hop.stop(parent)).toEqual({ kind: 'acknowledged' });
    expect((await hop.engine.list(signal)).map(({ name }) => name)).toEqual(['careless']);
    expect(await hop.threadsOf('orphan')).toHaveLength(2);
    expect((await hop.engine.probe(signal)).remarks.join(' ')).toContain('started without waiting is in no list');
  });

  it('that was never started is not stopped by us, seen before in a list or not', async () => {
    const file = hop.server.writeFile('kid.hpl', endlessPipeline('kid'));
    const waiting = hop.refOf(await hop.server.registerWorkflow(parentWorkflow('waiting', { file, wait: true })));
    const newcomer = engineOf(hop.server);
    expect(await newcomer.stop(waiting, STOP, signal)).toMatchObject({
      kind: 'unsent',
      note: expect.stringContaining('never started') as string,
    });
    expect(await hop.seen(waiting)).toMatchObject({ word: 'Waiting', state: 'waiting' });
    expect(await hop.stop(waiting)).toMatchObject({ kind: 'unsent' });
    expect(await hop.seen(waiting)).toMatchObject({ word: 'Waiting' });
  });

  it('that is stopped before its start breaks the list for everybody, and our error says why', async () => {
    const broken = await startHopServer({ name: 'broken' });
    try {
      const file = broken.writeFile('kid.hpl', endlessPipeline('kid'));
      const waiting = await broken.registerWorkflow(parentWorkflow('waiting', { file, wait: true }));
      await broken.call('stopWorkflow', { name: waiting.name, id: waiting.id, xml: 'Y' });
      const engine = engineOf(broken);
      await expect(engine.list(signal)).rejects.toMatchObject({
        code: 'REPLY_REJECTED',
        message: expect.stringContaining('a workflow was stopped before it was started') as string,
      });
      await broken.remove(waiting); // the way out that the message names
      expect(await engine.list(signal)).toEqual([]);
    } finally {
      await broken.stop();
    }
  });
});
