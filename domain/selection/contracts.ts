import type { Contract, Estate } from '../contracts/estate.js';
import type { TaskRef } from '../tasks.js';
import { compileNamePattern, compilePattern } from './pattern.js';

/** Finds the contract of a task: the first one whose name, kind and servers fit. */
export type ContractMatcher = (task: TaskRef) => Contract | undefined;

/**
 * Compiles the matches of all contracts once. `match.servers` are names or globs.
 * @throws OffboilError `REQUEST_INVALID` for a pattern that cannot be compiled
 */
export function createContractMatcher(estate: Estate): ContractMatcher {
  const compiled = estate.tasks.map((contract) => {
    const { name, kind, servers } = contract.match;
    const fitsName = compileNamePattern(name);
    const fitsServer = servers?.map(compilePattern);
    const fits = (task: TaskRef): boolean =>
      (kind === undefined || kind === task.kind) &&
      (fitsServer === undefined || fitsServer.some((matches) => matches(task.server))) &&
      fitsName(task.name);
    return { contract, fits };
  });
  return (task) => compiled.find(({ fits }) => fits(task))?.contract;
}
