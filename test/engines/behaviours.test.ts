import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OffboilError } from '../../domain/errors.js';
import type { Engine, StopStep } from '../../domain/ports.js';
import type { ObservedTask, TaskKind, TaskRef } from '../../domain/tasks.js';
import { signal, STOP, waitFor } from '../hop/scene.js';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { EXCLUSIONS, exclusionOf } from './exclusions.js';
import { type Product, type Subject, SUBJECTS } from './subjects.js';

const SAFE: StopStep = { rung: 'safe', mayLeave: () => true };
const LOG_TAIL_BYTES = 8 * 1024;

/** What a behaviour is tried on: an engine, and a witness of every byte between it and its product. */
class Stage {
  readonly #engines: (Engine & { close(): void })[] = [];
  readonly engine: Engine;

  constructor(
    readonly product: Product,
    readonly line: FaultProxy,
  ) {
    this.engine = this.newcomer();
  }

  /** An engine that has seen nothing of the product yet. */
  newcomer(): Engine {
    const url = new URL(this.product.url);
    url.port = String(this.line.port);
    const engine = this.product.engineAt(url.href);
    this.#engines.push(engine);
    return engine;
  }

  async seen({ id }: TaskRef): Promise<ObservedTask | undefined> {
    return (await this.engine.list(signal)).find((task) => task.id === id);
  }

  /** Waits until the list, and where it leaves a doubt one detail, proves the end. */
  untilProvenEnded(ref: TaskRef): Promise<true> {
    return waitFor(`the end of "${ref.name}" to be proven`, async () => {
      const task = await this.seen(ref);
      if (task?.closesBy === 'detail') return (await this.engine.inspect(ref, signal)).proves === 'ended' || undefined;
      return task?.state === 'ended' || undefined;
    });
  }

  async close(): Promise<void> {
    for (const engine of this.#engines) engine.close();
    await this.line.close();
  }
}

const named = new Set<string>();

function suiteOf(subject: Subject): void {
  const product = subject.use();
  let stage: Stage | undefined;

  beforeEach(async () => {
    const line = await startFaultProxy({ port: Number(new URL(product().url).port) });
    stage = new Stage(product(), line);
  });
  afterEach(() => stage?.close());

  /** Tried on each kind of task; where a product cannot do it, it must fail there, or the exclusion is no longer true. */
  const behaviour = (name: string, body: (stage: Stage, kind: TaskKind) => Promise<void>): void => {
    named.add(name);
    for (const kind of subject.kinds) {
      const exclusion = exclusionOf(name, subject.name, kind);
      const tried = async (): Promise<void> => {
        if (stage === undefined) throw new Error('the stage is there only while a test runs');
        await body(stage, kind);
      };
      if (exclusion === undefined) it(`${name}: ${kind}`, tried);
      else it.fails(`cannot, as the exclusions say: ${name}: ${kind} (${exclusion.instead})`, tried);
    }
  };

  looks(subject, behaviour);
  stops(subject, behaviour);
  starts(behaviour);
}

type Behaviour = (name: string, body: (stage: Stage, kind: TaskKind) => Promise<void>) => void;

function looks({ info }: Subject, behaviour: Behaviour): void {
  behaviour('tells product, version, dialect and rungs, without a request once a list was read', async (on) => {
    expect(await on.engine.probe(signal)).toMatchObject(info);
    await on.engine.list(signal);
    const bytes = on.line.seen.up;
    expect(await on.engine.probe(signal)).toMatchObject(info);
    expect(on.line.seen.up).toBe(bytes);
  });

  behaviour('lists a running task as active, with its identity', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    expect(await on.seen(ref)).toMatchObject({ ...ref, state: 'active' });
  });

