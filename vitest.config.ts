import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './test/support/summary-reporter.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/loopback-guard.ts', 'test/support/patient-wait.ts'],
    globalSetup: ['test/support/browser-setup.ts'],
    reporters: ['default', new SummaryReporter()],
    // Sockets, signals and module loading are under test: each file gets a process of its own.
    pool: 'forks',
    // Vitest leaves one core free, which on a machine with two is half of it. Most files wait for sockets.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // For what hangs, and not for what a busy machine takes its time for.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // One forgotten `.only` would silence the rest of its file.
    allowOnly: false,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    typecheck: {
      enabled: true,
      include: ['test/types/**/*.test-d.ts'],
      tsconfig: 'tsconfig.types.json',
    },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html'],
      thresholds: { lines: 85 },
    },
  },
});
