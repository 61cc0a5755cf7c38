import { describe, expect, it } from 'vitest';
import type { Fleet } from '../../sandbox/index.js';
import { aJob, aServer, aTask, until } from './caller.js';

const truth = async (fleet: Fleet, id: string) => (await fleet.tasks()).find((task) => task.id === id);

describe('a stop of an idle task', () => {
  it.each([
    ['5.4', 'Stopped'],
    ['7.0', 'Finished'],
    ['7.1', 'Finished'],
    ['9.4', 'Finished'],
  ] as const)('is answered at once and ends, after Halting, on %s as %s', async (personality, end) => {
    const server = await aServer(personality, [aTask({ traits: { haltsForever: true } })]);
    await server.get('stopTrans', { id: 't1', name: 'load_orders' });
    expect(await server.word('t1')).toBe('Halting');
    await server.fleet.endTask('carte', 't1');
    expect(await server.word('t1')).toBe(end);
    const { text } = await server.get('transStatus', { id: 't1', name: 'load_orders' });
    expect(text).toContain('<is_stopped>Y</is_stopped>');
    expect(text).toContain('<nr_errors>0</nr_errors>');
    expect(await truth(server.fleet, 't1')).toMatchObject({ threads: 0, endedBy: 'stop', stops: 1 });
  });

  it('stops its counters', async () => {
    const { get, fleet, word } = await aServer('8.3', [aTask()]);
    const before = await truth(fleet, 't1');
    await until(() => truth(fleet, 't1'), (now) => (now?.rows ?? 0) > (before?.rows ?? 0)); // prettier-ignore
    await get('stopTrans', { id: 't1' });
    await until(() => word('t1'), (now) => now === 'Finished'); // prettier-ignore
    const ended = (await truth(fleet, 't1'))?.rows;
    expect((await get('transStatus', { id: 't1' })).text).toContain(`<linesOutput>${ended ?? 0}</linesOutput>`);
  });

  it('of a job ends it as Stopped, with a result only then', async () => {
    const server = await aServer('8.3', [aJob({ traits: { haltsForever: true } })]);
    const detail = async () => (await server.get('jobStatus', { id: 'j1', name: 'nightly' })).text;
    await server.get('stopJob', { id: 'j1', name: 'nightly' });
    expect(await detail()).not.toContain('<result>');
    await server.fleet.endTask('carte', 'j1');
    expect(await server.word('j1')).toBe('Stopped');
    expect(await detail()).toContain('<nr_errors>0</nr_errors>');
  });

  it('is lost where the task ignores it', async () => {
    const { get, word, fleet } = await aServer('8.3', [aTask({ traits: { ignoresStop: true } })]);
    expect((await get('stopTrans', { id: 't1' })).text).toContain('<result>OK</result>');
    expect(await word('t1')).toBe('Running');
    expect(await truth(fleet, 't1')).toMatchObject({ stops: 1, threads: 1 });
  });

  it('is lost once where the task loses its first', async () => {
    const { get, word } = await aServer('8.3', [aTask({ settleMs: 60_000, traits: { lostFirstStop: true } })]);
    await get('stopTrans', { id: 't1' });
    expect(await word('t1')).toBe('Running');
    await get('stopTrans', { id: 't1' });
    expect(await word('t1')).toBe('Halting');
  });

  it('leaves a task that is stuck in Halting, until it ends by itself', async () => {
    const { get, word, fleet } = await aServer('8.3', [
      aTask({ settleMs: 1, traits: { haltsForever: true } }),
      aTask({ id: 't2', settleMs: 1 }),
    ]);
    await get('stopTrans', { id: 't1' });
    await get('stopTrans', { id: 't2' });
    await until(() => word('t2'), (now) => now === 'Finished'); // prettier-ignore
    expect(await word('t1')).toBe('Halting');
    await fleet.endTask('carte', 't1');
    expect(await word('t1')).toBe('Finished');
  });

  it('changes nothing on a transformation that waits', async () => {
    const { get, word } = await aServer('9.4', [aTask({ traits: { waiting: true } })]);
    expect((await get('stopTrans', { id: 't1' })).text).toContain('<result>OK</result>');
    expect(await word('t1')).toBe('Waiting');
  });

  it('of a job that waits breaks the list of an 8.3 for everybody, until that job is removed', async () => {
    const { get } = await aServer('8.3', [aJob({ traits: { waiting: true } }), aTask()]);
    await get('stopJob', { id: 'j1', name: 'nightly' });
    expect((await get('status')).code).toBe(500);
    await get('removeJob', { id: 'j1', name: 'nightly' });
    expect((await get('status')).code).toBe(200);
  });

  it('of a job that waits leaves it waiting on 5.4', async () => {
    const { get, word } = await aServer('5.4', [aJob({ traits: { waiting: true } })]);
    await get('stopJob', { id: 'j1', name: 'nightly' });
    expect(await word('j1')).toBe('Waiting');
  });
});

describe('a safe stop', () => {
  it('lets the rows in flight through on 8.3: Running, then Finished, and not "stopped"', async () => {
    const server = await aServer('8.3', [aTask({ traits: { haltsForever: true } })]);
    await server.get('stopTrans', { id: 't1', inputOnly: 'Y' });
    expect(await server.word('t1')).toBe('Running');
    expect((await server.get('transStatus', { id: 't1' })).text).toMatch(
      /<stepname>read<.*<stopped>Y<.*\n.*<stepname>load<.*<stopped>N</,
    );
    await server.fleet.endTask('carte', 't1');
    expect(await server.word('t1')).toBe('Finished');
    expect((await server.get('transStatus', { id: 't1' })).text).toContain('<is_stopped>N</is_stopped>');
    expect(await server.fleet.log()).toContainEqual(
      expect.objectContaining({ path: 'stopTrans', safe: true, answered: 'OK' }),
    );
  });

  it('is a full stop on 7.1', async () => {
    const { get, word } = await aServer('7.1', [aTask({ settleMs: 60_000 })]);
    await get('stopTrans', { id: 't1', inputOnly: 'Y' });
    expect(await word('t1')).toBe('Halting');
  });
});

