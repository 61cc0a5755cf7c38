import { InvalidArgumentError } from '@commander-js/extra-typings';
import pLimit from 'p-limit';
import { duration, durationMs } from '../../../domain/contracts/request.js';
import { type ListRunsAnswer, type OffboilClient, OffboilError, type Progress } from '../../index.js';
import { type Root, withClient } from '../root.js';
import { tableLines } from '../render/table.js';
import type { Session } from '../session.js';
import type { Say } from '../texts/index.js';

/** So many open runs are asked at once where they stand. */
const ASKED_AT_ONCE = 8;

type Row = ListRunsAnswer[number] & { readonly waits?: Progress['waits'] };

/** `offboil runs`: the runs of the ledger, newest first. */
export function addRuns(root: Root, session: Session): void {
  const { say, screen } = session;
  root
    .command('runs')
    .description(say('help.runs'))
    .option('--open', say('help.open'))
    .option('--waiting', say('help.waiting'))
    .option('--since <duration>', say('help.since'), (value) => {
      if (duration.safeParse(value).success) return value;
      throw new InvalidArgumentError(say('usage.duration', { value }));
    })
    .action(async ({ open, waiting, since }) =>
      withClient(root, session, async (client) => {
        const listed = await client.listRuns({
          ...(open === true || waiting === true ? { open: true } : {}),
          ...(since === undefined ? {} : { sinceMs: durationMs(since) }),
        });
        const rows = waiting === true ? await waitingOnes(client, listed) : listed;
        screen.lines(rows.length === 0 ? [say('runs.none')] : runLines(say, rows, waiting === true));
        screen.document({ runs: rows });
      }),
    );
}

async function waitingOnes(client: OffboilClient, runs: ListRunsAnswer): Promise<Row[]> {
  const limit = pLimit(ASKED_AT_ONCE);
  const rows = await limit.map(runs, async (run): Promise<Row[]> => {
    try {
      const { waits } = await client.handle(run.runId).progress();
      return waits === undefined ? [] : [{ ...run, waits }];
    } catch (error) {
      if (!(error instanceof OffboilError)) throw error;
      // Open in the ledger, gone in Temporal: it waits for somebody to start it again.
      return [{ ...run, waits: { reason: error.message, answers: [`offboil retry ${run.runId}`] } }];
    }
  });
  return rows.flat();
}

function runLines(say: Say, rows: readonly Row[], withWaits: boolean): string[] {
  const head = [
    say('column.run'),
    say('column.started'),
    say('column.end'),
    say('column.targets'),
    say('column.by'),
    withWaits ? say('column.waits') : say('column.reason'),
  ];
  return tableLines(
    head,
    rows.map((run) => [
      run.runId,
      run.startedAt,
      run.end ?? say('end.open'),
      String(run.planned),
      run.requestedBy,
      withWaits ? (run.waits?.reason ?? '') : run.reason,
    ]),
  );
}
