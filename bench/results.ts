import type { OurRun } from './ours.js';

/** Milliseconds by answer time. */
type Times = Record<number, number[]>;

export interface Measured {
  readonly servers: number;
  readonly tasks: number;
  readonly perServer: number;
  readonly hasCurl: boolean;
  readonly ours: Record<number, OurRun[]>;
  readonly rivals: Record<string, Times>;
  /** One list of every server, side by side. */
  readonly lists: Times;
  /** Scaled from a part of the tasks. */
  readonly xargsMs: number[];
}

/** Ours divided by theirs: below 1 is faster than they are. */
interface Ratios {
  readonly ratioToFloor: number;
  readonly ratioToCurlParallel?: number;
  readonly ratioToAxiosLoop: number;
  readonly ratioToHttpLoop: number;
}

/** Time in Halting of the sandbox's idle tasks. */
const SETTLE_MS = 150;
/** The harness is believed while its least loop keeps up with curl. */
const SELF_CHECK_AT_MOST = 1.2;

export interface Outcome {
  readonly schemaVersion: 1;
  readonly latency20: Ratios;
  readonly latency0: Ratios;
  readonly timesFasterThanXargs?: number;
  readonly listsPerServerWave: number;
  readonly workerRssMiB: number;
  readonly maxHistoryEvents: number;
  readonly msToFirstStop: number;
  readonly cpuMicrosPerStop: number;
  readonly selfCheck: {
    readonly valid: boolean;
    readonly httpLoopToCurl?: number;
    readonly atMost: number;
    readonly why?: string;
  };
  readonly notMeasured: readonly string[];
}

const NOT_MEASURED = [
  'perServer8, timesFasterThanActivityPerTask, snapshotRatio, stuckRatio, falseHalts, statusP95Ratio, msPerFurtherWave, msPerFurtherWaveOurs, scaleRatio',
  'msBrakeToAnswer, requestsAfterAnswer, msKillToNext, msRunLongerAfterKill, msUpReady: the crash tests look at the first four, as behaviours',
  'workerRssMiB is of one process that holds worker, client and rivals, at 10,000 tasks; maxHistoryEvents and listsPerServerWave are at 10,000 too',
  'fleet, PostgreSQL, Temporal and every contender share the cores of one machine: at 0 ms answer time the fleet itself is a part of every figure, so only ratios of one run mean something',
  'a real Carte answers slower and with larger lists than the sandbox does, and its network is no loopback',
  'the rivals believe every answer: none of them could go on after a crash, tell who did what, or say what is not proven',
] as const;

export function outcomeOf(measured: Measured): Outcome {
  const all = Object.values(measured.ours).flat();
  const check = selfCheck(measured);
  return {
    schemaVersion: 1,
    latency20: ratios(measured, 20),
    latency0: ratios(measured, 0),
    ...(measured.hasCurl ? { timesFasterThanXargs: round(median(measured.xargsMs) / oursAt(measured, 0)) } : {}),
    listsPerServerWave: round(median(all.map(({ listsPerServer }) => listsPerServer))),
    workerRssMiB: Math.round(Math.max(...all.map(({ rssMiB }) => rssMiB))),
    maxHistoryEvents: Math.max(...all.map(({ historyEvents }) => historyEvents)),
    msToFirstStop: Math.round(median(all.map(({ msToFirstStop }) => msToFirstStop))),
    cpuMicrosPerStop: Math.round(median((measured.ours[0] ?? []).map(({ cpuMicrosPerStop }) => cpuMicrosPerStop))),
    selfCheck: check,
    notMeasured: [
      ...NOT_MEASURED,
      'timesFasterThanXargs: xargs sent 1,000 stops and looked at nothing; its time is multiplied by ten',
      ...(measured.hasCurl
        ? []
        : ['curl is not installed: ratioToCurlParallel, timesFasterThanXargs and the self check are left out']),
    ],
  };
}

function selfCheck({ rivals }: Measured): Outcome['selfCheck'] {
  const curl = rivals['curlParallel']?.[0];
  const loop = rivals['httpLoop']?.[0];
  const atMost = SELF_CHECK_AT_MOST;
  if (curl === undefined || loop === undefined)
    return { valid: false, atMost, why: 'there is no curl to compare with' };
  const httpLoopToCurl = round(median(loop) / median(curl));
  if (httpLoopToCurl <= atMost) return { valid: true, httpLoopToCurl, atMost };
  return {
    valid: false,
    httpLoopToCurl,
    atMost,
    why: 'the node:http loop did not keep up with curl: the machine was busy, the figures mean nothing',
  };
}

function ratios(measured: Measured, answerMs: number): Ratios {
  const ours = oursAt(measured, answerMs);
  const to = (name: string): number => round(ours / median(measured.rivals[name]?.[answerMs] ?? []));
  return {
    ratioToFloor: round(ours / floor(measured, answerMs)),
    ...(measured.hasCurl ? { ratioToCurlParallel: to('curlParallel') } : {}),
    ratioToAxiosLoop: to('axiosLoop'),
    ratioToHttpLoop: to('httpLoop'),
  };
}

function oursAt({ ours }: Measured, answerMs: number): number {
  return median((ours[answerMs] ?? []).map(({ ms }) => ms));
}

/** list + N·a/(S·k) + settling + list; all servers are alike, so none is the slowest. */
function floor({ servers, tasks, perServer, lists }: Measured, answerMs: number): number {
  const list = median(lists[answerMs] ?? []);
  return list + (tasks * answerMs) / (servers * perServer) + SETTLE_MS + list;
}

export function tableOf(measured: Measured, outcome: Outcome): string {
  const { servers, tasks, perServer, rivals } = measured;
  const row = (label: string, at: (answerMs: number) => number): string =>
    `  ${label.padEnd(44)}${[20, 0].map((answerMs) => `${Math.round(at(answerMs))} ms`.padStart(12)).join('')}`;
  const names: Record<string, string> = {
    curlParallel: 'curl -Z with a status loop',
    axiosLoop: 'loop of the same client',
    httpLoop: 'node:http loop',
  };
  const { selfCheck: check } = outcome;
  return [
    `${tasks} tasks on ${servers} servers, ${perServer} requests at a time each; medians of ${measured.ours[0]?.length ?? 0}; until the last is seen ended`,
    `  ${'answer time'.padEnd(44)}${'20 ms'.padStart(12)}${'0 ms'.padStart(12)}`,
    row('Offboil, durable, to the last proof', (answerMs) => oursAt(measured, answerMs)),
    ...Object.entries(rivals).map(([name, times]) =>
      row(names[name] ?? name, (answerMs) => median(times[answerMs] ?? [])),
    ),
    row('floor', (answerMs) => floor(measured, answerMs)),
    ...(measured.hasCurl
      ? [`  xargs -P16 -n1 curl, sending only, a tenth scaled: ${Math.round(median(measured.xargsMs))} ms at 0 ms`]
      : []),
    ...Object.entries(outcome)
      .filter(([name]) => name !== 'notMeasured' && name !== 'schemaVersion')
      .map(([name, value]) => `  ${name.padEnd(24)}${JSON.stringify(value)}`),
    ...outcome.notMeasured.map((text) => `  not measured: ${text}`),
    ...(check.valid ? [] : [`INVALID: ${check.why ?? ''}`]),
  ].join('\n');
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
