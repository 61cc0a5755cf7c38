import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { personalities } from '../../sandbox/personalities.js';
import { detail, listEntry, type StepView } from '../../sandbox/carte/texts.js';
import { aJob, aServer, aTask, call } from './caller.js';

const fixtures = new URL('../fixtures/carte/pdi-5.4.0.1/', import.meta.url);
const recorded = (name: string) => readFileSync(new URL(`${name}.body`, fixtures), 'utf8');
const recordedType = (name: string) =>
  /Content-Type: (.*?)\r?\n/.exec(readFileSync(new URL(`${name}.head`, fixtures), 'utf8'))?.[1];

const SALES = { id: 'fea2bb79-8401-4fad-8cf7-855636fcf483', name: '销售_同步 & A' };
const NIGHTLY = { id: '8b400ce0-f39a-4e59-9cc2-5bfcad2bf112', name: 'nightly_orders' };

describe('a reply of the 5.4 server is byte for byte what PDI 5.4.0.1 sent', () => {
  it.each([
    ['stop-again', 'stopTrans', SALES],
    ['stop-byid-wrongname', 'stopTrans', { id: SALES.id, name: 'wrong' }],
    ['stop-unknown', 'stopTrans', { id: '00000000-0000-0000-0000-000000000000', name: 'nope' }],
    ['stop-noname', 'stopTrans', {}],
    ['stopjob', 'stopJob', NIGHTLY],
    ['stopjob-unknown', 'stopJob', { name: 'zzz' }],
    ['starttrans', 'startTrans', { name: 'quick' }],
    ['startjob', 'startJob', { id: NIGHTLY.id, name: NIGHTLY.name }],
    ['remove', 'removeTrans', SALES],
    ['remove-running', 'removeJob', NIGHTLY],
    ['jobstatus-unknown', 'jobStatus', { name: 'zzz' }],
    ['transstatus-removed', 'transStatus', { name: '销售_同步 & A', id: 'gone' }],
  ])('%s', async (name, servlet, parameters) => {
    const waiting = { traits: { waiting: servlet === 'startJob' } };
    const tasks = [aTask(SALES), aTask({ id: 'q', name: 'quick' }), aJob({ ...NIGHTLY, ...waiting })];
    const server = await aServer('5.4', tasks);
    const reply = await server.get(servlet, { ...parameters });
    expect(reply.text).toBe(recorded(name));
    expect(reply.contentType).toBe(recordedType(name));
  });

  it('with a wrong password', async () => {
    const { url } = await aServer('5.4', []);
    const reply = await call(`${url}/status/?xml=Y`, { authorization: 'Basic d3Jvbmc6d3Jvbmc=' });
    expect(reply.code).toBe(401);
    expect(reply.text).toBe(recorded('status-unauth'));
  });

  it('for an entry of the list', () => {
    const view = { kind: 'transformation', ...SALES, word: 'Running', logDate: 0 } as const;
    expect(recorded('status-running')).toContain(listEntry(view, personalities['5.4']));
  });

  it('for a job in the list', () => {
    const view = { kind: 'job', ...NIGHTLY, word: 'Running', logDate: 0 } as const;
    expect(recorded('status-jobrunning')).toContain(listEntry(view, personalities['5.4']));
  });

  it('for a list but for its figures', async () => {
    const test = '91a18ca3-51d6-4676-96f6-f1c95a681526';
    const { get } = await aServer('5.4', [aTask(SALES)]);
    const figures = /<(memory_\w+|cpu_\w+|uptime|thread_count|load_avg)>[^<]*</g;
    const plain = (text: string) => text.replace(figures, '<$1><').split('    <transstatus>\n').sort();
    const ids = (text: string) =>
      text.replace(
        /<transname>Row generator test<\/transname>\n<id>[^<]*/,
        `<transname>Row generator test</transname>\n<id>${test}`,
      );
    const { text } = await get('status');
    // The order is that of the ids here and of Java's hashes there, so only the entries can be compared.
    const clean = (value: string) => plain(ids(value)).map((part) => part.replace(/ {2}<\/transstatuslist>[^]*/, ''));
    expect(clean(text)).toEqual(clean(recorded('status-running')));
  });

  it('for the detail of a stopped transformation', () => {
    const log = [
      '10:24:10 - 销售_同步 & A - Dispatching started for transformation [销售_同步 & A]',
      '10:24:26 - dummy.0 - Finished processing (I=0, O=0, R=30, W=30, U=0, E=0)',
      '10:24:26 - dummy.0 - Finished processing (I=0, O=0, R=30, W=30, U=0, E=0)',
      '10:24:26 - gen.0 - Finished processing (I=0, O=0, R=0, W=133, U=0, E=0)',
      '10:24:26 - gen.0 - Finished processing (I=0, O=0, R=0, W=133, U=0, E=0)',
      '10:24:26 - delay.0 - Finished processing (I=0, O=0, R=32, W=30, U=0, E=0)',
      '10:24:26 - delay.0 - Finished processing (I=0, O=0, R=32, W=30, U=0, E=0)',
    ];
    const made = detail(
      {
        kind: 'transformation',
        ...SALES,
        word: 'Stopped',
        logDate: 0,
        steps: [aStep('gen', 0, 133, ' 8'), aStep('delay', 32, 30, ' 2'), aStep('dummy', 30, 30, ' 2')],
        from: 0,
        lastLine: 9,
        log: log.map((line) => `2026/11/22 ${line}\n`).join(''),
        result: {
          errors: 0,
          success: true,
          isStopped: true,
          logChannelId: '552c7e2f-d219-4488-a5c9-0edeeec52d1d',
          logText: '',
        },
      },
      personalities['5.4'],
    );
    // gzip of another program packs the same text otherwise: the payload is left out.
    const payload = /(&#x5b;CDATA&#x5b;)[^<]*(&#x5d;&#x5d;)/;
    expect(made.replace(payload, '$1$2')).toBe(recorded('transstatus-stopped').replace(payload, '$1$2'));
  });
});

function aStep(name: string, linesRead: number, linesWritten: number, speed: string): StepView {
  const counters = { linesRead, linesWritten, linesInput: 0, linesOutput: 0, errors: 0 };
  return { name, ...counters, status: 'Stopped', seconds: 16, speed, priority: '-', stopped: true };
}

const VERSIONS = [
  ['6.1.0.19', '6.1'],
  ['7.0.0.6', '7.0'],
  ['7.1.0.32', '7.1'],
  ['8.0.0.7', '8.0'],
  ['8.1.0.2', '8.1'],
  ['8.2.0.7', '8.2'],
  ['8.3.0.0', '8.3'],
  ['8.3.0.25', '8.3.0.25'],
  ['9.1.0.7', '9.1'],
  ['9.4.0.0', '9.4'],
  ['10.2.0.0', '10.2'],
] as const;

describe.each(VERSIONS)('an entry of the list as PDI %s sent it', (version, personality) => {
  const whole = readFileSync(new URL(`../fixtures/carte/pdi-${version}/status-mixed.body`, import.meta.url), 'utf8');
  const decoded = (text: string): string =>
    text.replace(/&#x([0-9a-f]+);/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 16)));
  const entries = [...whole.matchAll(/ {4}<(trans|job)status>\n[^]*?<\/\1status>\n/g)].map(([text, kind]) => ({
    text,
    kind: kind === 'job' ? ('job' as const) : ('transformation' as const),
    name: decoded(/<(?:trans|job)name>([^<]*)</.exec(text)?.[1] ?? ''),
    id: /<id>([^<]*)</.exec(text)?.[1] ?? '',
    word: decoded(/<status_desc>([^<]*)</.exec(text)?.[1] ?? ''),
    date: decoded(/<log_date>([^<]*)</.exec(text)?.[1] ?? ''),
  }));

  it('is byte for byte the one that the simulated server sends', () => {
    expect(entries.length).toBeGreaterThanOrEqual(5);
    for (const { text, kind, name, id, word, date } of entries) {
      const logDate = date === '' ? undefined : Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}Z`);
      expect(listEntry({ kind, name, id, word, logDate }, personalities[personality])).toBe(text);
    }
  });
});
