import { openLedger } from '../adapters/ledger/ledger.js';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.js';
import { readSettings } from './compose.js';
import { connectWorker } from './connect.js';
import { runProgram } from './program.js';

/** IndexedValueType of Temporal's API: keyword. */
const KEYWORD = 2;

/** Production: brings the ledger to the newest version and registers our search attributes. Can be repeated. */
await runProgram(async ({ estate }) => {
  const { ledgerUrl } = readSettings(process.env, estate);
  const ledger = await openLedger(ledgerUrl);
  try {
    const applied = await ledger.migrate(AbortSignal.timeout(60_000));
    console.error(applied.length === 0 ? 'ledger: up to date' : `ledger: migrations ${applied.join(', ')} applied`);
  } finally {
    await ledger.close();
  }
  const { connection, namespace } = await connectWorker(process.env['TEMPORAL_PROFILE']);
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = SEARCH_ATTRIBUTES.filter((name) => !(name in customAttributes));
    if (missing.length > 0) {
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
      });
    }
    console.error(
      missing.length === 0 ? 'search attributes: registered' : `search attributes: ${missing.join(', ')} registered`,
    );
  } finally {
    await connection.close();
  }
  return 0;
});
