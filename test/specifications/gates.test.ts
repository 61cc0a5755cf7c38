import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createConnectionServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TaskSpec } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aRequest, aServer, aTask, eventually, startSystem, type System } from '../support/system.js';
import { until, untilAsked } from './acts.js';

const BY = { by: 'ops-oncall', reason: 'known, go on' };
/** `careful` as it is built in, but quick; `wait` is how long a halt waits for an answer. */
const careful = (wait: string) => ({
  extends: 'careful',
  confirm: 'none',
  settle: '0s',
  snapshot: 'none',
  verify: { within: '600ms', every: '100ms', linger: '0s' },
  watchAfter: '0s',
  gate: { wait },
});

describe('a careful run', () => {
  const postgres = usePostgres();
  const deaf = aTask('load_a', { traits: { ignoresStop: true } });
  const aSystem = (wait: string, more: readonly TaskSpec[] = []): Promise<System> =>
    startSystem({
      postgres,
      servers: [aServer('carte-1', [deaf, ...more, aTask('load_b{n}', { count: 9 })])],
      estate: { policies: { gentle: careful(wait) } },
    });

  it('halts at the first failure in its first wave, with one task asked', async () => {
    const system = await aSystem('5m');
    const handle = await system.start({ policy: 'gentle' });
    const { wave, waves, requested, waits } = await until(handle, ({ phase }) => phase === 'halted');

    expect({ wave, waves, requested }).toEqual({ wave: 1, waves: 4, requested: 1 });
    expect(waits?.reason).toContain('gate.unconfirmed allows 0');
    expect(new Set((await system.stops()).map(({ name }) => name))).toEqual(new Set(['load_a']));

    await handle.brake(BY);
    expect(await handle.result()).toMatchObject({ end: 'braked', outcomes: { skipped: 9, unconfirmed: 1 } });
  });

  it('goes on after a halt once a person resumes it, and no later gate halts for what was accepted', async () => {
    const system = await aSystem('5m');
    const handle = await system.start({ policy: 'gentle' });
    await until(handle, ({ phase, wave }) => phase === 'halted' && wave === 1);

    await handle.resume(BY);

    expect(await handle.result()).toMatchObject({ exitCode: 2, outcomes: { stopped: 9, unconfirmed: 1 } });
    const told = (await handle.report()).timeline.map(({ what }) => what);
    expect(told.filter((what) => what.startsWith('halted'))).toHaveLength(1);
    expect(told).toContain('resume, with 0 failed and 1 unconfirmed accepted: known, go on');
  });

  it('halts again when more comes than was accepted, also when it was terminated and started again since', async () => {
    const system = await aSystem('5m', [aTask('load_a2', { traits: { ignoresStop: true } })]);
    const request = { ...aRequest({ policy: 'gentle' }), dryRun: false } as const;
    const first = await system.client.start(request);
    await until(first, ({ phase, wave }) => phase === 'halted' && wave === 1);
    await first.resume(BY);
    const { waits } = await until(first, ({ phase, wave }) => phase === 'halted' && wave === 2);
    expect(waits?.reason).toBe(
      "halted at the gate after wave 2: 2 unconfirmed, the policy's gate.unconfirmed allows 0, and 1 were accepted",
    );
    await system.temporal.workflow.getHandle(first.workflowId).terminate('lost');

    const again = await system.client.start(request);
    const halted = await until(again, ({ phase }) => phase === 'halted');
    expect(halted).toMatchObject({ wave: 2, waits: { reason: waits?.reason } });
    await again.resume(BY);

    expect(await again.result()).toMatchObject({ exitCode: 2, outcomes: { stopped: 9, unconfirmed: 2 } });
  });

  it('that is terminated in a halt halts again when it is started again, and sends nothing meanwhile', async () => {
    const system = await aSystem('5m');
    const request = { ...aRequest({ policy: 'gentle' }), dryRun: false } as const;
    const first = await system.client.start(request);
    await until(first, ({ phase }) => phase === 'halted');
    const before = (await system.stops()).length;
    await system.temporal.workflow.getHandle(first.workflowId).terminate('lost');

    const again = await system.client.start(request);
    const { requested, wave } = await until(again, ({ phase }) => phase === 'halted');

    expect({ requested, wave }).toEqual({ requested: 1, wave: 1 });
    expect(await system.stops()).toHaveLength(before);
    await again.brake(BY);
    expect(await again.result()).toMatchObject({ end: 'braked', outcomes: { skipped: 9, unconfirmed: 1 } });
  });

  it('ends with the rest skipped when nobody answers its halt in time', async () => {
    const system = await aSystem('500ms');
    const { result, report } = await system.run({ policy: 'gentle' });

    expect(result).toMatchObject({ end: 'incomplete', exitCode: 2, outcomes: { skipped: 9, unconfirmed: 1 } });
    expect(report.timeline.map(({ what }) => what).join('\n')).toContain('halted at the gate after wave 1');
    expect(new Set((await system.stops()).map(({ name }) => name))).toEqual(new Set(['load_a']));
  });
});

