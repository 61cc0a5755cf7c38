import { afterEach, describe, expect, it } from 'vitest';
import type { CarteConfig } from '../../../adapters/engines/carte/carte-engine.js';
import { OffboilError } from '../../../domain/errors.js';
import type { RawReply } from '../../support/reply-server.js';
import { detailOf, type Entry, errorPage, listOf, type Scene, sceneOf, webresult } from './carte-server.js';
import { recorded, recordedBody } from './recorded.js';

const never = new AbortController().signal;
const scenes: Scene[] = [];

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function scene(replies: Parameters<typeof sceneOf>[0], config: Partial<CarteConfig> = {}): Promise<Scene> {
  const made = await sceneOf(replies, config);
  scenes.push(made);
  return made;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => (error instanceof OffboilError ? error.code : String(error)),
  );
}

describe('the list of a Carte server', () => {
  it('is read as PDI 5.4.0.1 sent it, without the built-in transformation', async () => {
    const { engine } = await scene({ status: recorded('status-running') });
    expect(await engine.list(never)).toEqual([
      {
        server: 'carte-1',
        id: 'fea2bb79-8401-4fad-8cf7-855636fcf483',
        name: '销售_同步 & A',
        kind: 'transformation',
        word: 'Running',
        state: 'active',
        closesBy: 'list',
      },
    ]);
  });

  it('holds all 303 recorded objects but the built-in one, from one request', async () => {
    const { engine, asked } = await scene({ status: { body: recordedBody('status-302-objects') } });
    const ids = (await engine.list(never)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBe(recordedBody('status-302-objects').toString().split('<status_desc>').length - 2);
    expect(asked()).toEqual(['status']);
  });

  it('tells two jobs of one name apart by their ids', async () => {
    const { engine } = await scene({ status: recorded('status-jobrunning') });
    const jobs = (await engine.list(never)).filter(({ kind }) => kind === 'job');
    expect(jobs.map(({ name }) => name)).toEqual(['nightly_orders', 'nightly_orders']);
    expect(jobs.map(({ state }) => state).sort()).toEqual(['active', 'ending']);
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(2);
  });

  it.each([
    ['Waiting', 'waiting'],
    ['Preparing executing', 'active'],
    ['Initializing', 'active'],
    ['Running', 'active'],
    ['Paused', 'active'],
    ['Halting', 'ending'],
    ['Finished', 'ended'],
    ['Finished (with errors)', 'ended'],
    ['Stopped', 'ended'],
    ['Stopped (with errors)', 'ended'],
    ['Foo', 'unknown'],
    ['finished', 'unknown'],
    ['constructor', 'unknown'],
  ])('calls %s %s', async (word, state) => {
    const { engine } = await scene({ status: listOf('7.1', [{ id: 'a1', word }]) });
    expect((await engine.list(never)).map((task) => task.state)).toEqual([state]);
  });

  it.each([
    ['6.1', 'transformation', 'Waiting', 'detail'],
    ['6.1', 'transformation', 'Stopped', 'detail'],
    ['6.1', 'transformation', 'Running', 'list'],
    ['6.1', 'job', 'Stopped', 'list'],
    ['6.1', 'job', 'Finished', 'detail'],
    ['7.1', 'transformation', 'Finished', 'list'],
    ['8.0', 'job', 'Finished', 'detail'],
    ['8.1', 'job', 'Finished', 'list'],
    ['9.4', 'transformation', 'Finished', 'list'],
  ] as const)('of %s leaves the doubt of a %s that reads %s to the %s', async (version, kind, word, closesBy) => {
    const entries = [{ id: 'a1', word }];
    const look = version === '6.1' ? '6.1' : '7.1';
    const status = kind === 'job' ? listOf(look, [], entries) : listOf(look, entries);
    const { engine } = await scene({ status }, { version });
    expect((await engine.list(never)).map((task) => task.closesBy)).toEqual([closesBy]);
  });

  it('has starts from 7.0 to 8.2, and instants where the zone is declared', async () => {
    const status = listOf('7.1', [{ id: 'a1', logDate: '2026/11/24 02:00:00.000' }]);
    const zoned = await scene({ status }, { timezone: 'Asia/Shanghai', version: '8.2' });
    const [task] = await zoned.engine.list(never);
    expect(task).toMatchObject({ startedAt: '2026/11/24 02:00:00.000', startedAtMs: Date.UTC(2026, 10, 23, 18) });
    const [unzoned] = await (await scene({ status }, { version: '8.2' })).engine.list(never);
    expect(unzoned).toMatchObject({ startedAt: '2026/11/24 02:00:00.000' });
    expect(unzoned?.startedAtMs).toBeUndefined();
  });

  it('has from 8.3 on no start, only a time by which a task had started', async () => {
    const status = listOf('7.1', [{ id: 'a1', logDate: '2026/11/24 02:00:00.000' }]);
    const { engine } = await scene({ status }, { timezone: 'Asia/Shanghai', version: '8.3' });
    const [task] = await engine.list(never);
    expect(task).toMatchObject({ startedBeforeMs: Date.UTC(2026, 10, 23, 18) });
    expect(task).not.toHaveProperty('startedAt');
  });

  it('has no start for a task that never started', async () => {
    const { engine } = await scene({ status: listOf('7.1', [{ id: 'a1', word: 'Waiting', logDate: '' }]) });
    expect((await engine.list(never))[0]?.startedAt).toBeUndefined();
  });

  it('keeps a task called Row generator test where nothing of that name is built in', async () => {
    const { engine } = await scene({
      status: listOf('7.1', [{ id: 'a1', name: 'Row generator test', word: 'Waiting' }]),
    });
    expect(await engine.list(never)).toHaveLength(1);
  });

  it.each(['4.4', '5.4', '7.1'] as const)('gives names of any kind as they are (%s)', async (look) => {
    const names = ["[a] (b) 'c' : /", '& < " > ]]>', '销售_同步', '0012', '1e5', ''];
    const { engine } = await scene({
      status: listOf(
        look,
        names.map((name, index) => ({ id: String(index), name })),
      ),
    });
    expect((await engine.list(never)).map(({ name }) => name)).toEqual(names);
  });

  it.each([0, 1, 2])('may hold %i tasks of a kind', async (count) => {
    const entries: Entry[] = Array.from({ length: count }, (_, index) => ({ id: String(index) }));
    const { engine } = await scene({ status: listOf('7.1', entries, entries) });
    expect(await engine.list(never)).toHaveLength(2 * count);
  });

  it('of 50,000 ended objects is read', async () => {
    const entries = Array.from({ length: 50_000 }, (_, index) => ({
      id: `id-${index}`,
      word: 'Finished',
      name: 'x'.repeat(60),
    }));
    const { engine } = await scene({ status: listOf('7.1', entries) }, { timeoutMs: 15_000 });
    expect(await engine.list(never)).toHaveLength(50_000);
  });

  it('is asked for below the prefix of the estate', async () => {
    const { engine, server } = await scene({ kettle: listOf('7.1', []) }, {});
    engine.close();
    const { createCarteEngine } = await import('../../../adapters/engines/carte/carte-engine.js');
    const webSpoon = createCarteEngine({
      server: 'w',
      url: `${server.origin}/spoon/kettle/`,
      perServer: 1,
      timeoutMs: 2000,
    });
    await webSpoon.list(never);
    webSpoon.close();
    expect(server.requests.at(-1)?.path).toBe('/spoon/kettle/status/');
  });
});

describe('nothing is concluded from a list', () => {
  const whole = String(listOf('7.1', [{ id: 'a1' }, { id: 'a2' }]).body);

  it.each<[string, RawReply, string]>([
    ['that is cut in the middle', { body: whole.slice(0, 700), then: 'close', noLength: true }, 'REPLY_INCOMPLETE'],
    ['whose connection ends early', { body: whole, cutAt: 300 }, 'REPLY_INCOMPLETE'],
    ['with a task that has no id', { body: whole.replace('<id>a2</id>', '') }, 'REPLY_INCOMPLETE'],
    [
      'with a task that has no name',
      { body: whole.replace('<transname>load_orders</transname>', '') },
      'REPLY_INCOMPLETE',
    ],
    [
      'with a task that has no status',
      { body: whole.replace('<status_desc>Running</status_desc>', '<status_desc/>') },
      'REPLY_INCOMPLETE',
    ],
    [
      'without its list of jobs',
      { body: whole.replace(/<jobstatuslist>[^]*<\/jobstatuslist>/, '') },
      'REPLY_INCOMPLETE',
    ],
    ['that is a login page with 200', { body: '<!DOCTYPE html><html><body>Login</body></html>' }, 'REPLY_NOT_CARTE'],
    ['that is the page of a proxy', { head: 'HTTP/1.1 502 Bad Gateway', body: '<html>502</html>' }, 'REPLY_NOT_CARTE'],
    ['that one object breaks for all', errorPage, 'REPLY_NOT_CARTE'],
    ['that is a refusal', recorded('status-unauth'), 'AUTH_REFUSED'],
    ['that is empty', recorded('unknown-path'), 'REPLY_INCOMPLETE'],
    ['of another product', { body: '<serverStatus/>' }, 'REPLY_NOT_CARTE'],
    ['that is too large', { body: `${whole}${' '.repeat(66 * 1024 * 1024)}` }, 'REPLY_TOO_LARGE'],
  ])('%s', async (_what, status, code) => {
    const { engine } = await scene({ status }, { timeoutMs: 10_000 });
    expect(await codeOf(engine.list(never))).toBe(code);
  });
});

describe('the dialect of a server', () => {
  const running = [{ id: 'a1' }];

  it.each([
    ['4.4', listOf('4.4', running), '4.4'],
    ['5.4.0.1 as recorded', recorded('status-running'), '5.0 (replies fit 5.0 to 5.4.1)'],
    ['6.1', listOf('6.1', running), '5.0 (replies fit 5.0 to 6.1)'],
    ['7.0', listOf('7.0', running), '7.0.0.0 (replies fit 7.0.0.0 to 7.0)'],
    ['9.4', listOf('7.1', running), '9.2 (replies fit 9.2 to 11)'],
  ])('is told from its replies: %s', async (version, status, dialect) => {
    const jobStatus =
      version === '9.4' ? { ...webresult('ERROR', 'no'), head: 'HTTP/1.1 404 Not Found' } : webresult('ERROR', 'no');
    const { engine } = await scene({ status, jobStatus });
    expect(await engine.probe(never)).toMatchObject({
      product: 'Carte',
      version: 'unknown',
      dialect,
      rungs: ['stop'],
      source: 'read',
    });
  });

  it('is the declared one, with what it can do', async () => {
    const { engine, asked } = await scene({ status: listOf('7.1', running) }, { version: '9.4' });
    expect(await engine.probe(never)).toMatchObject({
      version: '9.4',
      dialect: '9.2',
      source: 'measured',
      rungs: ['safe', 'stop'],
      start: 'log',
      stopReachesChildren: true,
      remarks: [],
    });
    expect(asked()).toEqual(['status']);
  });

  it.each([
    ['4.4.0', false, false],
    ['5.0.9.4', false, false],
    ['5.4.0.1', false, false],
    ['5.4.1.0', true, false],
    ['6.0', false, false],
    ['6.0.1.1', false, false],
    ['6.0.1.2', true, false],
    ['6.1.0.4', true, false],
    ['7.0', true, false],
    ['8.0', true, false],
    ['8.1', true, true],
    ['8', true, false],
    ['8.2', true, true],
    ['11.1', true, true],
  ])(
    'of %s says whether a stop reaches children (%s) and whether safe stop is certain (%s)',
    async (version, children, safe) => {
      const major = Number(version.split('.')[0]);
      const look = major < 5 ? '4.4' : major < 7 ? '6.1' : version === '7.0' ? '7.0' : '7.1';
      const { engine } = await scene({ status: listOf(look, running) }, { version });
      const info = await engine.probe(never);
      expect(info.stopReachesChildren).toBe(children);
      expect(info.rungs.includes('safe')).toBe(safe);
    },
  );

  it('of 5.4.0.1 was measured', async () => {
    const { engine } = await scene({ status: recorded('status-running') }, { version: '5.4.0.1' });
    expect((await engine.probe(never)).source).toBe('measured');
  });

  it.each([
    ['9.4', listOf('6.1', running), 'no log_date'],
    ['9.4', listOf('4.4', running), 'lacks the memory values'],
    ['5.4', listOf('7.1', running), 'has log_date'],
    ['7.1', listOf('7.0', running), 'escaped as only 5.0 to 7.0'],
    ['7.0', listOf('7.1', running), 'not escaped as 5.0 to 7.0'],
    ['3.2', listOf('4.4', running), 'knows Carte from 4.4 to 11'],
    ['12.0', listOf('7.1', running), 'knows Carte from 4.4 to 11'],
  ])('is refused when %s is declared and the list says otherwise: %#', async (version, status, why) => {
    const { engine } = await scene({ status }, { version });
    const error: unknown = await engine.list(never).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'VERSION_UNKNOWN' });
    expect(String(error)).toContain(why);
    expect(String(error)).toContain(version);
  });

  it('is refused when the list fits no version at all', async () => {
    const body = String(listOf('7.1', running).body).replace(/<memory_free>.*\n/, '');
    const { engine } = await scene({ status: { body } });
    expect(await codeOf(engine.list(never))).toBe('VERSION_UNKNOWN');
  });

  it('is not refused for an empty list', async () => {
    const { engine } = await scene({ status: listOf('7.1', []) }, { version: '9.4' });
    expect(await engine.list(never)).toEqual([]);
  });

  it('costs nothing more once a list was read', async () => {
    const { engine, asked } = await scene({ status: listOf('7.0', running) });
    await engine.list(never);
    await engine.probe(never);
    expect(asked()).toEqual(['status']);
  });

  it('without a declaration is taken for the one that can do least, details included', async () => {
    const { engine, server } = await scene({
      status: listOf('7.1', running),
      jobStatus: webresult('ERROR', 'no'),
      transStatus: detailOf('trans'),
    });
    await engine.probe(never);
    await engine.inspect({ server: 'carte-1', id: 'a1', name: 'load_orders', kind: 'transformation' }, never);
    expect(Number(server.requests.at(-1)?.query.get('from'))).toBeLessThan(0);
  });
});
