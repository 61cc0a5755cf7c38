import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem } from '../support/system.js';

/**
 * Open this first. 02:10: a source is bad, and its loads must stop now; the right ones, proven, and nobody else's.
 */
describe('one bad night', () => {
  const postgres = usePostgres();

  it('ends with every load of the bad source proven stopped, and everybody else untouched', async () => {
    const system = await startSystem({
      postgres,
      servers: [
        aServer('carte-1', [aTask('load_orders_{n}', { count: 5 }), aTask('payments_book', { kind: 'job' })]),
        aServer('carte-2', [aTask('load_invoices_{n}', { count: 5 }), aTask('crm_sync')]),
      ],
      estate: {
        tasks: [
          { match: { name: 'load_*' }, group: 'erp', sources: ['erp-oracle'], priority: 'low' },
          { match: { name: '*' }, priority: 'core' },
        ],
      },
    });

    const { result, report } = await system.run({ select: { sources: ['erp-oracle'] } });

    expect(result).toMatchObject({ end: 'completed', exitCode: 0, planned: 10, outcomes: { stopped: 10 } });
    expect(report.bystanders).toMatchObject({ total: 2, undisturbed: 2, disturbed: 0 });
    const truth = await system.fleet.tasks();
    expect(truth.filter(({ name }) => name.startsWith('load_')).every(({ threads }) => threads === 0)).toBe(true);
    const stops = await system.stops();
    expect(stops.map(({ name }) => name).filter((name) => !name.startsWith('load_'))).toEqual([]);
    expect(stops).toHaveLength(10);
  });
});
