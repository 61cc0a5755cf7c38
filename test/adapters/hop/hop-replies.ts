import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createHopEngine, type HopConfig, type HopEngine } from '../../../adapters/engines/hop/engine.js';
import type { TaskRef } from '../../../domain/tasks.js';
import { type RawReply, type RawRequest, type ReplyServer, startReplyServer } from '../../support/reply-server.js';

const folder = fileURLToPath(new URL('../../fixtures/hop/2.16.0/', import.meta.url));

export function recordedBody(name: string): string {
  return readFileSync(`${folder}${name}.body`, 'utf8');
}

/** A reply as it was recorded, or with another body; the length is counted anew. */
export function recorded(name: string, body: string | Buffer = readFileSync(`${folder}${name}.body`)): RawReply {
  const head = readFileSync(`${folder}${name}.head`, 'latin1').replace(
    /^(content-length|transfer-encoding):.*\r?\n/gim,
    '',
  );
  return { head, body };
}

export const signal = AbortSignal.timeout(60_000);
export const STOP = { rung: 'stop', mayLeave: () => true } as const;

export interface Scene {
  readonly engine: HopEngine;
  readonly server: ReplyServer;
  /** Servlets asked so far, such as `stopPipeline`. */
  readonly asked: () => string[];
}

type Play = RawReply | ((request: RawRequest) => RawReply);

/** An engine before a server that plays the given replies by servlet; closed when the test ends. */
export async function sceneOf(
  replies: Readonly<Record<string, Play>>,
  config: Partial<HopConfig> = {},
): Promise<Scene> {
  const servletOf = (path: string): string => path.split('/')[2] ?? '';
  const server = await startReplyServer((request) => {
    const play = replies[servletOf(request.path)] ?? { head: 'HTTP/1.1 404 Not Found' };
    return typeof play === 'function' ? play(request) : play;
  });
  const engine = createHopEngine({
    server: 'hop-1',
    url: `${server.origin}/hop`,
    user: 'cluster',
    perServer: 4,
    timeoutMs: 2_000,
    ...config,
  });
  onTestFinished(async () => {
    engine.close();
    await server.close();
  });
  return { engine, server, asked: () => server.requests.map(({ path }) => servletOf(path)) };
}

/** Plays one reply after the other; the last one stays. */
export function inTurn(...replies: readonly RawReply[]): () => RawReply {
  let next = 0;
  return () => replies[Math.min(next++, replies.length - 1)] ?? {};
}

export const pipelineRef = (id: string, name = 'slow'): TaskRef => ({ server: 'hop-1', id, name, kind: 'pipeline' });
export const workflowRef = (id: string, name = 'wf-delay'): TaskRef => ({
  server: 'hop-1',
  id,
  name,
  kind: 'workflow',
});
