import type { Contract, Estate } from '../contracts/estate.js';
import { durationMs, type Selection } from '../contracts/request.js';
import type { ObservedTask, Priority } from '../tasks.js';
import { compileNamePattern } from './pattern.js';

/** A task with what the estate declares about it. */
export interface Candidate {
  readonly task: ObservedTask;
  readonly contract?: Contract;
  readonly priority: Priority;
}

/** What one field of a selection says about a task: which entry fits, that none does, or that it cannot be told. */
export type FacetVerdict = { readonly fits: string } | 'no' | { readonly unknown: string };

/** One field of a selection, compiled. */
export interface Facet {
  readonly field: keyof Selection;
  readonly judge: (candidate: Candidate) => FacetVerdict;
}

/**
 * Compiles a selection, a facet for each field that is given: AND across the facets, OR within one.
 * @param now for `runningFor`, milliseconds since 1970 UTC
 * @throws OffboilError `REQUEST_INVALID` for a pattern that cannot be compiled
 */
export function compileFacets(selection: Selection, estate: Estate, now: number): Facet[] {
  const servers = new Set(estate.servers.map(({ name }) => name));
  const facets: Facet[] = [];
  const add = (field: keyof Selection, judge: Facet['judge']): void => {
    facets.push({ field, judge });
  };
  const addList = (
    field: keyof Selection,
    label: string,
    wanted: readonly string[] | undefined,
    own: (candidate: Candidate) => readonly (string | undefined)[],
  ): void => {
    if (wanted === undefined) return;
    add(field, (candidate) => {
      const hit = wanted.find((word) => own(candidate).includes(word));
      return hit === undefined ? 'no' : { fits: `${label} ${hit}` };
    });
  };

  if (selection.names !== undefined) {
    const names = selection.names.map((text) => ({ text, matches: compileNamePattern(text) }));
    add('names', ({ task }) => {
      const hit = names.find(({ matches }) => matches(task.name));
      return hit === undefined ? 'no' : { fits: `name ${hit.text}` };
    });
  }
  if (selection.ids !== undefined) {
    const ids = selection.ids.map((text) => ({ text, ...readId(text, servers) }));
    add('ids', ({ task }) => {
      const hit = ids.find(({ server, id }) => id === task.id && (server === undefined || server === task.server));
      return hit === undefined ? 'no' : { fits: `id ${hit.text}` };
    });
  }
  addList('servers', 'server', selection.servers, ({ task }) => [task.server]);
  addList('kinds', 'kind', selection.kinds, ({ task }) => [task.kind]);
  addList('groups', 'group', selection.groups, ({ contract }) => [contract?.group]);
  addList('tags', 'tag', selection.tags, ({ contract }) => contract?.tags ?? []);
  addList('owners', 'owner', selection.owners, ({ contract }) => [contract?.owner]);
  addList('sources', 'source', selection.sources, ({ contract }) => contract?.sources ?? []);
  addList('priorities', 'priority', selection.priorities, ({ priority }) => [priority]);
  addList('states', 'state', selection.states, ({ task }) => [task.state]);
  if (selection.contract !== undefined) {
    const wantsContract = selection.contract === 'any';
    add('contract', ({ contract }) =>
      (contract !== undefined) === wantsContract ? { fits: wantsContract ? 'has a contract' : 'no contract' } : 'no',
    );
  }
  if (selection.runningFor !== undefined) facets.push(runningForFacet(selection.runningFor, now));
  return facets;
}

function runningForFacet(text: string, now: number): Facet {
  const leastMs = durationMs(text);
  return {
    field: 'runningFor',
    judge: ({ task: { startedAt, startedAtMs, startedBeforeMs } }) => {
      const fits = { fits: `running for ${text}` };
      if (startedAtMs !== undefined) return now - startedAtMs >= leastMs ? fits : 'no';
      // It started then or before, so it is at least as old as that.
      if (startedBeforeMs !== undefined && now - startedBeforeMs >= leastMs) return fits;
      const why =
        startedAt !== undefined
          ? 'the time zone of its server is not declared, or is another one'
          : startedBeforeMs !== undefined
            ? 'the first lines of its log are gone'
            : 'its server tells no start that can be read';
      return { unknown: `its start is unknown (${why}), so "running for ${text}" cannot be told` };
    },
  };
}

/** `<server>/<id>`, or a bare id. An id may hold a slash itself, so only a known server in front makes the first form. */
export function readId(text: string, servers: ReadonlySet<string>): { readonly server?: string; readonly id: string } {
  const slash = text.indexOf('/');
  const server = text.slice(0, slash);
  return slash > 0 && servers.has(server) ? { server, id: text.slice(slash + 1) } : { id: text };
}
