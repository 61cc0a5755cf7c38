import { resolvePolicy } from '../domain/planning/policies.js';
import type { EngineInfo } from '../domain/tasks.js';
import type { Estate } from '../domain/contracts/estate.js';
import { OffboilError } from '../domain/errors.js';
import { counted } from '../domain/wording.js';
import { askWorkers } from './ask-workers.js';
import { TASK_QUEUE } from '../workflows/messages.js';
import { estateFile } from './compose.js';
import { systemClock } from './clock.js';
import { checkRepeats } from './estate-reading/check-repeats.js';
import { createEstates } from './estates.js';
import { proposeEstate } from './propose-estate.js';
import { runProgram } from './program.js';

const LOOK_MS = 15_000;

/** One line of the check: what was asked, whether it is well, what was found. */
interface Found {
  readonly kind: 'server' | 'database' | 'policy' | 'workers';
  readonly name: string;
  readonly ok: boolean;
  /** Nothing is wrong, but somebody should know. */
  readonly warning?: true;
  readonly text: string;
}

/** `check`: validates the file and, read only, reaches every server and database. `init`: a starting estate from addresses. */
await runProgram(async ({ estate, json, words }) => {
  const [verb, ...rest] = words;
  if (verb === 'init') return proposeEstate(rest, estate);
  if (verb !== 'check') throw new OffboilError('USAGE_WRONG', 'estate knows check and init.');
  const file = estateFile(process.env, estate);
  const estates = createEstates(file, process.env, systemClock);
  const { estate: read, hash } = await estates.current();
  const [reached, workers] = await Promise.all([reachAll(read, hash, estates), compareWorkers(hash)]);
  const found = [...checkPolicies(read), ...warnings(read), ...reached, workers];
  const ok = found.every((one) => one.ok);
  if (json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, estateHash: hash, ok, found })}\n`);
  else for (const one of found) process.stdout.write(`${markOf(one)} ${one.kind} ${one.name}: ${one.text}\n`);
  if (!json)
    process.stdout.write(
      `${ok ? 'all reached' : 'not all reached'}: ${counted(read.servers.length, 'server')}, ${counted(read.tasks.length, 'contract')}, ${hash}\n`,
    );
  return ok ? 0 : 2;
});

function markOf({ ok, warning }: Found): string {
  if (!ok) return 'NO ';
  return warning === true ? '!  ' : 'ok ';
}

function warnings(estate: Estate): Found[] {
  return checkRepeats(estate).map(({ server, text }) => ({
    kind: 'server',
    name: server,
    ok: true,
    warning: true,
    text,
  }));
}

async function compareWorkers(hash: string): Promise<Found> {
  const { isSame, text } = await askWorkers(hash);
  return { kind: 'workers', name: TASK_QUEUE, ok: true, ...(isSame ? {} : { warning: true }), text };
}

function checkPolicies(estate: Estate): Found[] {
  return ['careful', 'contain', ...Object.keys(estate.policies)].map((name) => {
    const { waves, confirm } = resolvePolicy(name, estate);
    return { kind: 'policy', name, ok: true, text: `waves ${waves.join(', ')}; confirm ${confirm}` };
  });
}

async function reachAll(estate: Estate, hash: string, estates: ReturnType<typeof createEstates>): Promise<Found[]> {
  const servers = estate.servers.map(async (server): Promise<Found> => {
    const base = { kind: 'server', name: server.name } as const;
    try {
      const engine = estates.engine(hash, server);
      const tasks = await engine.list(AbortSignal.timeout(LOOK_MS));
      const info = await engine.probe(AbortSignal.timeout(LOOK_MS));
      const { product, version, dialect, source, clockSkewMs, rungs, remarks } = info;
      const skew = clockSkewMs === undefined ? 'clock unknown' : `clock ${skewText(clockSkewMs)}`;
      const text = `${product} ${version}, dialect ${dialect} (${source}), ${counted(tasks.length, 'task')}, can ${rungs.join(', ')}, ${skew}`;
      return { ...base, ok: true, text: [text, ...remarks, ...blindSpots(info, server.timezone)].join('; ') };
    } catch (error) {
      return { ...base, ok: false, text: sentenceOf(error) };
    }
  });
  const databases = estate.databases.map(async (entry): Promise<Found> => {
    const base = { kind: 'database', name: entry.name } as const;
    try {
      const { product, rights, clockSkewMs } = await estates.database(hash, entry).probe(AbortSignal.timeout(LOOK_MS));
      return {
        ...base,
        ok: true,
        text: `${product}, may ${rights.join(', ') || 'only read'}, clock ${skewText(clockSkewMs)}`,
      };
    } catch (error) {
      return { ...base, ok: false, text: sentenceOf(error) };
    }
  });
  return Promise.all([...servers, ...databases]);
}

/** What nobody can see on a server of this version: better known today than at 02:10. */
function blindSpots({ start, stopReachesChildren, clockSkewMs }: EngineInfo, zone: string | undefined): string[] {
  const spots: string[] = [];
  if (start === 'none') spots.push('its list tells no start, so a restart under the same id is not seen');
  if (start === 'log')
    spots.push(
      'its list tells the last log line and no start, so a restart under the same id is not seen, and "running for" reads details',
    );
  if (start !== 'none' && zone === undefined)
    spots.push('its zone is not declared, so no start is an instant and "running for" leaves its tasks out');
  if (!stopReachesChildren) spots.push('the children of a stopped job run on, in no list');
  if (clockSkewMs === undefined) spots.push('it tells no clock');
  return spots;
}

function skewText(ms: number): string {
  return Math.abs(ms) < 1500 ? 'in step' : `${(ms / 1000).toFixed(0)} s off`;
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
