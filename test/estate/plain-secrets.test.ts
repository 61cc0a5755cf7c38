import { describe, expect, it } from 'vitest';
import { estateSchema } from '../../domain/contracts/estate.js';
import { hideLiterals } from '../../worker/hide-literals.js';

const estate = estateSchema.parse({
  servers: [
    { name: 'carte-1', engine: 'carte', url: 'http://carte-1:8080/kettle', user: 'ops', password: 'very-secret' },
    { name: 'carte-2', engine: 'carte', url: 'http://carte-2:8080/kettle', password: '${env:CARTE}' },
  ],
  databases: [{ name: 'warehouse', kind: 'postgresql', url: 'postgresql://dwh:very-secret@db/dwh' }],
  notifiers: [{ name: 'ops', kind: 'webhook', url: 'https://ops.corp/hook', secret: 'very-secret' }],
});

describe('a secret that stands in the estate file as plain text', () => {
  it('is no part of the estate that a run stores', () => {
    expect(JSON.stringify(hideLiterals(estate).estate)).not.toContain('very-secret');
  });

  it('is found again by the reference that took its place', () => {
    const { estate: hidden, literals } = hideLiterals(estate);
    expect(literals.get(hidden.servers[0]?.password ?? '')).toBe('very-secret');
    expect(literals.get(hidden.databases[0]?.url ?? '')).toBe('postgresql://dwh:very-secret@db/dwh');
  });

  it('leaves references as they are', () => {
    expect(hideLiterals(estate).estate.servers[1]?.password).toBe('${env:CARTE}');
  });
});
