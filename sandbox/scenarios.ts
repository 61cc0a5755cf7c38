import type { PersonalityName, Scenario, ServerSpec, TaskSpec } from './scenario.js';

const idle = (name: string, kind: TaskSpec['kind'] = 'transformation', rest: Partial<TaskSpec> = {}): TaskSpec => ({
  name,
  kind,
  mode: 'idle',
  startedSecondsAgo: 900,
  ...rest,
});

const loading = (name: string, table: string, rest: Partial<TaskSpec> = {}): TaskSpec => ({
  name,
  kind: 'transformation',
  mode: 'loading',
  load: { table, rowsPerSecond: 400, commitSize: 1000 },
  ...rest,
});

/** Names say the group: `erp_…`, `crm_…`, `payments_…`. About 40 tasks, and the awkward ones of a bad night among them. */
export function demoScenario(databaseUrl: string): Scenario {
  return {
    databaseUrl,
    servers: [
      {
        name: 'carte-old',
        personality: '5.4',
        tasks: [
          loading('erp_load_orders_{n}', 'erp_orders', { count: 3 }),
          // Its child is in no list; on 5.4 a stop of the job does not reach it: Halting until the child's session ends.
          loading('erp_nightly', 'erp_nightly', { kind: 'job', traits: { child: { rowsFlow: true } } }),
          idle('crm_sync_contacts_{n}', 'transformation', { count: 3 }),
          // Never started: nothing to stop.
          idle('crm_export_segments', 'transformation', { traits: { waiting: true } }),
          idle('payments_feed', 'job'),
        ],
      },
      {
        name: 'carte-a',
        personality: '8.3',
        tasks: [
          loading('erp_load_invoices_{n}', 'erp_invoices', { count: 3 }),
          // Commits nothing before its end; a stop is an end, so it commits half a load.
          loading('erp_load_ledger', 'erp_ledger', {
            load: { table: 'erp_ledger', rowsPerSecond: 400, transactional: true },
          }),
          // Two of one name: only their ids tell them apart.
          idle('erp_fix_stock', 'transformation', { count: 2 }),
          // Every stop is answered OK and lost: never ends.
          idle('crm_score_leads', 'transformation', { traits: { ignoresStop: true } }),
          idle('crm_send_mail_{n}', 'job', { count: 3 }),
          idle('payments_settle_{n}', 'job', { count: 2 }),
        ],
      },
      {
        name: 'carte-b',
        personality: '9.4',
        tasks: [
          // Stuck in a database call: Halting until its session ends, and then it is rolled back.
          loading('erp_load_stock', 'erp_stock', { traits: { haltsForever: true } }),
          loading('erp_load_returns_{n}', 'erp_returns', { count: 3 }),
          // Something starts it again 1.5 s after its end, under a new id.
          idle('crm_import_events', 'transformation', { traits: { comesBackAfterMs: 1500 } }),
          // The child is stopped with its job and waited for: from 5.4.1 on.
          loading('crm_nightly', 'crm_nightly', { kind: 'job', settleMs: 800, traits: { child: { rowsFlow: true } } }),
          // Ends by itself when it has stood in one list: after the plan, before the stop.
          idle('crm_refresh_views', 'transformation', { traits: { endsAfterLists: 1 } }),
          loading('payments_book_{n}', 'payments_bookings', { count: 3 }),
        ],
      },
      {
        name: 'carte-c',
        personality: '8.3',
        endedObjects: 200,
        tasks: [
          idle('erp_report_{n}', 'transformation', { count: 4 }),
          idle('crm_dedupe_{n}', 'transformation', { count: 3 }),
          loading('payments_check_fraud_{n}', 'payments_fraud', { count: 2 }),
        ],
      },
    ],
  };
}

/** What becomes of a task of the demo when a stop is sent to it. Whatever is not named here ends within half a second. */
export type AfterStop =
  | 'never started'
  | 'goes on'
  | 'halts until its session ends'
  | 'ended before the stop'
  | 'ends and comes back'
  | 'ends within two seconds';

/** By server and name; names that are not here end within half a second of one stop. */
export const demoForetold: readonly {
  readonly server: string;
  readonly name: string;
  readonly afterStop: AfterStop;
}[] = [
  { server: 'carte-old', name: 'crm_export_segments', afterStop: 'never started' },
  { server: 'carte-old', name: 'erp_nightly', afterStop: 'halts until its session ends' },
  { server: 'carte-a', name: 'crm_score_leads', afterStop: 'goes on' },
  { server: 'carte-b', name: 'erp_load_stock', afterStop: 'halts until its session ends' },
  { server: 'carte-b', name: 'crm_refresh_views', afterStop: 'ended before the stop' },
  { server: 'carte-b', name: 'crm_import_events', afterStop: 'ends and comes back' },
  { server: 'carte-b', name: 'crm_nightly', afterStop: 'ends within two seconds' },
];

/** Idle transformations on 8.3 servers, spread evenly: state and HTTP only, so that the client is what is measured. */
export function benchScenario({
  servers,
  tasks,
  answerMs = 0,
}: {
  servers: number;
  tasks: number;
  answerMs?: number;
}): Scenario {
  return spread(servers, tasks, (number, count) => ({
    name: `carte-${String(number).padStart(3, '0')}`,
    personality: '8.3',
    answerMs,
    tasks: [idle('load_{n}', 'transformation', { count })],
  }));
}

const PRACTICE: readonly PersonalityName[] = ['5.4', '8.3', '9.4'];

/** A fleet to practise on, without a database. */
export function practiceScenario({ servers, tasks }: { servers: number; tasks: number }): Scenario {
  const groups = ['erp_load', 'crm_sync', 'payments_book', 'erp_nightly'];
  return spread(servers, tasks, (number, count) => ({
    name: `carte-${String(number).padStart(2, '0')}`,
    personality: PRACTICE[(number - 1) % PRACTICE.length] ?? '8.3',
    tasks: Array.from({ length: count }, (_, n) => {
      const group = groups[n % groups.length] ?? 'erp_load';
      return idle(`${group}_${n + 1}`, group === 'erp_nightly' ? 'job' : 'transformation');
    }),
  }));
}

function spread(servers: number, tasks: number, server: (number: number, count: number) => ServerSpec): Scenario {
  return {
    servers: Array.from({ length: servers }, (_, n) =>
      server(n + 1, Math.floor((tasks * (n + 1)) / servers) - Math.floor((tasks * n) / servers)),
    ),
  };
}
