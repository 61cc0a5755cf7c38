import type { Personality } from '../personalities.js';
import type { TaskKind } from '../scenario.js';
import { detailOf } from './details.js';
import type { Objects } from './objects.js';
import type { Task } from './task.js';
import { jettyPage, webResult, type WebResult } from './texts.js';

/** Parameters of a request, from the query and from a form body. */
export type Parameters = Readonly<Record<string, string>>;

export interface Answer {
  readonly code: number;
  /** Some servlets take the writer before they set the charset: what they send is ISO-8859-1 and the header says so. */
  readonly type: 'xml utf-8' | 'xml iso-8859-1' | 'html' | 'jetty' | 'none';
  readonly body: string | Buffer;
  /** What the request log notes. */
  readonly word: string;
}

export interface Call {
  readonly objects: Objects;
  readonly parameters: Parameters;
  readonly personality: Personality;
  /** Ids left out, and ended objects on top. */
  readonly list: { readonly without: ReadonlySet<string> | undefined; readonly more: number };
}

/** How long a task started by `runTrans` or `runJob` runs. */
const RUNS_END_AFTER_MS = 2000;

export type Servlet = (call: Call) => Answer;

/** Each servlet of `/kettle/<name>/`. What is not here answers 404: pauses, uploads, images and cluster calls are not played. */
export const servlets: Readonly<Record<string, Servlet>> = {
  status,
  transStatus,
  jobStatus,
  stopTrans: (call) =>
    act(call, 'transformation', 'xml iso-8859-1', (task, name) => {
      task.stop(isYes(call.parameters['inputOnly']));
      return { ok: true, message: `Transformation [${name}] stop requested.`, id: task.id };
    }),
  stopJob: (call) =>
    act(call, 'job', 'xml iso-8859-1', (task, name) => {
      task.stop(false);
      return { ok: true, message: `Job [${name}] stop requested.` };
    }),
  startTrans: (call) =>
    act(call, 'transformation', 'xml iso-8859-1', (task, name) =>
      task.start(Date.now())
        ? { ok: true, message: `Transformation [${name}] was started.` }
        : { ok: false, message: `Transformation [${name}] could not be started: initialisation failed.` },
    ),
  startJob,
  removeTrans: (call) => remove(call, 'transformation'),
  removeJob: (call) => remove(call, 'job'),
  runTrans: (call) => run(call, 'transformation', 'trans'),
  runJob: (call) => run(call, 'job', 'job'),
};

/** Only `Y` and `y` are true; everything else is false. */
export function isYes(value: string | undefined): boolean {
  return value === 'Y' || value === 'y';
}

function reply(
  call: Call,
  view: WebResult,
  type: Answer['type'],
  { code = 200, declared = true, end = '\n' } = {},
): Answer {
  const word = view.ok ? 'OK' : code === 200 ? 'ERROR' : String(code);
  return { code, type, body: webResult(view, declared, call.personality) + end, word };
}

function internalError(path: string): Answer {
  return {
    code: 500,
    type: 'jetty',
    body: jettyPage(500, 'java.lang.NullPointerException', `/kettle/${path}/`),
    word: '500',
  };
}

/** Answers "not found" in the way of the version; else does it. `name`: what was asked for, `null` as Java writes it. */
function act(call: Call, kind: TaskKind, type: Answer['type'], deed: (task: Task, name: string) => WebResult): Answer {
  const { id, name } = call.parameters;
  const task = call.objects.find(kind, id, name);
  const asked = name ?? 'null';
  if (task !== undefined) return reply(call, deed(task, asked), type);
  if (kind === 'job') return reply(call, { ok: false, message: `Job [${asked}] could not be found.` }, type);
  if (fails(call)) {
    const stack =
      'Unexpected error\njava.lang.NullPointerException\n\tat org.pentaho.di.www.TransformationMap.getTransformation(TransformationMap.java)\n';
    return reply(call, { ok: false, message: stack }, type);
  }
  return reply(
    call,
    { ok: false, message: `Transformation [${asked}] could not be found.`, ...(id !== undefined && { id }) },
    type,
  );
}

/** From 7.0 on a map lookup by an unknown id of a transformation is used unchecked; by name it is clean. */
function fails({ parameters, personality }: Call): boolean {
  return personality.unknownTransId === 'nullPointer' && (parameters['id'] ?? '') !== '';
}

