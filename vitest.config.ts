// Three groups of tests, each of which can run alone: `npx vitest run --project architecture`.
// Why groupOrder: the quick groups fail first, and the end-to-end servers then have the machine to themselves.
import { defineConfig } from 'vitest/config';

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
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'guard',
          include: ['test/guard/**/*.test.ts'],
          // Bytes are counted in a young generation that is large enough never to be collected, of code that is interpreted.
          pool: 'forks',
          // One after another: they record into one file.
          fileParallelism: false,
          execArgv: ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128', '--no-opt', '--no-sparkplug', '--no-lazy-feedback-allocation'],
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles: ['test/e2e/checked-answers.ts'],
          // One process, one file after another: each file starts servers that want every core.
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
