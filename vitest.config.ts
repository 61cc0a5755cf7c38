import { defineConfig } from 'vitest/config';

/** Pure rules, and the house itself: they need no server, and are done before one would have started. */
const rules = ['test/rules/**/*.test.ts', 'test/house/**/*.test.ts'];

export default defineConfig({
  test: {
    // `threads` ends in a segmentation fault as soon as a second file loads @temporalio/worker, after printing green ticks
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'rules', include: rules, testTimeout: 10_000 } },
      {
        extends: true,
        test: {
          name: 'live',
          include: ['test/**/*.test.ts'],
          exclude: rules,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
