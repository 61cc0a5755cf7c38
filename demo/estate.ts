import { stringify } from 'yaml';
import type { HopServer } from '../sandbox/hop/harness.js';
import type { ServerAddress } from '../sandbox/index.js';

/** Versions that stand for the personalities, and what a site would declare of its servers. */
export function demoEstate(servers: readonly ServerAddress[], warehouse: string): string {
  const sessions = (applicationName: string) => [{ database: 'warehouse', applicationName }];
  const noHalfBatch = (table: string) => ({
    name: `${table} has no row without a batch`,
    database: 'warehouse',
    query: `SELECT 1 FROM ${table} WHERE batch_id IS NULL`,
    expect: { rows: 0 },
  });
  return stringify({
    servers: servers.map(({ name, url, personality }) => ({
      name,
      engine: 'carte',
      url,
      user: 'cluster',
      password: 'cluster',
      version: personality === '5.4' ? '5.4.0' : personality,
      timezone: 'UTC',
    })),
    databases: [{ name: 'warehouse', kind: 'postgresql', url: warehouse }],
    tasks: [
      { match: { name: 'payments_*' }, group: 'payments', priority: 'core', owner: 'payments-team' },
      {
        match: { name: 'erp_load_stock' },
        group: 'erp',
        priority: 'low',
        sources: ['erp-oracle'],
        stop: { ladder: ['stop', 'rollback'], within: '2s' },
        sessions: sessions('kettle:erp_load_stock'),
        writes: [{ database: 'warehouse', table: 'erp_stock', batch: 'batch_id' }],
        checks: [noHalfBatch('erp_stock')],
      },
      {
        match: { name: 'erp_nightly' },
        group: 'erp',
        priority: 'normal',
        sources: ['erp-oracle'],
        stop: { ladder: ['stop', 'rollback'], within: '2s' },
        sessions: sessions('kettle:erp_nightly'),
      },
      {
        match: { name: 'erp_*' },
        group: 'erp',
        priority: 'normal',
        owner: 'data-platform',
        sources: ['erp-oracle'],
        stop: { ladder: ['safe', 'stop'] },
      },
      { match: { name: 'crm_*' }, group: 'crm', priority: 'low', owner: 'crm-team', sources: ['erp-oracle'] },
    ],
    policies: POLICIES,
  });
}

/** Short times, because somebody watches. */
const POLICIES = {
  demo: {
    extends: 'contain',
    verify: { within: '2s', every: '250ms', linger: '5s' },
    watchAfter: '3s',
    snapshot: 'failed',
  },
};

/** The real servers, with a contract for every task. */
export function realEstate(servers: readonly HopServer[], warehouse: string): string {
  return stringify({
    servers: servers.map(({ name, url, user, password }) => ({
      name,
      engine: 'hop',
      url,
      user,
      password,
      version: '2.16.0',
    })),
    databases: [{ name: 'warehouse', kind: 'postgresql', url: warehouse }],
    tasks: [
      { match: { name: 'load_*' }, group: 'erp', priority: 'low', sources: ['erp-oracle'] },
      { match: { name: '*' }, priority: 'normal' },
    ],
    policies: POLICIES,
  });
}