  behaviour('shows in the list when a task was started', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    expect((await on.seen(ref))?.startedAt).toMatch(/\d/);
  });

  behaviour('tells in the first line of its log when a task was started', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    const { startedAtMs = 0 } = await on.engine.inspect(ref, signal);
    expect(Math.abs(Date.now() - startedAtMs)).toBeLessThan(10 * 60_000);
  });

  behaviour('keeps what identifies a task while that works and logs', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    const before = await on.seen(ref);
    await on.product.logged(ref);
    const after = await on.seen(ref);
    expect([after?.name, after?.kind, after?.startedAt]).toEqual([before?.name, before?.kind, before?.startedAt]);
  });

  behaviour('reads state and log of a task, and not more of the log than fits', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    const detail = await on.engine.inspect(ref, signal);
    expect(detail).toMatchObject({ state: 'active', proves: 'running' });
    expect(detail.logTail).toContain('load_orders');
    expect(Buffer.byteLength(detail.logTail)).toBeLessThanOrEqual(LOG_TAIL_BYTES);
  });

  behaviour('tells how many rows each step has moved', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    expect((await on.engine.inspect(ref, signal)).steps).not.toEqual([]);
    const moved = async (): Promise<number> => {
      const { steps } = await on.engine.inspect(ref, signal);
      return steps.reduce((sum, { read, written, output }) => sum + read + written + output, 0);
    };
    await expect.poll(moved, { timeout: 5_000 }).toBeGreaterThan(0);
  });

  behaviour('tells a port that nobody listens on from a server without tasks', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.line.close();
    await expect(on.newcomer().list(signal)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(await on.newcomer().stop(ref, STOP, signal)).toMatchObject({ kind: 'unsent' });
  });
}

function stops({ info }: Subject, behaviour: Behaviour): void {
  behaviour('lets nothing of a stop leave without the right to send', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    const bytes = on.line.seen.up;
    const reply = await on.engine.stop(ref, { rung: 'stop', mayLeave: () => false }, signal);
    expect(reply.kind).toBe('unsent');
    expect(await on.product.atWork('load_orders')).toBe(1);
    expect(on.line.seen.up).toBe(bytes);
    expect(await on.seen(ref)).toMatchObject({ state: 'active' });
  });

  behaviour('is only told that a stop was requested; the list proves the end', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    expect(await on.seen(ref)).toMatchObject({ state: 'active' });
    expect(await on.engine.stop(ref, STOP, signal)).toEqual({ kind: 'acknowledged' });
    expect(['ending', 'ended']).toContain((await on.seen(ref))?.state);
    await on.untilProvenEnded(ref);
    expect(await on.product.atWork('load_orders')).toBe(0);
  });

  behaviour('lets the rows that were read flow on after a safe stop', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    expect(await on.engine.stop(ref, SAFE, signal)).toEqual({ kind: 'acknowledged' });
    await on.untilProvenEnded(ref);
    expect(await on.engine.inspect(ref, signal)).toMatchObject({ stoppedFlag: false, errors: 0 });
  });

  behaviour('never sends a full stop in the place of a safe one', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    const bytes = on.line.seen.up;
    const reply = await on.engine.stop(ref, SAFE, signal);
    if (reply.kind === 'acknowledged') {
      expect(info.rungs).toContain('safe');
      expect((await on.seen(ref))?.state).not.toBe('ending');
    } else {
      expect(on.line.seen.up).toBe(bytes);
      expect(await on.seen(ref)).toMatchObject({ state: 'active' });
    }
  });

  behaviour('has no stop of an unknown id acknowledged, and leaves the task of that name alone', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    const unknown = { ...ref, id: '00000000-0000-4000-8000-000000000000' };
    expect(['rejected', 'unsent']).toContain((await on.engine.stop(unknown, STOP, signal)).kind);
    await expect(on.engine.inspect(unknown, signal)).rejects.toBeInstanceOf(OffboilError);
    expect(await on.seen(ref)).toMatchObject({ state: 'active' });
  });

  behaviour('does not touch a task of another kind when the id is right', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    const other = { job: 'transformation', transformation: 'job', pipeline: 'workflow', workflow: 'pipeline' } as const;
    if (kind === 'process' || kind === 'execution') throw new Error(`no server here has a ${kind}`);
    const reply = await on.engine.stop({ ...ref, kind: other[kind] }, STOP, signal);
    expect(['rejected', 'unsent']).toContain(reply.kind);
    expect(await on.seen(ref)).toMatchObject({ state: 'active' });
  });

  behaviour('does not touch a task of another name when the id is right', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    await on.engine.stop({ ...ref, name: 'load_invoices' }, STOP, signal);
    expect(await on.seen(ref)).toMatchObject({ state: 'active' });
  });

  behaviour('ends the one with the id where two have one name, whichever of them it is', async (on, kind) => {
    const first = await on.product.running('load_orders', kind);
    const second = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    expect(await on.engine.stop(second, STOP, signal)).toEqual({ kind: 'acknowledged' });
    await on.untilProvenEnded(second);
    expect(await on.seen(first)).toMatchObject({ state: 'active' });
    expect(await on.product.atWork('load_orders')).toBe(1);
    expect(await on.engine.stop(first, STOP, signal)).toEqual({ kind: 'acknowledged' });
    await on.untilProvenEnded(first);
  });

  behaviour('leaves a task that waits as it is, and the list readable', async (on, kind) => {
    const ref = await on.product.waiting('load_orders', kind);
    expect(await on.seen(ref)).toMatchObject({ state: 'waiting' });
    await on.engine.stop(ref, STOP, signal);
    expect(await on.seen(ref)).toMatchObject({ state: 'waiting' });
  });

  behaviour('removes an ended task from the list', async (on, kind) => {
    const ref = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    await on.engine.stop(ref, STOP, signal);
    await on.untilProvenEnded(ref);
    expect(await on.engine.release?.(ref, signal)).toEqual({ kind: 'acknowledged' });
    expect(await on.seen(ref)).toBeUndefined();
    await expect(on.engine.inspect(ref, signal)).rejects.toBeInstanceOf(OffboilError);
  });
}

