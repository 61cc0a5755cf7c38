import { setMaxListeners } from 'node:events';
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { openRunOrRecord } from './audit-refusals.js';
import { certifyBystanders, lookAfterwards, watchServers } from './watch-servers.js';
import { checkData } from './check-data.js';
import { closeRun } from './close-run.js';
import { compensate } from './compensate.js';
import type { ActivityDeps } from './deps.js';
import { noteUnread, prepareDiscovery, surveyServers } from './discover.js';
import { toFailure } from './failures.js';
import { giveUpShard } from './give-up-shard.js';
import { notify } from './notify.js';
import { command, recordAct, skipTargets } from './people.js';
import { confirmPlan, planRun, readTallies } from './plan-run.js';
import { identifyEstate, listRuns, readPage, readSurvey } from './read-documents.js';
import { sampleBystanders } from './sample-bystanders.js';
import type { ActivityContext } from './shard-deps.js';
import { stopShard } from './stop-shard.js';
import { lingerShard, verifyShard } from './verify-shard.js';

/** A dead worker is noticed after 3 s without one: at a load of 30 the loop of a living one lags up to 1.4 s (measured). */
const HEARTBEAT_EVERY_MS = 500;

type Body<D, I, O> = (deps: D, input: I, context: ActivityContext) => Promise<O>;

/** The one wrapper that knows Temporal: heartbeats on a timer, cancellation as a signal, our errors as its failures. */
function wrap<D, I, O>(deps: D, body: Body<D, I, O>): (input: I) => Promise<O> {
  return async (input) => {
    const beat = setInterval(() => {
      heartbeat();
    }, HEARTBEAT_EVERY_MS);
    try {
      const signal = cancellationSignal();
      setMaxListeners(0, signal); // one listener for each request under way
      return await body(deps, input, { signal });
    } catch (error) {
      throw toFailure(error, activityInfo().attempt);
    } finally {
      clearInterval(beat);
    }
  };
}

/** Every step of the workflow, by the name that both sides of the proxy use. */
export function createActivities(deps: ActivityDeps) {
  return {
    openRun: wrap(deps, openRunOrRecord),
    prepareDiscovery: wrap(deps, prepareDiscovery),
    surveyServers: wrap(deps, surveyServers),
    noteUnread: wrap(deps, noteUnread),
    planRun: wrap(deps, planRun),
    confirmPlan: wrap(deps, confirmPlan),
    readTallies: wrap(deps, readTallies),
    recordAct: wrap(deps, recordAct),
    command: wrap(deps, command),
    skipTargets: wrap(deps, skipTargets),
    notify: wrap(deps, notify),
    checkData: wrap(deps, checkData),
    sampleBystanders: wrap(deps, sampleBystanders),
    stopShard: wrap(deps.shard, stopShard),
    verifyShard: wrap(deps.shard, verifyShard),
    lingerShard: wrap(deps.shard, lingerShard),
    giveUpShard: wrap(deps.shard, giveUpShard),
    compensate: wrap(deps, compensate),
    watchServers: wrap(deps, watchServers),
    lookAfterwards: wrap(deps, lookAfterwards),
    certifyBystanders: wrap(deps, certifyBystanders),
    closeRun: wrap(deps, closeRun),
    readPage: wrap(deps, readPage),
    readSurvey: wrap(deps, readSurvey),
    listRuns: wrap(deps, listRuns),
    identifyEstate: wrap(deps, identifyEstate),
  };
}

/** Types of all activities; workflows import only this. */
export type Activities = ReturnType<typeof createActivities>;
