import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { OffboilError } from '../../../domain/errors.js';
import { childOf, readXml, textOf } from '../kettle/xml.js';

/** A pipeline or workflow as it stands on the worker's disk. */
export interface HopFile {
  readonly kind: 'pipeline' | 'workflow';
  readonly name: string;
  /** The document without its XML declaration. */
  readonly document: string;
}

const KINDS: Readonly<Record<string, HopFile['kind'] | undefined>> = { '.hpl': 'pipeline', '.hwf': 'workflow' };
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Of Hop's own default name; a server that has one of that name in its metadata uses it. */
const RUN_CONFIGURATION = 'local';

/**
 * Reads what a rerun starts.
 * @throws OffboilError `ESTATE_INVALID` for a file that is missing, too large, or no pipeline or workflow
 */
export async function readHopFile(server: string, file: string): Promise<HopFile> {
  const kind = KINDS[extname(file).toLowerCase()];
  if (kind === undefined) throw unusable(server, file, 'its name must end in .hpl or .hwf');
  const bytes = await readBounded(file).catch((cause: unknown) => {
    throw unusable(
      server,
      file,
      `it cannot be read on this worker (${cause instanceof Error ? cause.message : String(cause)})`,
    );
  });
  const root = await readXml({ server, bytes }, [kind]).catch(() => {
    throw unusable(server, file, `it is no whole XML document with the root <${kind}>`);
  });
  const name = textOf(kind === 'pipeline' ? childOf(root, 'info') : root, 'name') ?? '';
  if (name === '') throw unusable(server, file, `the ${kind} in it has no name`);
  const document = bytes.toString('utf8').replace(/^\uFEFF?\s*(<\?xml[^>]*\?>)?/, '');
  return { kind, name, document };
}

/**
 * Body of `registerPipeline` and `registerWorkflow`. `metastore_json` is always there: without it Hop 2.16.0 never answers and a
 * thread of the server runs at full load for ever (measured).
 */
export async function registration(file: HopFile, parameters: Readonly<Record<string, string>>): Promise<string> {
  const given = Object.entries(parameters).map(
    ([name, value]) => `<parameter><name>${escapeXml(name)}</name><value>${escapeXml(value)}</value></parameter>`,
  );
  const metadata = (await promisify(gzip)(JSON.stringify(METADATA))).toString('base64');
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<${file.kind}_configuration>\n${file.document}\n` +
    `<${file.kind}_execution_configuration><pass_export>N</pass_export><parameters>${given.join('')}</parameters><variables/>` +
    `<log_level>Basic</log_level><clear_log>Y</clear_log><run_configuration>${RUN_CONFIGURATION}</run_configuration>` +
    `</${file.kind}_execution_configuration><metastore_json>${metadata}</metastore_json></${file.kind}_configuration>`
  );
}

/** Hop's defaults for its local engines: a registration with a run configuration that nobody defines is refused. */
const METADATA = {
  'pipeline-run-configuration': [
    {
      name: RUN_CONFIGURATION,
      engineRunConfiguration: {
        Local: {
          rowset_size: '10000',
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
    { name: RUN_CONFIGURATION, engineRunConfiguration: { Local: { safe_mode: false, transactional: false } } },
  ],
};

async function readBounded(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are too many`);
  return readFile(file);
}

function unusable(server: string, file: string, why: string): OffboilError {
  return new OffboilError(
    'ESTATE_INVALID',
    `The rerun on ${server} starts "${file}", but ${why}. Nothing was started.`,
    { server, file },
  );
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}
