import tseslint from 'typescript-eslint';

/** What a workflow bundle must not load: it would not be deterministic, or not even be there. */
const notInWorkflows = [
  {
    group: ['node:*', 'axios', 'pg', 'pg-cursor', 'yaml', 'saxes', 'commander', 'p-limit'],
    message: 'Workflows do no I/O: this belongs in an activity.',
  },
  {
    group: ['re2js', '**/domain/selection/**'],
    message: 'What uses re2js is no code for workflows: selection runs in activities.',
  },
  {
    group: ['**/activities/**'],
    allowTypeImports: true,
    message: 'Workflows know activities by type only: use `import type`.',
  },
];

/** On Node 20 the garbage collector takes a timeout away that stands among others (measured). */
const lostTimeout = {
  object: 'AbortSignal',
  property: 'any',
  message: 'Bound time with withDeadline; join signals without a timeout with firstOf (domain/deadline.ts).',
};
const looseTimeout = {
  object: 'AbortSignal',
  property: 'timeout',
  message: 'Bound time with withDeadline (domain/deadline.ts).',
};

export default tseslint.config(
  { ignores: ['dist/', '.cache/', '.offboil/', 'coverage/', 'sandbox/hop/target/', 'test/fixtures/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // tsconfig's own noPropertyAccessFromIndexSignature is off, and `process.env['X']` shows that a name is not checked
      '@typescript-eslint/dot-notation': 'off',
      // `for (…; await sleep(20))` and `() => close()` mislead nobody
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'off',
    },
  },
  {
    files: ['{activities,adapters,client,domain,sim,workflows,worker}/**/*.ts'],
    rules: { 'no-restricted-properties': ['error', lostTimeout] },
  },
  {
    files: ['{activities,adapters}/**/*.ts'],
    rules: { 'no-restricted-properties': ['error', lostTimeout, looseTimeout] },
  },
  {
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: notInWorkflows }],
      'no-restricted-globals': [
        'error',
        {
          name: 'process',
          message: 'A workflow has no process: what it needs comes with its input or from an activity.',
        },
        { name: 'fetch', message: 'Workflows do no I/O: this belongs in an activity.' },
      ],
    },
  },
  {
    files: ['domain/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', { name: 'process', message: 'Rules are pure: pass in what they need.' }],
      'no-restricted-properties': [
        'error',
        lostTimeout,
        looseTimeout,
        { object: 'Date', property: 'now', message: 'Rules have no clock: pass the time in.' },
        { object: 'Math', property: 'random', message: 'Rules are repeatable: pass in what was drawn.' },
      ],
    },
  },
  {
    // Promises of vitest's expect are awaited by `await expect(…)`; stubs are often async without an await
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/require-await': 'off' },
  },
);