describe('a job with a child', () => {
  const withChild = (endsByItselfAfterMs: number) =>
    aJob({ startedSecondsAgo: 0, traits: { child: { rowsFlow: true }, endsByItselfAfterMs } });

  it('stays in Halting on 5.4 until the child has come to its own end', async () => {
    const { get, word, fleet } = await aServer('5.4', [withChild(2000)]);
    await get('stopJob', { id: 'j1', name: 'nightly' });
    const before = (await truth(fleet, 'j1'))?.rows ?? 0;
    await until(() => truth(fleet, 'j1'), (now) => (now?.rows ?? 0) > before && now?.state === 'halting'); // prettier-ignore
    await until(() => word('j1'), (now) => now === 'Stopped'); // prettier-ignore
    const { startedAt = 0, endedAt = 0 } = (await truth(fleet, 'j1')) ?? {};
    expect(endedAt - startedAt).toBeGreaterThanOrEqual(2000);
  });

  it('takes the child along on 8.3', async () => {
    const { get, word } = await aServer('8.3', [withChild(3_600_000)]);
    await get('stopJob', { id: 'j1', name: 'nightly' });
    await until(() => word('j1'), (now) => now === 'Stopped'); // prettier-ignore
  });

  it('shows the child in its log and in no list', async () => {
    const { get } = await aServer('5.4', [withChild(3_600_000)]);
    expect((await get('status')).text).toContain(
      '<transstatuslist>\n    <transstatus>\n<transname>Row generator test<',
    );
    expect((await get('status')).text.match(/<jobstatus>|<transstatus>/g)).toHaveLength(2);
  });
});

describe('an object that is removed', () => {
  it('while it runs vanishes from the list, and its threads go on', async () => {
    const { get, word, fleet } = await aServer('8.3', [aTask()]);
    await get('removeTrans', { id: 't1', name: 'load_orders' });
    expect(await word('t1')).toBeUndefined();
    const hidden = await truth(fleet, 't1');
    expect(hidden).toMatchObject({ hidden: true, threads: 1, state: 'running' });
    await until(() => truth(fleet, 't1'), (now) => (now?.rows ?? 0) > (hidden?.rows ?? 0)); // prettier-ignore
    await get('stopTrans', { id: 't1', name: 'load_orders' });
    expect(await truth(fleet, 't1')).toMatchObject({ stops: 0, threads: 1 });
  });
});

describe('an object that ended without a stop', () => {
  it.each([
    ['5.4', 'Waiting'],
    ['8.3', 'Finished'],
  ] as const)('says on %s: %s', async (personality, end) => {
    const { word, fleet } = await aServer(personality, [aTask()]);
    await fleet.endTask('carte', 't1');
    expect(await word('t1')).toBe(end);
  });

  it.each([
    ['5.4', 'Stopped', 'Y'],
    ['8.3', 'Finished (with errors)', 'N'],
    ['9.4', 'Finished (with errors)', 'Y'],
  ] as const)(
    'because its initialisation failed says on %s: %s, is_stopped %s',
    async (personality, end, isStopped) => {
      const { get, word } = await aServer(personality, [aTask({ traits: { failsInit: true } })]);
      expect(await word('t1')).toBe(end);
      const { text } = await get('transStatus', { id: 't1' });
      expect(text).toContain('<nr_errors>1</nr_errors>');
      expect(text).toContain(`<is_stopped>${isStopped}</is_stopped>`);
    },
  );
});

describe('an id', () => {
  it('can come to belong to a task of another name', async () => {
    const { get, fleet } = await aServer('8.3', [aTask()]);
    expect((await get('status')).text).toContain('<transname>load_orders<');
    await fleet.replaceTask('carte', 't1', 'otherName');
    expect((await get('status')).text).toContain('<transname>load_orders_other<');
    expect(await truth(fleet, 't1')).toMatchObject({ stops: 0, threads: 1 });
  });

  it('stays, and the start time moves, when a task is started again', async () => {
    const { get, fleet } = await aServer('8.3', [aTask()]);
    const started = async () => /<log_date>(.*?)</.exec((await get('status')).text)?.[1];
    const first = await started();
    await fleet.replaceTask('carte', 't1', 'restart');
    expect(await started()).not.toBe(first);
  });

  it('is new when a task comes back after its end', async () => {
    const { get, fleet } = await aServer('8.3', [aTask({ traits: { comesBackAfterMs: 50 } })]);
    await get('stopTrans', { id: 't1' });
    const tasks = await until(() => fleet.tasks(), (all) => all.length === 2); // prettier-ignore
    expect(tasks.find(({ id }) => id !== 't1')).toMatchObject({ name: 'load_orders', state: 'running', stops: 0 });
  });
});

describe('a start of a running object', () => {
  it('is not refused and sets a second set of threads to work', async () => {
    const { get, fleet } = await aServer('9.4', [aTask(), aJob()]);
    expect((await get('startTrans', { id: 't1', name: 'load_orders' })).text).toContain('<result>OK<');
    expect(await truth(fleet, 't1')).toMatchObject({ threads: 2 });
    expect((await get('startJob', { id: 'j1', name: 'nightly' })).code).toBe(500);
  });
});
