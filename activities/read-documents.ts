import type {
  EstateIdentity,
  ListRunsAnswer,
  ListRunsInput,
  ReadInput,
  ReadPage,
  SurveyAnswer,
} from '../domain/contracts/documents.js';
import { hashOf, type ActivityDeps } from './deps.js';
import { runUnknown } from './close-run.js';
import type { ActivityContext } from './shard-deps.js';

/** A payload may hold 2 MB; text grows when it is escaped. */
const PAGE_CHARACTERS = 400_000;
const MOST_RUNS = 200;

/** One page of a document's JSON text. */
export async function readPage(
  deps: ActivityDeps,
  { runId, part, page }: ReadInput,
  { signal }: ActivityContext,
): Promise<ReadPage> {
  const document = await documentOf(deps, runId, part, signal);
  const text = JSON.stringify(document);
  const pages = Math.max(1, Math.ceil(text.length / PAGE_CHARACTERS));
  return { pages, digest: hashOf(text), text: text.slice(page * PAGE_CHARACTERS, (page + 1) * PAGE_CHARACTERS) };
}

async function documentOf(
  deps: ActivityDeps,
  runId: string,
  part: ReadInput['part'],
  signal: AbortSignal,
): Promise<unknown> {
  switch (part) {
    case 'request':
      return (await deps.ledger.runs.read(runId, signal)).request;
    case 'report': {
      const { report } = await deps.ledger.runs.read(runId, signal);
      if (report === undefined)
        throw runUnknown(`${runId} with a report: it is still open, or ended before it was planned`);
      return report;
    }
    case 'plan': {
      const draft = await deps.ledger.plans.read(runId, signal);
      if (draft === undefined) throw runUnknown(`${runId} with a plan`);
      const { plan, left, findings, notSeen, confirm, extras } = draft;
      return {
        schemaVersion: 1,
        planHash: hashOf(plan),
        plan,
        left,
        findings,
        notSeen,
        confirm,
        extras: Object.fromEntries(extras),
      };
    }
    case 'survey':
      return { schemaVersion: 1, servers: await deps.ledger.plans.observations(runId, 'discovery', signal) };
  }
}

/** Runs, newest first. */
export async function listRuns(
  deps: ActivityDeps,
  filter: ListRunsInput,
  { signal }: ActivityContext,
): Promise<ListRunsAnswer> {
  return deps.ledger.runs.list(filter, MOST_RUNS, signal);
}

/** What a survey saw, a line a server; the tasks are read in pages. */
export async function readSurvey(
  deps: ActivityDeps,
  { runId }: { readonly runId: string },
  { signal }: ActivityContext,
): Promise<SurveyAnswer> {
  const { estateHash } = await deps.ledger.runs.read(runId, signal);
  const seen = await deps.ledger.plans.observations(runId, 'discovery', signal);
  return {
    runId,
    estateHash: estateHash ?? '',
    servers: seen.map(({ server, info, tasks, problem }) => ({
      server,
      ...(info === undefined ? {} : { product: info.product, version: info.version, dialect: info.dialect }),
      ...(tasks === undefined
        ? {}
        : { tasks: tasks.length, active: tasks.filter(({ state }) => state === 'active').length }),
      ...(problem === undefined ? {} : { problem }),
    })),
  };
}

/** The estate file that this worker has now. */
export async function identifyEstate({ estates, worker }: ActivityDeps): Promise<EstateIdentity> {
  const { hash } = await estates.current();
  return { estateHash: hash, worker };
}