describe('a halt', () => {
  const postgres = usePostgres();

  it('holds the repeat of a lost request too, until a person answers', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_a'), aTask('load_z')]),
        aServer('carte-2', [aTask('load_b', { traits: { lostFirstStop: true } })]),
      ],
      estate: {
        policies: {
          // a request without effect is repeated after a quarter of `within`
          halting: { extends: 'quick', waves: [2], gate: { failed: 0, wait: '5m' }, verify: { within: '4s' } },
        },
      },
    });
    await system.fleet.fault('carte-1', 'refuse', { paths: ['stopTrans'], times: 1 });
    const handle = await system.start({ policy: 'halting' });
    await until(handle, ({ phase }) => phase === 'halted');
    const haltedAt = Date.now();
    const asked = async (name: string): Promise<number> =>
      (await system.stops()).filter((stop) => stop.name === name).length;

    await eventually(() => {
      expect(Date.now()).toBeGreaterThan(haltedAt + 1500);
    });
    expect(await asked('load_b')).toBe(1);

    await handle.resume(BY);
    await until(handle, ({ proven }) => proven === 2);
    expect(await asked('load_b')).toBe(2);
    expect(await handle.result()).toMatchObject({ exitCode: 2, outcomes: { stopped: 2, refused: 1 } });
  });
});

describe('waves', () => {
  const postgres = usePostgres();

  it('hold targets of one priority each, low first and core last', async () => {
    const priorities = ['low', 'normal', 'high', 'core'] as const;
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', priorities.map((priority) => aTask(`load_${priority}_{n}`, { count: 7 })).reverse()),
      ],
      estate: {
        tasks: priorities.map((priority) => ({ match: { name: `load_${priority}_*` }, priority })),
        policies: { gentle: careful('5m') },
      },
    });
    const handle = await system.start({ policy: 'gentle' });

    expect(await handle.result()).toMatchObject({ end: 'completed', outcomes: { stopped: 28 } });

    const { plan } = await handle.plan();
    expect(plan.waves.map(({ priority, targets }) => [priority, targets.length])).toEqual(
      priorities.flatMap((priority) => [
        [priority, 1],
        [priority, 5],
        [priority, 1],
      ]),
    );
    const asked = (await system.stops()).map(({ name }) => name.split('_')[1]);
    expect(asked).toEqual(priorities.flatMap((priority) => Array.from({ length: 7 }, () => priority)));
  });
});

describe('the webhook', () => {
  const postgres = usePostgres();
  const SECRET = `whsec_${Buffer.from('a test’s own secret').toString('base64')}`;

  it('is told, signed, when a run waits, halts, has unconfirmed targets and is finished', async () => {
    const hook = await aReceiver();
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_a', { traits: { ignoresStop: true } }), aTask('load_b')])],
      estate: {
        policies: { gentle: { ...careful('5m'), confirm: 'count' } },
        notifiers: [{ name: 'ops', kind: 'webhook', url: hook.url, secret: SECRET }],
      },
    });
    const handle = await system.start({ policy: 'gentle' });
    await handle.approve({ by: 'ops-oncall', planHash: await untilAsked(handle) });
    await until(handle, ({ phase }) => phase === 'halted');
    await handle.resume(BY);
    await handle.result();

    const told = hook.received.map(
      ({ body }) => JSON.parse(body) as { type: string; runId: string; text: string; waits?: unknown },
    );
    expect(told.map(({ type }) => type)).toEqual([
      'io.offboil.run.waits.v1',
      'io.offboil.run.halted.v1',
      'io.offboil.run.unconfirmed.v1',
      'io.offboil.run.finished.v1',
    ]);
    expect(told.every(({ runId }) => runId === handle.requestId)).toBe(true);
    expect(told[1]?.waits).toMatchObject({
      answers: expect.arrayContaining([`offboil resume ${handle.requestId}`]) as string[],
    });
    for (const { headers, body } of hook.received) {
      const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
      const key = Buffer.from(SECRET.replace('whsec_', ''), 'base64');
      expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    }
  });

  it('that does not answer holds up nothing', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_b')])],
      estate: {
        notifiers: [{ name: 'ops', kind: 'webhook', url: `http://127.0.0.1:${String(await silentPort())}/hook` }],
        policies: { gentle: { ...careful('5m'), confirm: 'count' } },
      },
    });

    const { result, report } = await system.run({ policy: 'gentle' });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0 });
    // three tries of five seconds each would stand between the confirm and the first stop
    const at = (what: string): number => Date.parse(report.timeline.find((one) => one.what.includes(what))?.at ?? '');
    expect(Date.parse(report.results[0]?.at ?? '') - at('confirmed')).toBeLessThan(5000);
  });
});

/** Takes connections and says nothing. */
async function silentPort(): Promise<number> {
  const server = createConnectionServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function aReceiver(): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(204).end();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver does not listen');
  return { url: `http://127.0.0.1:${address.port}/hook`, received };
}
