import { provenOf } from '../../../domain/outcomes.js';
import type { Report } from '../../../domain/contracts/report.js';
import * as words from './report-words.js';
import { type Language, type Say, textsIn } from '../texts/index.js';

/** HTML that is already escaped. Everything else is text, and text is escaped where it is put in. */
class Html {
  constructor(readonly markup: string) {}
}

type Piece = Html | string | number | readonly Html[] | undefined;

/** The one way to build markup here: every value that is not `Html` is escaped, so that nothing can be forgotten. */
function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(parts.map((part, index) => part + markupOf(pieces[index])).join(''));
}

function markupOf(piece: Piece): string {
  if (piece instanceof Html) return piece.markup;
  if (piece === undefined) return '';
  if (typeof piece === 'object') return piece.map((one) => one.markup).join('');
  return escapeHtml(String(piece));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** The report as one file that loads nothing and runs nothing: strict CSP, styles inside, every value escaped. */
export function renderReportHtml(report: Report, language: Language = 'en'): string {
  const say = textsIn(language);
  const body = html`
    <header>
      <p class="end ${report.end}">${say(`end.${report.end}`)} · ${say('report.exitCode')} ${report.exitCode}</p>
      <h1>${say('report.title', { run: report.runId })}</h1>
      <p class="message">${report.message}</p>
      ${tiles(say, report)}
    </header>
    ${needsYou(say, report)} ${facts(say, report)} ${results(say, report)}
    ${section(say('report.left'), taskTable(say, report.left))} ${checks(say, report)}
    ${section(say('report.compensations'), list(report.compensations.map(words.compensation)))}
    ${bystanders(say, report)} ${section(say('report.cameBack'), taskTable(say, report.cameBack))}
    ${section(say('report.notSeen'), list(report.notSeen))}
    ${section(say('report.timeline'), list(report.timeline.map(words.timeline)))}
  `;
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${say('report.title', { run: report.runId })}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `.markup;
}

function tiles(say: Say, report: Report): Html {
  const proven = provenOf(report.outcomes);
  const entries = Object.entries(report.outcomes).map(
    ([outcome, count]) =>
      html`<li class="${outcome}"><b>${count}</b> ${say(`outcome.${outcome as keyof Report['outcomes']}`)}</li>`, // the contract allows these keys only
  );
  return html`<ul class="tiles">
    <li><b>${say('progress.proven', { proven, planned: report.targets })}</b></li>
    ${entries}
  </ul>`;
}

function needsYou(say: Say, report: Report): Html {
  if (report.needsYou.length === 0) return html``;
  return html`<section class="needs">
    <h2>${say('report.needsYou')}</h2>
    ${list(report.needsYou)}
  </section>`;
}

function facts(say: Say, report: Report): Html {
  const rows: (readonly [string, string | undefined])[] = [
    [say('report.reason'), report.reason],
    [say('report.ticket'), report.ticket],
    [say('report.how'), words.how(say, report)],
    [say('report.time'), `${report.startedAt} – ${report.finishedAt}`],
    [
      say('report.people'),
      report.actors.map((actor) => `${actor.role} ${actor.by} (${actor.assurance}) ${actor.at}`).join('; '),
    ],
    ['request', report.requestHash],
    ['plan', report.planHash],
    ['policy', report.policyHash],
    ['estate', report.estateHash],
  ];
  const shown = rows.flatMap(([label, value]) =>
    value === undefined
      ? []
      : [
          html`<dt>${label}</dt>
            <dd>${value}</dd>`,
        ],
  );
  return html`<dl>${shown}</dl>`;
}

function results(say: Say, report: Report): Html {
  const rows = report.results.map(
    (row) =>
      html`<tr>
        <td>${row.server}</td>
        <td>${row.name}<br /><small>${row.kind} ${row.id}</small></td>
        <td class="${row.outcome}">${words.outcome(say, row)}${row.rung === undefined ? '' : ` · ${row.rung}`}</td>
        <td>${row.at}</td>
        <td>${row.requests}</td>
        <td>
          ${row.note}
          <details>
            <summary>${say('report.evidence')}</summary>
            ${list(row.evidence.map((entry) => `${entry.at} ${entry.what}`))}
          </details>
        </td>
      </tr>`,
  );
  return section(say('report.results'), rows.length === 0 ? undefined : table(words.resultHead(say), rows));
}

function taskTable(
  say: Say,
  tasks: readonly { server: string; name: string; id: string; why: string }[],
): Html | undefined {
  if (tasks.length === 0) return undefined;
  const rows = tasks.map(
    (task) =>
      html`<tr>
        <td>${task.server}</td>
        <td>${task.name}<br /><small>${task.id}</small></td>
        <td>${task.why}</td>
      </tr>`,
  );
  return table(words.taskHead(say), rows);
}

function checks(say: Say, report: Report): Html {
  const items = report.checks.map(
    (check) =>
      html`<li>
        ${check.name} (${check.database}): ${say('report.before')} ${check.before}, ${say('report.after')}
        <b class="${check.after}">${check.after}</b>. ${check.detail}
      </li>`,
  );
  return section(
    say('report.checks'),
    items.length === 0
      ? undefined
      : html`<ul>
          ${items}
        </ul>`,
  );
}

function bystanders(say: Say, report: Report): Html {
  const { list: _list, ...counts } = report.bystanders;
  if (counts.total === 0) return html``;
  return section(
    say('report.bystanders'),
    html`<p>${say('report.bystanderCounts', counts)}</p>
      ${list(words.bystanders(report.bystanders))}`,
  );
}

function section(title: string, content: Html | undefined): Html {
  return content === undefined
    ? html``
    : html`<section>
        <h2>${title}</h2>
        ${content}
      </section>`;
}

function list(texts: readonly string[]): Html | undefined {
  return texts.length === 0
    ? undefined
    : html`<ul>
        ${texts.map((text) => html`<li>${text}</li>`)}
      </ul>`;
}

function table(head: readonly string[], rows: readonly Html[]): Html {
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${head.map((title) => html`<th>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

// Colour never stands alone: every outcome is also a word.
const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0; } h2 { margin-top: 2rem; border-bottom: 1px solid #8886; }
.end { display: inline-block; margin: 0; padding: 0 .6em; border-radius: .3em; background: #8883; }
.end.completed { background: #2a73; } .end.incomplete, .end.braked, .end.cancelled { background: #d903; } .end.refused, .end.error { background: #c333; }
.message { white-space: pre-line; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
.tiles li { padding: .2em .8em; border: 1px solid #8886; border-radius: .3em; }
.needs { border-left: .3rem solid #d90; padding-left: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: #888; } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #8884; }
.stopped, .alreadyEnded, .green { color: #2a7; } .unconfirmed, .unreachable, .failed, .refused, .red { color: #c33; font-weight: bold; }
small { color: #888; overflow-wrap: anywhere; }
`;
