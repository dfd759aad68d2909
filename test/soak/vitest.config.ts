import { defineConfig } from 'vitest/config';

// `npm run soak`: the proofs that take too long for every run. They start servers of their own.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/soak/**/*.soak.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 7_200_000,
    hookTimeout: 120_000,
  },
});