function status(call: Call): Answer {
  const { objects, list } = call;
  if (objects.isListBroken) return internalError('status');
  return { code: 200, type: 'xml utf-8', body: objects.list(list.without, list.more), word: 'list' };
}

function transStatus(call: Call): Answer {
  const { id, name } = call.parameters;
  const task = call.objects.find('transformation', id, name);
  if (task !== undefined) return showDetail(call, task);
  if (fails(call)) return internalError('transStatus');
  const message = `The specified transformation [${name ?? 'null'}] could not be found`;
  return reply(call, { ok: false, message }, 'xml utf-8', { declared: false });
}

function jobStatus(call: Call): Answer {
  const { objects, personality, parameters } = call;
  const { id = '', name = '' } = parameters;
  const refuse = (code: number, message: string) =>
    reply(call, { ok: false, message }, 'xml utf-8', { code, declared: false });
  if (personality.jobStatusNeedsName && name === '') return refuse(400, 'The name of the job is missing');
  if (personality.jobStatusDuplicateName === 409 && id === '' && objects.countNamed('job', name) > 1) {
    return refuse(409, `There is more than one job [${name}]: give its id`);
  }
  const task = objects.find('job', id, name);
  if (task !== undefined) return showDetail(call, task);
  return refuse(
    personality.jobStatusNotFound,
    `The specified job [${parameters['name'] ?? 'null'}] could not be found`,
  );
}

function showDetail({ objects, parameters, personality }: Call, task: Task): Answer {
  const given = Number.parseInt(parameters['from'] ?? '', 10);
  const from = Number.isNaN(given) ? undefined : given;
  const make = (): string => detailOf(task, parameters['name'] ?? '', from, objects.logLines, personality);
  const isCached = personality.cachesHalting && task.kind === 'transformation';
  const body = isCached ? task.cachedDetail(from ?? 0, make) : make();
  return { code: 200, type: 'xml utf-8', body, word: 'detail' };
}

function startJob(call: Call): Answer {
  const { id, name } = call.parameters;
  const { notFound, exception } = call.personality.startJobFailure;
  const task = call.objects.find('job', id, name);
  if (task === undefined) {
    const message = `The specified job [${name ?? 'null'}] could not be found`;
    return reply(call, { ok: false, message }, 'xml iso-8859-1', { code: notFound });
  }
  if (task.threads > 0) {
    const message = `Job [${task.name}] is already running`;
    return reply(call, { ok: false, message, id: task.id }, 'xml iso-8859-1', { code: exception });
  }
  task.start(Date.now());
  return reply(call, { ok: true, message: `Job [${name ?? 'null'}] was started.`, id: task.id }, 'xml iso-8859-1');
}

function remove(call: Call, kind: TaskKind): Answer {
  const { id, name } = call.parameters;
  const task = call.objects.find(kind, id, name);
  if (task !== undefined) {
    call.objects.remove(task);
    return reply(call, { ok: true }, 'xml utf-8', { end: '' });
  }
  if (kind === 'transformation' && fails(call)) return internalError('removeTrans');
  const what = kind === 'job' ? 'job' : 'transformation';
  return reply(
    call,
    { ok: false, message: `The specified ${what} [${name ?? 'null'}] could not be found` },
    'xml utf-8',
    { declared: false },
  );
}

/** Starts what lies at a path of the server's repository; here every path is there, and a task of that name is the model. */
function run(call: Call, kind: TaskKind, pathParameter: 'trans' | 'job'): Answer {
  const { objects, parameters } = call;
  const { [pathParameter]: path = '', level: _level, xml: _xml, ...named } = parameters;
  const name = path.split('/').at(-1) ?? '';
  const type = kind === 'job' ? 'xml iso-8859-1' : 'none';
  if (name === '')
    return reply(call, { ok: false, message: `Unable to find ${pathParameter} []` }, type, { declared: false });
  const model = objects.find(kind, undefined, name)?.spec;
  const [id = ''] = objects.add({
    name,
    kind,
    mode: model?.mode ?? 'idle',
    startedSecondsAgo: 0,
    traits: { endsByItselfAfterMs: RUNS_END_AFTER_MS },
    ...(model?.load !== undefined && { load: model.load }),
  });
  const task = objects.get(id);
  if (task !== undefined) task.parameters = named;
  const what = kind === 'job' ? 'Job' : 'Transformation';
  return reply(call, { ok: true, message: `${what} [${name}] started`, id }, type, { declared: false });
}
