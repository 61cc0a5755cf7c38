import type { Contract, Estate, ServerEntry } from '../../domain/contracts/estate.js';
import { OffboilError } from '../../domain/errors.js';
import { compileNamePattern, compilePattern } from '../../domain/selection/pattern.js';
import type { TaskKind } from '../../domain/tasks.js';
import { pathText, type EstatePath, type Fault } from './fault.js';

/** Kinds of task that each engine runs. */
export const KINDS: Readonly<Record<ServerEntry['engine'], readonly TaskKind[]>> = {
  carte: ['job', 'transformation'],
  hop: ['workflow', 'pipeline'],
};

/** Parameters whose value a query gives: `${sql:<database>:<query>}`. */
const SQL_PARAMETER = /^\$\{sql:([\w.-]+):.+\}$/s;

/** Checks one contract against the rest of the estate. */
export function checkContract(contract: Contract, path: EstatePath, estate: Estate): Fault[] {
  const fault = (below: EstatePath, text: string): Fault => ({
    path: [...path, ...below],
    text: `${pathText([...path, ...below])} ${text}`,
  });
  const patterns = checkMatch(contract, estate, fault);
  return [
    ...patterns,
    ...checkDatabases(contract, estate, fault),
    ...checkNames(contract, fault),
    ...(contract.stop.ladder.includes('rollback') && contract.sessions.length === 0
      ? [
          fault(
            ['stop', 'ladder'],
            'has rollback, but the contract declares no sessions; expected sessions: how its database sessions are recognised',
          ),
        ]
      : []),
    ...(patterns.length > 0 ? [] : checkRerun(contract, estate, fault)),
  ];
}

type MakeFault = (below: EstatePath, text: string) => Fault;

function checkMatch({ match }: Contract, estate: Estate, fault: MakeFault): Fault[] {
  const faults: Fault[] = [];
  const name = compileFault(() => compileNamePattern(match.name));
  if (name !== undefined) faults.push(fault(['match', 'name'], `cannot be used: ${name}`));
  for (const [index, text] of (match.servers ?? []).entries()) {
    const problem = compileFault(() => {
      const fits = compilePattern(text);
      if (estate.servers.some((server) => fits(server.name))) return;
      throw new OffboilError('ESTATE_INVALID', `no server is named ${text}`);
    });
    if (problem !== undefined) faults.push(fault(['match', 'servers', index], `cannot be used: ${problem}`));
  }
  return faults;
}

function compileFault(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    if (error instanceof OffboilError) return error.message.replace(/ Nothing was sent\..*$/s, '').replace(/\.$/, '');
    throw error;
  }
}

function checkDatabases({ writes, checks, sessions, compensate }: Contract, estate: Estate, fault: MakeFault): Fault[] {
  const known = estate.databases.map(({ name }) => name);
  const parameters = compensate?.kind === 'rerun' ? compensate.parameters : {};
  const used: { readonly below: EstatePath; readonly database: string }[] = [
    ...writes.map(({ database }, index) => ({ below: ['writes', index, 'database'], database })),
    ...checks.map(({ database }, index) => ({ below: ['checks', index, 'database'], database })),
    ...sessions.map(({ database }, index) => ({ below: ['sessions', index, 'database'], database })),
    ...Object.entries(parameters).flatMap(([name, value]) => {
      const database = SQL_PARAMETER.exec(value)?.[1];
      return database === undefined ? [] : [{ below: ['compensate', 'parameters', name], database }];
    }),
  ];
  const expected = known.length === 0 ? 'a database, and the estate declares none' : known.join(' or ');
  const malformed = Object.entries(parameters)
    .filter(([, value]) => value.startsWith('${') && !SQL_PARAMETER.test(value))
    .map(([name]) =>
      fault(
        ['compensate', 'parameters', name],
        'is no whole reference; expected plain text or ${sql:<database>:<query>}',
      ),
    );
  return [
    ...used
      .filter(({ database }) => !known.includes(database))
      .map(({ below, database }) => fault(below, `is "${database}"; expected ${expected}`)),
    ...malformed,
  ];
}

function checkNames({ checks }: Contract, fault: MakeFault): Fault[] {
  return checks.flatMap(({ name }, index) =>
    checks.findIndex((check) => check.name === name) === index
      ? []
      : [fault(['checks', index, 'name'], `is "${name}" once more; expected a name of its own`)],
  );
}

/** A rerun that an engine cannot do would be found out at night, after the stop. */
function checkRerun({ match, compensate }: Contract, estate: Estate, fault: MakeFault): Fault[] {
  if (compensate?.kind !== 'rerun') return [];
  const hasParameters = Object.keys(compensate.parameters).length > 0;
  const fits = match.servers?.map((text) => compilePattern(text));
  const servers = estate.servers.filter(
    ({ name, engine }) =>
      (fits === undefined || fits.some((matches) => matches(name))) &&
      (match.kind === undefined || KINDS[engine].includes(match.kind)),
  );
  const hop = servers.find(({ engine }) => engine === 'hop');
  if (hop !== undefined && compensate.run === undefined) {
    return [
      fault(
        ['compensate'],
        `is a rerun without run, which is impossible on ${hop.name} (Hop): expected run, a .hpl or .hwf file on the worker, or a match that leaves Hop out`,
      ),
    ];
  }
  if (hop !== undefined && compensate.run !== undefined && !/\.(?:hpl|hwf)$/.test(compensate.run)) {
    return [
      fault(
        ['compensate', 'run'],
        `is "${compensate.run}"; expected a .hpl or .hwf file on the worker for ${hop.name} (Hop)`,
      ),
    ];
  }
  if (compensate.run === undefined && hasParameters) {
    return [fault(['compensate', 'parameters'], 'need run: a held task starts again as it was, without parameters')];
  }
  // PDI 4.x has no runTrans and runJob.
  const old = servers.find(({ engine, version }) => engine === 'carte' && version?.startsWith('4.') === true);
  return old !== undefined && compensate.run !== undefined
    ? [fault(['compensate', 'run'], `is impossible on ${old.name}: Carte ${old.version ?? ''} cannot run a path`)]
    : [];
}
