/**
 * The arrows of the house (docs/architecture.md), as data. Checked by `npm test`.
 */

/** Which rooms a room may import from, itself left out. A path stands for all files that begin with it. */
const arrows = {
  // pure rules: what they need is passed in
  domain: [],
  // deterministic; of activities the types only, see below
  workflows: ['domain/', 'activities/'],
  activities: ['domain/'],
  adapters: ['domain/'],
  // the composition root: the only place where activities meet adapters. messages.ts holds the names that both sides use
  worker: ['activities/', 'adapters/', 'domain/', 'workflows/messages.ts'],
  // needs Temporal alone: whoever reaches a server or the ledger does it in the worker, which the CLI starts as a process
  client: ['domain/', 'workflows/messages.ts'],
  // the production code of the activities, against ports only
  sim: ['activities/', 'domain/'],
  // a product of its own: what knows nothing of us can be a witness against us
  sandbox: [],
  // what other people would write: through the published name only
  examples: ['client/', 'dist/client/'],
  // run before anything is installed
  scripts: [],
  // generated from the contracts
  schema: ['domain/'],
};

/** What is put together of everything, the sandbox included. */
const assemblies = ['demo', 'bench', 'proofs', 'test'];

const rooms = [...Object.keys(arrows), ...assemblies];
const product = '^(workflows|activities|worker|client|domain|adapters)/';

module.exports = {
  forbidden: [
    ...Object.entries(arrows).map(([room, to]) => ({
      name: `${room}-imports-only-${to.length === 0 ? 'itself' : to.map((path) => path.replace(/\/$/, '')).join('-and-')}`,
      severity: 'error',
      from: { path: `^${room}/` },
      to: { path: `^(${rooms.join('|')}|dist)/`, pathNot: [`^${room}/`, ...to.map((path) => `^${path}`)] },
    })),
    {
      name: 'workflows-know-activities-by-type-only',
      comment: 'a workflow bundle that holds an activity holds its I/O too',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'domain-imports-no-package-but-zod',
      severity: 'error',
      from: { path: '^domain/' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'],
        pathNot: ['/zod/', '/re2js/'],
      },
    },
    {
      name: 're2js-in-selection-only',
      comment: 'workflows import the rest of domain/, and a workflow bundle is no place for it',
      severity: 'error',
      from: { path: '^(domain|workflows)/', pathNot: '^domain/selection/' },
      to: { path: '/re2js/' },
    },
    {
      name: 'selection-stays-out-of-workflows',
      comment:
        'selection runs in activities; what a workflow reaches over others is checked in its bundle (test/servers)',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^domain/selection/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'rules-and-workflows-have-no-node-modules',
      comment: 'no I/O, no clock; and a workflow bundle allows none',
      severity: 'error',
      from: { path: '^(domain|workflows)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'product-needs-no-dev-dependency',
      severity: 'error',
      from: { path: product },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '/@types/' },
    },
    {
      name: 'only-known-packages',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-circles',
      comment: 'two files that need each other are one file, or three',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    exclude: { path: '^(dist|coverage|sandbox/hop/target|test/fixtures)/' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
