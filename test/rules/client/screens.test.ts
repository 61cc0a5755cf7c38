import { describe, expect, it } from 'vitest';
import { displayWidth, fit, tableLines } from '../../../client/cli/render/table.js';
import { progressLine, waitsLines } from '../../../client/cli/render/progress.js';
import { planLines } from '../../../client/cli/render/plan.js';
import { planDocumentSchema } from '../../../client/plan-document.js';
import { plainMarkdown } from '../../../domain/wording.js';
import { reportLines } from '../../../client/cli/render/report-text.js';
import { renderReportHtml } from '../../../client/cli/render/report-html.js';
import { nextSteps, verdictLine } from '../../../client/cli/render/verdict.js';
import { resultOfReport } from '../../../client/run-result.js';
import { languageOf, LANGUAGES, TEXTS, textsIn } from '../../../client/cli/texts/index.js';
import { aProgress, aReport, aRow } from './samples.js';

const say = textsIn('en');

describe('the table of texts', () => {
  const placesOf = (text: string): string[] => [...text.matchAll(/\{(\w+)/g)].map(([place]) => place).sort();

  it('has every text in every language', () => {
    const missing = Object.entries(TEXTS).flatMap(([id, text]) =>
      LANGUAGES.filter((language) => text[language].trim() === '').map((language) => `${id} ${language}`),
    );
    expect(missing).toEqual([]);
  });

  it('names the same places in every language', () => {
    const uneven = Object.entries(TEXTS).filter(([, text]) => placesOf(text.en).join() !== placesOf(text.zh).join());
    expect(uneven).toEqual([]);
  });

  it('counts in grammar', () => {
    const title = (targets: number, servers: number): string => say('plan.title', { run: 'R', targets, servers });
    expect(title(1, 1)).toBe('Plan of R: 1 target on 1 server');
    expect(title(40, 2)).toBe('Plan of R: 40 targets on 2 servers');
  });

  it('takes control characters out of what servers wrote', () => {
    expect(say('message.answered.update', { name: 'brake', run: 'x\u001b[2J' })).toBe('brake: accepted by x\ufffd[2J.');
  });

  it.each([
    [['--lang', 'zh'], { LANG: 'en_US.UTF-8' }, 'zh'],
    [['--lang=en'], { LANG: 'zh_CN.UTF-8' }, 'en'],
    [[], { LANG: 'zh_CN.UTF-8' }, 'zh'],
    [[], { LANG: 'de_DE.UTF-8' }, 'en'],
    [[], {}, 'en'],
  ])('is read in the language that %j and %j ask for', (args, env, language) => {
    expect(languageOf(args, env)).toBe(language);
  });
});

describe('a table on the terminal', () => {
  it('counts wide characters as two columns and marks as none', () => {
    expect([displayWidth('订单'), displayWidth('e\u0301'), displayWidth('ab'), displayWidth('🚀')]).toEqual([
      4, 1, 2, 2,
    ]);
  });

  it('keeps its columns straight when a name is Chinese', () => {
    const [, first, second] = tableLines(
      ['TASK', 'STATE'],
      [
        ['加载订单', 'active'],
        ['load', 'ending'],
      ],
    );
    expect(displayWidth((first ?? '').split('active')[0] ?? '')).toBe(
      displayWidth((second ?? '').split('ending')[0] ?? ''),
    );
  });

  it('shows an escape sequence in a name as a mark, not as an order to the terminal', () => {
    expect(tableLines(['TASK'], [['evil\u001b[31m']]).join()).not.toContain('\u001b');
  });

  it('cuts a line at the width, without halving a wide character', () => {
    expect(fit('加载订单', 6)).toBe('加载…');
  });
});

describe('the progress line', () => {
  it('says the phase, the wave and how many are proven', () => {
    expect(progressLine(say, aProgress({ etaSeconds: 65 }))).toBe(
      '[##------------------] stopping · wave 1/2 · 5 of 40 proven stopped · 10 requested · about 01:05 left',
    );
  });

  it('names what is not proven', () => {
    expect(progressLine(say, aProgress({ outcomes: { stopped: 5, unconfirmed: 2 } }))).toContain('2 unconfirmed');
  });

  it('shows what a run waits for with the commands that answer it', () => {
    const waits = { reason: '2 failed', until: '2026-11-24T03:00:00Z', answers: ['offboil resume INC-42'] };
    expect(waitsLines(say, aProgress({ phase: 'halted', waits }))).toEqual([
      'waits: 2 failed (until 2026-11-24T03:00:00Z)',
      'answer with:',
      '  offboil resume INC-42',
    ]);
  });
});

describe('a plan on the screen', () => {
  const target = (id: string, name: string, startedAt?: string) => ({
    ...{ server: 'carte-1', id, name, kind: 'job' as const, rungs: ['safe', 'stop'] },
    ...(startedAt === undefined ? {} : { startedAt }),
  });
  const shown = (targets: ReturnType<typeof target>[]): string[] =>
    planLines(
      say,
      {
        runId: 'INC-42',
        summary: { planHash: 'sha256:1', left: 0, findings: [], waves: [{ priority: 'low', targets: 3, servers: 1 }] },
        targets: targets.length,
        confirm: 'count',
        validUntil: '2026-11-24T02:30:00Z',
        notSeen: [],
        whole: planDocumentSchema.parse({
          planHash: 'sha256:1',
          plan: { runId: 'INC-42', waves: [{ priority: 'low', targets }] },
          extras: { 'carte-1/a1': { group: 'erp' }, 'carte-1/a2': { group: 'erp' } },
        }),
      },
      Date.parse('2026-11-24T02:15:00Z'),
    );

  it('names every target with kind, age, group and how it is stopped, those of one name folded', () => {
    const lines = shown([
      target('a1', 'load_orders', '2026-11-24T02:10:00Z'),
      target('a2', 'load_orders', '2026-11-24T00:10:00Z'),
      target('a3', 'load_items'),
    ]);
    expect(lines.find((line) => line.includes('load_orders'))).toMatch(
      /^carte-1 +load_orders ×2 +job +2h +erp +safe → stop$/,
    );
    expect(lines.find((line) => line.includes('load_items'))).toMatch(/^carte-1 +load_items +job +\? +safe → stop$/);
  });

  it('says until when it may be agreed to', () => {
    expect(shown([target('a1', 'load_orders')])).toContain('may be agreed to until 2026-11-24T02:30:00Z');
  });

  it('shows the first twenty names, and how to see all', () => {
    const lines = shown(Array.from({ length: 25 }, (_, index) => target(`t${index}`, `load_${index}`)));
    expect(lines.filter((line) => line.startsWith('carte-1'))).toHaveLength(20);
    expect(lines).toEqual(expect.arrayContaining(['… and 5 more', 'every target: offboil plan INC-42 --json']));
  });
});

describe('text of people in the Web UI', () => {
  it('never becomes Markdown', () => {
    expect(plainMarkdown('[x](http://evil) **now**\n# h')).toBe('\\[x\\]\\(http://evil\\) \\*\\*now\\*\\* \\# h');
  });
});

describe('the verdict', () => {
  it('names the servers that need a look', () => {
    const report = aReport();
    expect(verdictLine(say, resultOfReport(report, ''), report)).toBe(
      '1 of 2 proven stopped · 1 unconfirmed (carte-1)',
    );
  });

  it('calls the checks green only when none turned red', () => {
    const check = { name: 'no half batch', database: 'warehouse', targets: [], detail: '' };
    const green = aReport({ checks: [{ ...check, before: 'red', after: 'red' }] });
    const red = aReport({ checks: [{ ...check, before: 'green', after: 'red' }] });
    expect(verdictLine(say, resultOfReport(green, ''), green)).toContain('checks green');
    expect(verdictLine(say, resultOfReport(red, ''), red)).toContain('1 check red');
  });

  it('offers to ask again only when something is left', () => {
    const commands = (report: ReturnType<typeof aReport>): string[] =>
      nextSteps(say, resultOfReport(report, '')).map(([command]) => command);
    expect(commands(aReport())).toEqual(['offboil report INC-42', 'offboil retry INC-42']);
    expect(commands(aReport({ outcomes: { stopped: 2 } }))).toEqual(['offboil report INC-42']);
  });
});

describe('the report', () => {
  it('puts what needs somebody before the targets, on a terminal', () => {
    const lines = reportLines(say, aReport({ needsYou: ['restart carte-1'] }));
    expect(lines.findIndex((line) => line.includes('restart carte-1'))).toBeLessThan(
      lines.findIndex((line) => line.includes('load_orders')),
    );
  });

  it('escapes every value as HTML', () => {
    const evil = `<script>alert("1")</script>`;
    const text = renderReportHtml(
      aReport({
        runId: evil,
        message: evil,
        reason: evil,
        ticket: evil,
        mode: evil,
        policy: evil,
        needsYou: [evil],
        notSeen: [evil],
        results: [
          aRow({
            server: evil,
            id: evil,
            name: evil,
            at: evil,
            note: evil,
            rung: evil,
            evidence: [{ at: evil, what: evil }],
          }),
        ],
        left: [{ server: evil, id: evil, name: evil, code: 'waiting', why: evil }],
        cameBack: [{ server: evil, id: evil, name: evil, why: evil }],
        checks: [{ name: evil, database: evil, targets: [evil], before: 'green', after: 'red', detail: evil }],
        compensations: [{ server: evil, id: evil, name: evil, kind: 'manual', state: 'done', detail: evil, by: evil }],
        timeline: [{ at: evil, what: evil, by: evil }],
        actors: [{ role: evil, by: evil, assurance: 'asserted', at: evil }],
      }),
    );
    expect(text).not.toContain('<script');
    expect(text).toContain('&lt;script&gt;');
  });

  it('forbids as HTML whatever a browser could load or run', () => {
    expect(renderReportHtml(aReport())).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });

  it('reads in Chinese when asked, also as HTML', () => {
    expect(renderReportHtml(aReport(), 'zh')).toContain('INC-42 的报告');
  });
});
