import { expect } from 'vitest';
import type { Report, RequestInput, RunHandle } from '../../client/index.js';
import { eventually, type System } from '../support/system.js';

/** A list that discovery took serves as the fresh one for so long (`design.md` §8.2); after it, a stop looks again first. */
const A_LIST_SERVES_MS = 1000;

/** A plan that waits for its confirm, so that things can happen between plan and stop. */
export interface Asked {
  readonly handle: RunHandle;
  /** Confirms, once discovery's list is too old to serve. @returns the report of the ended run */
  confirm(): Promise<Report>;
}

/** Starts a run whose policy asks for a count, and waits for its plan. */
export async function untilAsked(system: System, policy = 'asking', more: Partial<RequestInput> = {}): Promise<Asked> {
  const handle = await system.start({ policy, ...more });
  for await (const { phase, waits, planHash } of handle.watch({ everyMs: 20 })) {
    if (phase !== 'confirm' || waits === undefined || planHash === undefined) continue;
    const staleAt = Date.now() + A_LIST_SERVES_MS;
    return {
      handle,
      async confirm() {
        await eventually(() => {
          if (Date.now() <= staleAt) throw new Error("discovery's list still serves");
        });
        await handle.approve({ by: 'ops-oncall', planHash });
        await handle.result();
        return handle.report();
      },
    };
  }
  throw new Error('the run ended before it asked');
}

/** For `untilAsked`: the quick policy, with a confirm. */
export const ASKING = { policies: { asking: { extends: 'quick', confirm: 'count' } } };

/** What a run may ask of a Carte server: looks, and stops by id and name. */
const ALLOWED = ['status', 'transStatus', 'jobStatus', 'stopTrans', 'stopJob'];

/** The servers' own log: nothing but looks and stops came in, each stop by id and name together and for one of `targets`. */
export async function expectOnlyStopped(system: System, targets: readonly { readonly id: string }[]): Promise<void> {
  const allowed = new Set(targets.map(({ id }) => id));
  const log = await system.fleet.log();
  expect(log.filter(({ path }) => !ALLOWED.includes(path))).toEqual([]);
  const stops = await system.stops();
  expect(stops.filter(({ id, name }) => !allowed.has(id) || name === '')).toEqual([]);
}

/** Ids of the fleet's tasks of that name. */
export async function idsOf(system: System, name: string): Promise<string[]> {
  return (await system.fleet.tasks()).filter((task) => task.name === name).map(({ id }) => id);
}

/** The report's line on the target of that name; fails where there are several. */
export function resultOf(report: Report, name: string): Report['results'][number] {
  const [first, ...more] = report.results.filter((result) => result.name === name);
  if (first === undefined || more.length > 0)
    throw new Error(`${name} stands ${first === undefined ? 0 : more.length + 1} times in the results`);
  return first;
}

/** All that the evidence of a result says, in one text. */
export function toldOf(result: Report['results'][number]): string {
  return result.evidence.map(({ what }) => what).join('\n');
}

/** As somebody with a browser would. */
export async function stopByHand(system: System, id: string, name: string): Promise<void> {
  const url = `${system.fleet.servers[0]?.url ?? ''}/stopTrans/?xml=Y&id=${id}&name=${name}`;
  await fetch(url, { headers: { Authorization: `Basic ${Buffer.from('cluster:cluster').toString('base64')}` } });
}
