import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import { OffboilError } from '../domain/errors.js';
import type { RequestInput } from '../domain/contracts/request.js';
import { surveyGroup } from './bulk-termination.js';
import { faultOf, refusal } from './failures.js';
import type {
  EstateIdentity,
  ListRunsAnswer,
  ListRunsInput,
  PlannedAnswer,
  ReadInput,
  ReadPage,
  SurveyAnswer,
  SurveyInput,
} from './messages.js';
import { steps } from './steps.js';

const options = { failureExceptionTypes: [OffboilError] };
setWorkflowOptions(options, planRequest);
setWorkflowOptions(options, surveyEstate);
setWorkflowOptions(options, readReport);
setWorkflowOptions(options, listRuns);
setWorkflowOptions(options, identifyEstate);

/** A plan without a run: reserves nothing, sends nothing, and never becomes *the* run of its request id. */
export async function planRequest(request: RequestInput): Promise<PlannedAnswer> {
  return answer(async () => {
    const { runId } = await steps.openRun({ request, dryRunId: dryRunId() });
    const { groups } = await steps.prepareDiscovery({ runId });
    await Promise.all(groups.map((place, group) => surveyGroup(runId, 'discovery', place, group)));
    const { planHash, waves, left, findings, notSeen, confirm } = await steps.planRun({ runId });
    return {
      runId,
      confirm,
      notSeen,
      targets: waves.reduce((sum, { targets }) => sum + targets, 0),
      summary: {
        planHash,
        left,
        findings,
        waves: waves.map(({ priority, targets, servers }) => ({ priority, targets, servers })),
      },
    };
  });
}

/** What the estate's servers hold now, read only. The tasks are read with `readReport`, part `survey`. */
export async function surveyEstate(input: SurveyInput): Promise<SurveyAnswer> {
  return answer(async () => {
    const select = input.servers === undefined ? { everything: true } : { select: { servers: [...input.servers] } };
    const request = { ...select, reason: 'survey', requestedBy: 'survey', policy: 'careful' };
    const { runId } = await steps.openRun({ request, dryRunId: dryRunId() });
    const { groups } = await steps.prepareDiscovery({ runId });
    await Promise.all(groups.map((place, group) => surveyGroup(runId, 'discovery', place, group)));
    return steps.readSurvey({ runId });
  });
}

/** One page of a report, plan or survey. */
export async function readReport(input: ReadInput): Promise<ReadPage> {
  return answer(() => steps.readPage(input));
}

/** Runs in the ledger, newest first. */
export async function listRuns(input: ListRunsInput): Promise<ListRunsAnswer> {
  return answer(() => steps.listRuns(input));
}

/** The estate file of whichever worker takes the question. */
export async function identifyEstate(): Promise<EstateIdentity> {
  return answer(() => steps.identifyEstate({}));
}

/** The execution's own id: two starts of one short workflow are two dry runs. */
function dryRunId(): string {
  const { workflowId, runId } = workflowInfo();
  return `${workflowId}@${runId}`;
}

/** A refused question fails the short workflow with our code as its type and our sentence as its message. */
async function answer<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = faultOf(error);
    throw refusal(code, message);
  }
}
