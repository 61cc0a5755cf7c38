import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../../../adapters/ledger/embedded/postgres-server.js';
import { openLedger } from '../../../adapters/ledger/ledger.js';
import { aRunId, never, NOW, openedRun, useLedger } from './scene.js';

const scene = useLedger();

describe('a look at control rows and epochs', () => {
  it('answers for each shard asked, in the order asked', async () => {
    const [going, paused, braked] = [aRunId(), aRunId(), aRunId()];
    await scene.ledger.control.command(paused, 'paused', NOW, never);
    await scene.ledger.control.command(braked, 'braked', NOW, never);
    const key = { runId: paused, wave: 2, shard: 3 };
    await scene.ledger.shards.claim(key, NOW, never);
    await scene.ledger.shards.claim(key, NOW, never);
    const keys = [{ runId: braked, wave: 1, shard: 0 }, key, { runId: going, wave: 1, shard: 0 }];
    expect(await scene.ledger.control.look(keys, never)).toEqual([
      { control: 'braked', epoch: 0 },
      { control: 'paused', epoch: 2 },
      { control: 'go', epoch: 0 },
    ]);
  });

  it('shows a pause taken back, and a brake for ever', async () => {
    const runId = aRunId();
    const state = async () => (await scene.ledger.control.look([{ runId, wave: 1, shard: 0 }], never))[0]?.control;
    await scene.ledger.control.command(runId, 'paused', NOW, never);
    await scene.ledger.control.command(runId, 'go', NOW + 1, never);
    expect(await state()).toBe('go');
    await scene.ledger.control.command(runId, 'braked', NOW + 2, never);
    await scene.ledger.control.command(runId, 'go', NOW + 3, never);
    expect(await state()).toBe('braked');
  });

  it('shows the newest order, also when an earlier one is written late', async () => {
    const runId = aRunId();
    await scene.ledger.control.command(runId, 'paused', NOW + 1, never);
    await scene.ledger.control.command(runId, 'go', NOW, never);
    expect(await scene.ledger.control.look([{ runId, wave: 1, shard: 0 }], never)).toEqual([
      { control: 'paused', epoch: 0 },
    ]);
  });

  it('shows a brake whatever its time: one that is older than a resume which was written first is not lost', async () => {
    const runId = aRunId();
    await scene.ledger.control.command(runId, 'go', NOW + 1, never);
    await scene.ledger.control.command(runId, 'braked', NOW, never);
    expect(await scene.ledger.control.look([{ runId, wave: 1, shard: 0 }], never)).toEqual([
      { control: 'braked', epoch: 0 },
    ]);
  });

  it('comes earlier, because a command notifies who listens', async () => {
    const changed = vi.fn();
    const stop = scene.ledger.control.listen(changed);
    await vi.waitFor(() => {
      expect(changed).toHaveBeenCalledTimes(1);
    }, 5000); // once, as soon as it listens
    await scene.ledger.control.command(aRunId(), 'paused', NOW, never);
    await vi.waitFor(() => {
      expect(changed).toHaveBeenCalledTimes(2);
    }, 5000);
    stop();
  });
});

describe('an aborted call', () => {
  it('does not start, and rejects with the reason of the abort', async () => {
    const reason = new Error('worker shuts down');
    await expect(scene.ledger.runs.read('INC-42', AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('rejects while it waits, and the ledger goes on', async () => {
    const runId = await openedRun(scene.ledger);
    const key = { runId, wave: 1, shard: 0 };
    await scene.ledger.shards.claim(key, NOW, never);
    await scene.sql('BEGIN');
    await scene.sql('SELECT FROM claims WHERE run_id = $1 FOR UPDATE', [runId]);
    const abort = new AbortController();
    const waiting = scene.ledger.shards.claim(key, NOW, abort.signal);
    abort.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    await scene.sql('ROLLBACK');
    expect((await scene.ledger.shards.claim(key, NOW, never)).epoch).toBeGreaterThan(1);
  });
});

describe('a ledger that is away', () => {
  it('is an error that says so, and serves again by itself once it is back', async () => {
    const folder = join(tmpdir(), `offboil-test-${randomBytes(6).toString('hex')}`);
    const first = await startPostgres({ folder, lasting: true });
    const ledger = await openLedger(first.url);
    await ledger.migrate(never);
    const runId = await openedRun(ledger);
    const changed = vi.fn();
    ledger.control.listen(changed);
    await vi.waitFor(() => {
      expect(changed).toHaveBeenCalled();
    }, 5000);
    await first.stop();
    await expect(ledger.runs.read(runId, never)).rejects.toMatchObject({ code: 'LEDGER_UNAVAILABLE' });
    await expect(ledger.control.look([], never)).rejects.toMatchObject({ code: 'LEDGER_UNAVAILABLE' });
    changed.mockClear();
    const second = await startPostgres({ folder, lasting: true, port: first.port });
    expect((await ledger.runs.read(runId, never)).runId).toBe(runId);
    await vi.waitFor(() => {
      expect(changed).toHaveBeenCalled();
    }, 5000);
    await ledger.close();
    await second.stop();
    await rm(second.data, { recursive: true });
    await rm(folder, { recursive: true, force: true });
  });

  it('is an error at once when nothing listens there', async () => {
    await expect(openLedger('postgres://offboil:secret@127.0.0.1:1/offboil')).rejects.toMatchObject({
      code: 'LEDGER_UNAVAILABLE',
      message: expect.not.stringContaining('secret') as string, // vitest types its matchers as any
    });
  });

  it('is told apart from one that was never set up', async () => {
    const name = `empty_${randomBytes(4).toString('hex')}`;
    await scene.sql(`CREATE DATABASE ${name}`);
    const url = new URL(scene.url);
    url.pathname = `/${name}`;
    const ledger = await openLedger(url.href);
    await expect(ledger.runs.read('INC-42', never)).rejects.toThrow('offboil setup');
    expect(await ledger.migrate(never)).toEqual([1, 2]);
    expect(await ledger.migrate(never)).toEqual([]);
    await ledger.close();
    await scene.sql(`DROP DATABASE ${name}`);
  });
});
