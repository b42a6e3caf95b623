import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{bench,core,host,mangle-agent,tc-agent,qvm-qos,sim}/**/*.test.ts'],
          // Some walk at random through hundreds of states, and a machine may be busy.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { test: { name: 'bundle', include: ['test/bundle/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          // A guest has one processor.
          maxWorkers: availableParallelism(),
        },
      },
    ],
  },
});
