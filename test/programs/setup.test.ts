import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.js';
import { usePostgres } from '../support/postgres.js';
import { eventually } from '../support/system.js';
import { runProgram } from './program.js';

const postgres = usePostgres();

/** A namespace that has none of our search attributes. */
async function freshNamespace() {
  const address = process.env['OFFBOIL_TEST_TEMPORAL_ADDRESS'] ?? '';
  const namespace = `setup-${randomBytes(6).toString('hex')}`;
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('1 day'),
  });
  const client = new Client({ connection, namespace });
  await eventually(() => client.workflow.list()[Symbol.asyncIterator]().next()); // known to the server only a moment later
  const attributes = async (): Promise<string[]> => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.keys(customAttributes).filter((name) => name.startsWith('Offboil'));
  };
  return { address, namespace, attributes };
}

async function tablesOfLedger(): Promise<string[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const { rows } = await client
    .query<{ name: string }>(`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`)
    .finally(() => client.end());
  return rows.map(({ name }) => name);
}

describe('offboil setup', { timeout: 120_000 }, () => {
  it('migrates a new ledger and registers the search attributes; a second time it changes nothing', async () => {
    const { address, namespace, attributes } = await freshNamespace();
    expect(await attributes()).toEqual([]);
    const env = { OFFBOIL_LEDGER_URL: postgres.url, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
    expect(await runProgram(['offboil', 'setup'], env)).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: expect.stringMatching(
        /^ledger: migrations .+ applied\nsearch attributes: Offboil.+ registered\n$/,
      ) as string,
    });
    expect(await tablesOfLedger()).toEqual(
      expect.arrayContaining(['runs', 'targets', 'attempts', 'evidence', 'audit']),
    );
    await eventually(async () => {
      expect((await attributes()).sort()).toEqual([...SEARCH_ATTRIBUTES].sort());
    });
    expect(await runProgram(['offboil', 'setup'], env)).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'ledger: up to date\nsearch attributes: registered\n',
    });
  });

  it('says in one sentence that it has no ledger, and exits with 1', async () => {
    expect(await runProgram(['offboil', 'setup'], { OFFBOIL_LEDGER_URL: undefined })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^OFFBOIL_LEDGER_URL is not set: .+\n$/) as string,
    });
  });
});
