import { defineConfig } from 'vitest/config';

const shared = { pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 } as const;
const units = 'test/unit/**/*.test.ts';

// One command runs every kind of proof. Files run side by side in forked processes; the two shared origins
// (PostgreSQL 15 and 18) are started once by the global setup, and each file makes its own databases there.
export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: 'whole', include: ['test/**/*.test.ts'], exclude: [units] } },
      // They start nothing that another would meet, so they share processes: a quarter of a second of processor time a file.
      { test: { ...shared, name: 'unit', include: [units], isolate: false } },
    ],
  },
});
