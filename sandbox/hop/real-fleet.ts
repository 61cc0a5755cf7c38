import pg from 'pg';
import { buildHop } from './build.js';
import { endlessPipeline, jdbcTarget, loadPipeline, parentWorkflow, shortPipeline } from './documents.js';
import { type HopServer, type HopTask, startHopServer } from './server.js';

/** What the servers and the database themselves say, read beside the product. */
export interface RealFacts {
  readonly servers: readonly {
    readonly name: string;
    /** Words of the server's list, by task name. */
    readonly tasks: readonly {
      readonly id: string;
      readonly name: string;
      readonly kind: string;
      readonly word: string;
    }[];
    /** `thread_count` of the status. */
    readonly threadCount: number;
    /** Live threads of pipelines, children in no list included, as `<pipeline> - <transform>`. */
    readonly pipelineThreads: readonly string[];
  }[];
  /** Rows now and a moment later; equal means that nothing loads any more. */
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly rowsLater: number }[];
}

/** Real Hop Servers at work on a real PostgreSQL. */
export interface RealFleet {
  readonly servers: readonly HopServer[];
  readonly tasks: readonly (HopTask & { readonly server: string })[];
  readonly tables: readonly string[];
  facts(): Promise<RealFacts>;
  stop(): Promise<void>;
}

interface RealFleetOptions {
  readonly servers: number;
  /** Superuser's or owner's URL of an own database; the tables are made in it. */
  readonly postgresUrl: string;
  readonly loadsPerServer?: number;
}

const LOADS = ['orders', 'invoices', 'payments', 'customers', 'stock', 'shipments', 'prices', 'returns', 'stores'];
const LATER_MS = 1_500;

/**
 * Starts servers and gives each: loads (`load_orders`, `load_invoices`, …), two endless pipelines, a workflow that waits for a
 * loading child, and a pipeline that has ended already.
 */
export async function startRealFleet(options: RealFleetOptions): Promise<RealFleet> {
  const { postgresUrl, loadsPerServer = 3 } = options;
  await buildHop();
  const started = await Promise.allSettled(
    Array.from({ length: options.servers }, (_, index) =>
      startHopServer({ name: `hop-${String(index + 1).padStart(2, '0')}` }),
    ),
  );
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    const tables = await createTables(postgresUrl, options.servers, loadsPerServer);
    const tasks: (HopTask & { server: string })[] = [];
    for (const [index, server] of servers.entries()) {
      const own = tables.slice(index * (loadsPerServer + 1), (index + 1) * (loadsPerServer + 1));
      for (const task of await fill(server, postgresUrl, own)) tasks.push({ ...task, server: server.name });
    }
    return { servers, tasks, tables, facts: () => facts(servers, postgresUrl, tables), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One table for each load of each server, and one for its workflow's child. */
async function createTables(postgresUrl: string, servers: number, loadsPerServer: number): Promise<string[]> {
  const tables: string[] = [];
  for (let server = 0; server < servers; server += 1) {
    for (let load = 0; load < loadsPerServer; load += 1) {
      const index = server * loadsPerServer + load;
      const name = LOADS[index % LOADS.length] ?? 'rows';
      tables.push(index < LOADS.length ? name : `${name}_${Math.floor(index / LOADS.length) + 1}`);
    }
    tables.push(`ledger_${server + 1}`);
  }
  await withDatabase(postgresUrl, async (client) => {
    for (const table of tables) {
      await client.query(
        `create table ${table} (run_id text not null, batch_id bigint not null, row_nr bigint not null, loaded_at timestamptz not null default clock_timestamp())`,
      );
    }
  });
  return tables;
}

async function fill(server: HopServer, postgresUrl: string, tables: readonly string[]): Promise<HopTask[]> {
  const database = jdbcTarget(postgresUrl);
  const load = (name: string, table: string): string =>
    loadPipeline(name, { database, table, runId: `${server.name}/${name}`, commitSize: 200, pauseMs: 4 });
  const loads = tables.slice(0, -1).map((table) => load(`load_${table}`, table));
  const ledger = tables.at(-1) ?? '';
  const child = server.writeFile(`refresh_${ledger}.hpl`, load(`refresh_${ledger}`, ledger));
  const tasks = [
    ...(await Promise.all(
      [...loads, endlessPipeline('poll_sensors'), endlessPipeline('watch_feeds'), shortPipeline('count_stores')].map(
        (document) => server.registerPipeline(document),
      ),
    )),
    await server.registerWorkflow(parentWorkflow(`close_${ledger}`, { file: child, wait: true })),
  ];
  for (const task of tasks) await server.start(task);
  return tasks;
}

async function facts(
  servers: readonly HopServer[],
  postgresUrl: string,
  tables: readonly string[],
): Promise<RealFacts> {
  const seen = await Promise.all(
    servers.map(async (server) => {
      const [{ threadCount, tasks }, threads] = await Promise.all([server.status(), server.threads()]);
      return {
        name: server.name,
        tasks,
        threadCount,
        pipelineThreads: threads.filter((name) => / - (rows|load|end)$/.test(name)),
      };
    }),
  );
  return withDatabase(postgresUrl, async (client) => {
    const before = await countRows(client, tables);
    await new Promise((resolve) => setTimeout(resolve, LATER_MS));
    const after = await countRows(client, tables);
    return {
      servers: seen,
      tables: tables.map((table, index) => ({ table, rows: before[index] ?? 0, rowsLater: after[index] ?? 0 })),
    };
  });
}

async function countRows(client: pg.Client, tables: readonly string[]): Promise<number[]> {
  const counts: number[] = [];
  for (const table of tables) {
    const { rows } = await client.query<{ rows: number }>(`select count(*)::int as rows from ${table}`);
    counts.push(rows[0]?.rows ?? 0);
  }
  return counts;
}

async function withDatabase<T>(postgresUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
