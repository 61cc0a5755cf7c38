import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, eventually, startSystem } from '../support/system.js';
import { aLoad, untilLoading, warehouse } from './scene.js';

describe('after a brake is answered', () => {
  const postgres = usePostgres();

  it('no session is ended, however many waited for a connection to the database', { timeout: 60_000 }, async () => {
    const slow = await slowWay(postgres.url, 'pg_terminate_backend(');
    const names = Array.from({ length: 16 }, (_, n) => `load_${n}`);
    const loads = names.map((name) => aLoad(name, { table: 'braked', transactional: true, rowsPerSecond: 20 }));
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', loads)],
      entries: { 'carte-1': { limits: { perServer: 12, timeout: '3s' } } },
      estate: {
        databases: [warehouse(slow)],
        tasks: names.map((name) => ({
          match: { name },
          stop: { ladder: ['stop', 'rollback'] },
          sessions: [{ database: 'warehouse', applicationName: name }],
        })),
        policies: { brief: { extends: 'quick', verify: { within: '1s' } } },
      },
    });
    await untilLoading(postgres, names);
    const handle = await system.start({ mode: 'rollback', policy: 'brief' });
    await eventually(() => expect(slow.seenAt.length).toBeGreaterThan(1));

    await handle.brake({ by: 'ops', reason: 'end nothing more' });

    const answered = slow.seenAt.length;
    const { outcomes } = await handle.result();
    expect(outcomes.skipped).toBeGreaterThan(0);
    expect(slow.seenAt.slice(answered)).toEqual([]);
  });
});

/** A way to the database that takes a while, and notes each statement with these words in it. */
async function slowWay(to: string, words: string): Promise<{ readonly url: string; readonly seenAt: number[] }> {
  const { port, hostname } = new URL(to);
  const seenAt: number[] = [];
  const delayMs = 150;
  const proxy = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => {
        if (from === near && data.includes(words)) seenAt.push(Date.now());
        setTimeout(() => other.write(data), delayMs);
      });
      from.on('error', () => other.destroy());
      from.on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.close();
  });
  const url = new URL(to);
  url.hostname = '127.0.0.1';
  url.port = String((proxy.address() as net.AddressInfo).port); // listening on TCP
  return { url: url.href, seenAt };
}
