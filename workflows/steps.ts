import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities.js';
import { profiles } from './activity-profiles.js';
import { siteQueue } from './messages.js';

const audit = proxyActivities<Activities>(profiles.audit);
const read = proxyActivities<Activities>(profiles.read);
const stop = proxyActivities<Activities>(profiles.stop);
const verify = proxyActivities<Activities>(profiles.verify);
const sample = proxyActivities<Activities>(profiles.sample);
const check = proxyActivities<Activities>(profiles.check);
const control = proxyActivities<Activities>(profiles.control);

type Input<K extends keyof Activities> = Parameters<Activities[K]>[0];

/** A step at a site runs on that site's queue, so that a worker can stand inside its network zone. */
export interface Place {
  readonly summary: string;
  readonly site?: string;
  /** How long the step may wait for a worker of the site, milliseconds. */
  readonly startWithinMs?: number;
}

function at({ summary, site, startWithinMs }: Place) {
  if (site === undefined) return { summary };
  const limit = startWithinMs === undefined ? {} : { scheduleToStartTimeout: startWithinMs };
  return { summary, taskQueue: siteQueue(workflowInfo().taskQueue, site), ...limit };
}

/** Every activity with its profile and the line that the Web UI shows for it. */
export const steps = {
  openRun: (input: Input<'openRun'>) => audit.openRun.executeWithOptions({ summary: 'open the run' }, [input]),
  prepareDiscovery: (input: Input<'prepareDiscovery'>) =>
    audit.prepareDiscovery.executeWithOptions({ summary: 'read the estate' }, [input]),
  surveyServers: (place: Place, input: Input<'surveyServers'>) =>
    read.surveyServers.executeWithOptions(at(place), [input]),
  noteUnread: (input: Input<'noteUnread'>) =>
    audit.noteUnread.executeWithOptions({ summary: 'note who could not be read' }, [input]),
  giveUpShard: (input: Input<'giveUpShard'>) =>
    audit.giveUpShard.executeWithOptions({ summary: `nobody works on shard ${input.wave}/${input.shard}` }, [input]),
  planRun: (input: Input<'planRun'>) =>
    audit.planRun.executeWithOptions({ summary: 'make and freeze the plan' }, [input]),
  confirmPlan: (input: Input<'confirmPlan'>) =>
    audit.confirmPlan.executeWithOptions({ summary: 'confirm: reserve the targets' }, [input]),
  readTallies: (input: Input<'readTallies'>) =>
    audit.readTallies.executeWithOptions({ summary: 'count outcomes' }, [input]),
  recordAct: (input: Input<'recordAct'>) =>
    audit.recordAct.executeWithOptions({ summary: `record: ${input.act.kind}` }, [input]),
  command: (input: Input<'command'>) =>
    control.command.executeWithOptions({ summary: `control: ${input.state}` }, [input]),
  skipTargets: (input: Input<'skipTargets'>) =>
    audit.skipTargets.executeWithOptions({ summary: 'skip what had no request' }, [input]),
  notify: (input: Input<'notify'>) =>
    check.notify.executeWithOptions({ summary: `tell people: ${input.type}` }, [input]),
  checksBefore: (input: { readonly runId: string }) =>
    sample.checkData.executeWithOptions({ summary: 'checks before the stop' }, [{ ...input, phase: 'before' }]),
  checksAfter: (input: { readonly runId: string }) =>
    check.checkData.executeWithOptions({ summary: 'checks after the stop' }, [{ ...input, phase: 'after' }]),
  sampleBystanders: (place: Place, input: Input<'sampleBystanders'>) =>
    sample.sampleBystanders.executeWithOptions(at(place), [input]),
  stopShard: (place: Place, input: Input<'stopShard'>) => stop.stopShard.executeWithOptions(at(place), [input]),
  verifyShard: (place: Place, input: Input<'verifyShard'>) => verify.verifyShard.executeWithOptions(at(place), [input]),
  lingerShard: (place: Place, input: Input<'lingerShard'>) => verify.lingerShard.executeWithOptions(at(place), [input]),
  compensate: (place: Place, input: Input<'compensate'>) => check.compensate.executeWithOptions(at(place), [input]),
  watchServers: (place: Place, input: Input<'watchServers'>) =>
    verify.watchServers.executeWithOptions(at(place), [input]),
  lookAfterwards: (place: Place, input: Input<'lookAfterwards'>) =>
    read.lookAfterwards.executeWithOptions(at(place), [input]),
  certifyBystanders: (input: Input<'certifyBystanders'>) =>
    read.certifyBystanders.executeWithOptions({ summary: 'bystander certificate' }, [input]),
  closeRun: (input: Input<'closeRun'>) => audit.closeRun.executeWithOptions({ summary: 'report and close' }, [input]),
  readPage: (input: Input<'readPage'>) => audit.readPage.executeWithOptions({ summary: `page ${input.page}` }, [input]),
  readSurvey: (input: Input<'readSurvey'>) =>
    audit.readSurvey.executeWithOptions({ summary: 'what was seen' }, [input]),
  listRuns: (input: Input<'listRuns'>) => audit.listRuns.executeWithOptions({ summary: 'runs' }, [input]),
  identifyEstate: (input: Input<'identifyEstate'>) =>
    audit.identifyEstate.executeWithOptions({ summary: 'hash of the estate file' }, [input]),
};
