import { describe, expect, it } from 'vitest';
import { estateSchema } from '../../domain/contracts/estate.js';
import { checkRepeats } from '../../worker/estate-reading/check-repeats.js';

/** Estates of one Carte and one Hop server with a request limit of ten seconds. */
function warningsOf(parts: Readonly<Record<string, unknown>>): { server: string; text: string }[] {
  const server = (name: string, engine: string) => ({ name, engine, url: `http://${name}/x` });
  return checkRepeats(estateSchema.parse({ servers: [server('carte-a', 'carte'), server('hop-a', 'hop')], ...parts }));
}

const short = { short: { extends: 'contain', verify: { within: '10s' } } };

describe('estate check warns of a stop that would never be repeated', () => {
  it('naming server, policy and contract, when the request limit and the lease are not shorter than within', () => {
    const tasks = [
      { match: { name: 'load_*', kind: 'job' }, stop: { within: '10200ms' } },
      { match: { name: 'stage_*', kind: 'pipeline' } },
      { match: { name: '*' }, stop: { within: '1m' } },
    ];
    const [carte, hop, ...more] = warningsOf({ policies: short, tasks });
    expect(carte?.server).toBe('carte-a');
    expect(carte?.text).toContain('never repeated under policy short for load_*: within is over');
    expect(carte?.text).toContain('timeout 10s');
    expect(hop?.server).toBe('hop-a');
    expect(hop?.text).toContain('under policy short for stage_*:');
    expect(more).toEqual([]);
  });

  it('naming tasks without a contract where not every task has one', () => {
    const [carte] = warningsOf({ policies: short, tasks: [{ match: { name: 'x' }, stop: { within: '1m' } }] });
    expect(carte?.text).toContain('under policy short for tasks without a contract:');
  });

  it.each([
    ['the built-in policies give it time', {}],
    ['every contract gives it time', { policies: short, tasks: [{ match: { name: '*' }, stop: { within: '11s' } }] }],
    ['no run may stop the task', { policies: short, tasks: [{ match: { name: '*' }, protected: true }] }],
    [
      'another contract matches first',
      { policies: short, tasks: [{ match: { name: '*' }, stop: { within: '11s' } }, { match: { name: 'load_*' } }] },
    ],
  ])('and not where %s', (_, parts) => {
    expect(warningsOf(parts)).toEqual([]);
  });
});
