// Five groups of tests, each of which can run alone: `npx vitest run --project architecture`.
// Why groupOrder: the quick groups fail first, and the end-to-end servers then have the machine to themselves.

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const cores = availableParallelism();

/** Tests that measure a server's time or memory, or compute on every core: each has the machine to itself. */
const alone = ['connections', 'slow-reader', 'soak', 'threads'].map((name) => `test/e2e/${name}.test.ts`);

const endToEnd = {
  setupFiles: ['test/e2e/checked-answers.ts'],
  testTimeout: 240_000,
  hookTimeout: 240_000,
};

const interpreted = [
  '--expose-gc',
  '--min-semi-space-size=128',
  '--max-semi-space-size=128',
  '--no-opt',
  '--no-sparkplug',
  '--no-lazy-feedback-allocation',
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'architecture',
          include: ['test/architecture.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture.test.ts', 'test/e2e/**', 'test/guard/**'],
          // Vitest's own choice leaves a core to itself, which has little to compute while tests run.
          maxWorkers: cores,
          // For what hangs alone: a machine that others use too may take ten times as long.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'guard',
          include: ['test/guard/**/*.test.ts'],
          // Bytes are counted in a young generation that is large enough never to be collected, of code that is interpreted.
          pool: 'forks',
          execArgv: interpreted,
          // One after another: they record into one file.
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: alone,
          ...endToEnd,
          // A server computes on one core (test/e2e/server.ts), and its test mostly waits for it: as many files as cores, up to
          // two, then one for every two cores.
          maxWorkers: Math.min(cores, Math.max(2, Math.floor(cores / 2))),
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'e2e-alone',
          include: alone,
          ...endToEnd,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
