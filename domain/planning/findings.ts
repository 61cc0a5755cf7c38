import type { LeftTask, PlanFinding } from '../contracts/plan.js';
import type { ServerObservation } from '../ports.js';
import type { EngineInfo } from '../tasks.js';
import { counted, some } from '../wording.js';
import type { DraftedTarget } from './drafted-target.js';
import { byText } from './waves.js';

/** What findings are drawn from. */
export interface FindingFacts {
  readonly targets: readonly DraftedTarget[];
  readonly left: readonly LeftTask[];
  readonly missingIds: readonly string[];
  /** Read servers, in order of their names. */
  readonly observations: readonly ServerObservation[];
  /** Active tasks on the read servers. */
  readonly active: number;
}

/** What whoever confirms must know, one finding for each kind of thing. */
export function findingsOf(facts: FindingFacts): PlanFinding[] {
  const { targets, left, missingIds } = facts;
  const touched = touchedServers(facts);
  const warn = (text: string | undefined): PlanFinding[] => (text === undefined ? [] : [{ level: 'warning', text }]);
  const tell = (text: string | undefined): PlanFinding[] => (text === undefined ? [] : [{ level: 'info', text }]);
  return [
    ...tell(targets.length === 0 ? 'Nothing matched: no task would be touched.' : undefined),
    ...warn(wholeEstate(facts)),
    ...warn(
      missingIds.length > 0
        ? `In no list: ${few(missingIds)}. They have ended and left the list, or never were.`
        : undefined,
    ),
    ...warn(whatAStopCommits(targets)),
    ...warn(insteadOfRollback(targets)),
    ...tell(missingRungs(targets)),
    ...warn(sharedSessions(targets)),
    ...warn(
      onServers(
        touched,
        ({ start }) => start !== 'list',
        'the list tells no start (PDI up to 6.1 and from 8.3 on): a restart under the same id cannot be seen beforehand',
      ),
    ),
    ...warn(
      onServers(
        touchedServers({ ...facts, targets: targets.filter(({ planned }) => planned.kind === 'job') }),
        ({ stopReachesChildren }) => !stopReachesChildren,
        "a job's stop is not passed on: its children run on, in no list, and nothing here can show their end",
      ),
    ),
    ...tell(
      onServers(
        touched,
        ({ source }) => source === 'read',
        'the dialect was read in source code and not measured on a real server',
      ),
    ),
    ...remarks(touched).map((text): PlanFinding => ({ level: 'warning', text })),
    ...taskRemarks(targets).map((text): PlanFinding => ({ level: 'warning', text })),
    ...tell(oneName(targets)),
    ...warn(startUnknown(left)),
  ];
}

function wholeEstate({ targets, active }: FindingFacts): string | undefined {
  const ofActive = targets.filter(({ task }) => task.state === 'active').length;
  return active > 1 && ofActive === active
    ? `The selection fits every one of the ${active} active tasks that were seen.`
    : undefined;
}

/** Measured on PDI 5.4.0.1 and Hop 2.16: a stop is not an error, so the open batch is flushed and committed. */
function whatAStopCommits(targets: readonly DraftedTarget[]): string | undefined {
  const count = targets.filter(({ planned }) => planned.rungs.includes('stop')).length;
  return count === 0
    ? undefined
    : `A normal stop rolls nothing back: what is loaded so far stays, the open batch is committed (${counted(count, 'target')}).`;
}

function insteadOfRollback(targets: readonly DraftedTarget[]): string | undefined {
  const hit = targets.filter(({ stopInsteadOfRollback }) => stopInsteadOfRollback !== undefined);
  const first = hit[0];
  return first === undefined
    ? undefined
    : `Rollback was asked for, but ${counted(hit.length, 'target')} can only be stopped: ${few(namesOf(hit))} (${first.stopInsteadOfRollback ?? ''}).`;
}

function missingRungs(targets: readonly DraftedTarget[]): string | undefined {
  const notes = targets
    .filter(({ stopInsteadOfRollback }) => stopInsteadOfRollback === undefined)
    .flatMap(({ notes }) => notes);
  const kinds = [...new Set(notes)].sort(byText);
  return kinds.length === 0
    ? undefined
    : `Rungs that cannot be had: ${few(kinds.map((note) => `${note} (${notes.filter((other) => other === note).length})`))}.`;
}

function sharedSessions(targets: readonly DraftedTarget[]): string | undefined {
  const hit = targets.filter(
    ({ planned, extras }) => planned.rungs.includes('rollback') && extras.sharesSessionsWith !== undefined,
  );
  const first = hit[0];
  return first === undefined
    ? undefined
    : `Sessions of ${counted(hit.length, 'target')} cannot be told from those of others and will not be ended: ${few(namesOf(hit))} (${first.planned.name} shares with ${few(first.extras.sharesSessionsWith ?? [])}).`;
}

function oneName(targets: readonly DraftedTarget[]): string | undefined {
  const names = targets.map(({ planned }) => planned.name);
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const twice = [...counts].filter(([, count]) => count > 1).map(([name, count]) => `${name} (${count})`);
  return twice.length === 0
    ? undefined
    : `Names borne by more than one target, each addressed by its id: ${few(twice.sort(byText))}.`;
}

function startUnknown(left: readonly LeftTask[]): string | undefined {
  const hit = left.filter(({ code }) => code === 'startUnknown');
  return hit.length === 0
    ? undefined
    : `Left out because their start is unknown: ${few(hit.map(({ server, name }) => `${name} on ${server}`))}.`;
}

interface TouchedServer {
  readonly server: string;
  readonly info: EngineInfo;
}

function touchedServers({ targets, observations }: FindingFacts): TouchedServer[] {
  const touched = new Set(targets.map(({ planned }) => planned.server));
  return observations.flatMap(({ server, info }) =>
    info !== undefined && touched.has(server) ? [{ server, info }] : [],
  );
}

function onServers(
  touched: readonly TouchedServer[],
  applies: (info: EngineInfo) => boolean,
  what: string,
): string | undefined {
  const servers = touched.filter(({ info }) => applies(info)).map(({ server }) => server);
  return servers.length === 0 ? undefined : `${few(servers)}: ${what}.`;
}

function remarks(touched: readonly TouchedServer[]): string[] {
  const texts = new Set(touched.flatMap(({ info }) => info.remarks));
  return [...texts]
    .sort(byText)
    .map(
      (text) =>
        `${few(touched.filter(({ info }) => info.remarks.includes(text)).map(({ server }) => server))}: ${text}`,
    );
}

function taskRemarks(targets: readonly DraftedTarget[]): string[] {
  const texts = new Set(targets.flatMap(({ task }) => task.remark ?? []));
  return [...texts]
    .sort(byText)
    .map((text) => `${few(namesOf(targets.filter(({ task }) => task.remark === text)))}: ${text}`);
}

function namesOf(targets: readonly DraftedTarget[]): string[] {
  return targets.map(({ planned }) => `${planned.name} on ${planned.server}`);
}

/** At most five: the whole stands in the plan. */
function few(words: readonly string[]): string {
  return some(words, 5);
}
