import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerAddress } from '../sandbox/index.js';

/** A fresh fleet of idle tasks, and the slots that every contender gets on it. */
export interface Field {
  readonly servers: readonly ServerAddress[];
  readonly perServer: number;
  /** For files; removed with everything in it. */
  readonly folder: string;
}

export interface ListedTask {
  readonly id: string;
  readonly name: string;
  readonly word: string;
}

/** The sandbox's own user. */
export const CREDENTIALS = 'cluster:cluster';
export const AUTHORIZATION = `Basic ${Buffer.from(CREDENTIALS).toString('base64')}`;

/** Rivals look as often as a person's loop would, and first when a stopped task can have ended. */
const LOOK_EVERY_MS = 100;

export function statusUrl({ url }: ServerAddress): string {
  return `${url}/status/?xml=Y`;
}

export function stopUrl({ url }: ServerAddress, { id, name }: Pick<ListedTask, 'id' | 'name'>): string {
  return `${url}/stopTrans/?xml=Y&name=${encodeURIComponent(name)}&id=${encodeURIComponent(id)}`;
}

const TASK = /<transname>(.*?)<\/transname>\s*<id>(.*?)<\/id>\s*<status_desc>(.*?)<\/status_desc>/gs;

/** A rival's reading of a list: three fields by one pattern, which believes everything that it reads. */
export function readList(xml: string): ListedTask[] {
  return [...xml.matchAll(TASK)].map(([, name = '', id = '', word = '']) => ({ id, name, word }));
}

export function isOpen({ word }: Pick<ListedTask, 'word'>): boolean {
  return word === 'Running' || word === 'Halting';
}

/** Asks again and again until nothing is open. */
export async function untilEnded(look: () => Promise<boolean>): Promise<void> {
  do await sleep(LOOK_EVERY_MS);
  while (await look());
}

/** Runs `work` over all items with so many at a time. */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
