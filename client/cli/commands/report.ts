import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Root, withClient } from '../root.js';
import { renderReportHtml } from '../render/report-html.js';
import { reportLines } from '../render/report-text.js';
import type { Session } from '../session.js';

/** `offboil report RUN`: how it ended, for people, for programs, or as one HTML file. */
export function addReport(root: Root, session: Session): void {
  const { say, screen } = session;
  root
    .command('report')
    .description(say('help.report'))
    .argument('<run>', say('help.run'))
    .option('--html <file>', say('help.html'))
    .action(async (run, { html }) =>
      withClient(root, session, async (client) => {
        const report = await client.handle(run).report();
        if (html === undefined) {
          if (!screen.json) screen.lines(reportLines(say, report));
        } else {
          await writeFile(html, renderReportHtml(report, session.language));
          screen.line(say('report.written', { file: resolve(html) }));
        }
        screen.document(report);
      }),
    );
}
