import { defineConfig } from 'vitest/config';

// One command runs every kind of proof. Files run side by side in forked processes; the two shared origins
// (PostgreSQL 15 and 18) are started once by the global setup, and each file makes its own databases there.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
