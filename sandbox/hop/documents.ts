import { gzipSync } from 'node:zlib';

/** Where the loading pipelines connect to; the URL is JDBC's, without credentials. */
export interface JdbcTarget {
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

/** Turns `postgres://user:password@host:port/database` into what JDBC wants. */
export function jdbcTarget(postgresUrl: string): JdbcTarget {
  const url = new URL(postgresUrl);
  return {
    url: `jdbc:postgresql://${url.hostname}:${url.port || '5432'}${url.pathname}`,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}

/** A pipeline whose rows never end. */
export function endlessPipeline(name: string): string {
  return pipeline(name, [rows({ pauseMs: 10 }), dummy]);
}

/** A pipeline that ends by itself at once. */
export function shortPipeline(name: string): string {
  return pipeline(name, [rows({ limit: 10 }), dummy]);
}

/** A pipeline in a call that no stop interrupts: after a stop it stays `Halting` for up to `deafMs`. */
export function deafPipeline(
  name: string,
  options: Required<Pick<RowsOptions, 'deafMs'>> & Pick<RowsOptions, 'startedMinutesAgo'>,
): string {
  return pipeline(name, [rows(options), dummy]);
}

/** A pipeline that loads rows into `table (run_id text, batch_id bigint, row_nr bigint)` without end. */
export interface LoadOptions {
  readonly database: JdbcTarget;
  readonly table: string;
  readonly runId: string;
  readonly applicationName?: string;
  readonly commitSize?: number;
  readonly pauseMs?: number;
  readonly transactional?: boolean;
  /** Declared parameters with their defaults; the other values may use them as `${NAME}`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export function loadPipeline(name: string, options: LoadOptions): string {
  const load = transform('load', 'OffboilLoadRows', {
    url: options.database.url,
    user: options.database.user,
    password: options.database.password,
    table: options.table,
    applicationName: options.applicationName ?? name,
    runId: options.runId,
    commitSize: options.commitSize ?? 1000,
    transactional: options.transactional === true ? 'Y' : 'N',
  });
  return pipeline(name, [rows({ pauseMs: options.pauseMs ?? 2 }), load], options.parameters);
}

/** A workflow that runs a pipeline file as its child and waits for it, or does not. */
export function parentWorkflow(name: string, child: { readonly file: string; readonly wait: boolean }): string {
  return (
    `<workflow><name>${xml(name)}</name><name_sync_with_filename>N</name_sync_with_filename><parameters/><actions>` +
    `<action><name>Start</name><type>SPECIAL</type><repeat>N</repeat><schedulerType>0</schedulerType><parallel>N</parallel><xloc>0</xloc><yloc>0</yloc></action>` +
    `<action><name>child</name><type>OFFBOIL_RUN_PIPELINE</type><filename>${xml(child.file)}</filename><runConfiguration>local</runConfiguration>` +
    `<waitUntilFinished>${child.wait ? 'Y' : 'N'}</waitUntilFinished><parallel>N</parallel><xloc>0</xloc><yloc>0</yloc></action></actions>` +
    `<hops><hop><from>Start</from><to>child</to><enabled>Y</enabled><evaluation>Y</evaluation><unconditional>Y</unconditional></hop></hops>` +
    `<notepads/><attributes/></workflow>`
  );
}

/** Body of `registerPipeline` and `registerWorkflow`; without `metastore_json` Hop 2.16 never answers and loops for ever. */
export function registration(
  kind: 'pipeline' | 'workflow',
  document: string,
  parameters: Readonly<Record<string, string>> = {},
): string {
  const given = Object.entries(parameters).map(
    ([name, value]) => `<parameter><name>${xml(name)}</name><value>${xml(value)}</value></parameter>`,
  );
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<${kind}_configuration>${document.replace(/^<\?xml[^>]*\?>/, '')}` +
    `<${kind}_execution_configuration><parameters>${given.join('')}</parameters><variables/><log_level>Basic</log_level>` +
    `<run_configuration>local</run_configuration></${kind}_execution_configuration>` +
    `<metastore_json>${gzipSync(JSON.stringify(METADATA)).toString('base64')}</metastore_json></${kind}_configuration>`
  );
}

/** The run configurations every registration carries, so that a server needs no metadata folder. */
const METADATA = {
  'pipeline-run-configuration': [
    {
      name: 'local',
      engineRunConfiguration: {
        Local: {
          rowset_size: '100',
          feedback_size: '50000',
          sample_type_in_gui: 'None',
          sample_size: '0',
          wait_time: '20',
          safe_mode: false,
          show_feedback: false,
          topo_sort: false,
          gather_metrics: false,
          transactional: false,
        },
      },
      configurationVariables: [],
    },
  ],
  'workflow-run-configuration': [
    { name: 'local', engineRunConfiguration: { Local: { safe_mode: false, transactional: false } } },
  ],
};

const dummy = transform('end', 'Dummy', {});

interface RowsOptions {
  readonly limit?: number;
  readonly pauseMs?: number;
  readonly deafMs?: number;
  /** What the server takes for its start; its object timeout counts from there. */
  readonly startedMinutesAgo?: number;
}

function rows({ limit = 0, pauseMs = 0, deafMs = 0, startedMinutesAgo = 0 }: RowsOptions): string {
  return transform('rows', 'OffboilEndlessRows', { limit, pauseMs, deafMs, startedMinutesAgo });
}

function transform(name: string, type: string, values: Readonly<Record<string, string | number>>): string {
  const fields = Object.entries(values).map(([key, value]) => `<${key}>${xml(String(value))}</${key}>`);
  return `<transform><name>${name}</name><type>${type}</type><distribute>Y</distribute><copies>1</copies>${fields.join('')}<GUI><xloc>0</xloc><yloc>0</yloc></GUI></transform>`;
}

function pipeline(
  name: string,
  transforms: readonly string[],
  parameters: Readonly<Record<string, string>> = {},
): string {
  const names = transforms.map((part) => /<name>(.*?)<\/name>/.exec(part)?.[1] ?? '');
  const hops = names
    .slice(1)
    .map((to, index) => `<hop><from>${names[index] ?? ''}</from><to>${to}</to><enabled>Y</enabled></hop>`);
  const declared = Object.entries(parameters).map(
    ([key, value]) =>
      `<parameter><name>${xml(key)}</name><default_value>${xml(value)}</default_value><description/></parameter>`,
  );
  return (
    `<pipeline><info><name>${xml(name)}</name><name_sync_with_filename>N</name_sync_with_filename><pipeline_type>Normal</pipeline_type>` +
    `<parameters>${declared.join('')}</parameters></info><order>${hops.join('')}</order>${transforms.join('')}<transform_error_handling/><attributes/></pipeline>`
  );
}

function xml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 0};`);
}