function starts(behaviour: Behaviour): void {
  behaviour('starts a task anew under another identity, which a stop reaches', async (on, kind) => {
    const held = await on.product.running('load_orders', kind);
    const what = { held, run: on.product.runOf('load_orders', kind) };
    const rerun = await on.engine.start(what, {}, () => true, signal);
    if (rerun === 'heldBack') throw new Error('nobody held it back');
    expect(rerun).toEqual({ ...held, id: rerun.id });
    expect(rerun.id).not.toBe(held.id);
    // Hop answers the start of a workflow before its thread has begun.
    await waitFor('its start', async () => (await on.seen(rerun))?.state !== 'waiting' || undefined);
    expect(await on.engine.stop(rerun, STOP, signal)).toEqual({ kind: 'acknowledged' });
    await on.untilProvenEnded(rerun);
    expect(await on.seen(held)).toMatchObject({ state: 'active' });
  });

  behaviour('starts nothing without the right to send', async (on, kind) => {
    const held = await on.product.running('load_orders', kind);
    const what = { held, run: on.product.runOf('load_orders', kind) };
    expect(await on.engine.start(what, {}, () => false, signal)).toBe('heldBack');
    expect((await on.engine.list(signal)).map(({ id }) => id)).toEqual([held.id]);
    expect(await on.product.atWork('load_orders')).toBe(1);
  });

  behaviour('starts a held task again once it has ended', async (on, kind) => {
    const held = await on.product.running('load_orders', kind);
    await on.engine.list(signal);
    await on.engine.stop(held, STOP, signal);
    await on.untilProvenEnded(held);
    expect(await on.engine.start({ held }, {}, () => true, signal)).toEqual(held);
    expect(await on.product.atWork('load_orders')).toBe(1);
  });

  behaviour('never starts a held task that still runs', async (on, kind) => {
    const held = await on.product.running('load_orders', kind);
    await expect(on.engine.start({ held }, {}, () => true, signal)).rejects.toBeInstanceOf(OffboilError);
    expect(await on.product.atWork('load_orders')).toBe(1);
  });
}

for (const subject of SUBJECTS) {
  subject.describe(`the engine for ${subject.name}`, () => {
    suiteOf(subject);
  });
}

describe('the exclusions', () => {
  it('name behaviours and subjects that the suite has', () => {
    const names = SUBJECTS.map(({ name }) => name);
    for (const { behaviour, subjects = [] } of EXCLUSIONS) {
      expect(names).toEqual(expect.arrayContaining([...subjects]));
      expect([...named]).toContain(behaviour);
    }
  });
});
