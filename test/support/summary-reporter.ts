import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** What `scripts/verify.mjs` reads to print its last line. */
export interface TestSummary {
  passed: number;
  failed: number;
  skipped: string[];
}

/**
 * Counts by hand what vitest's own totals leave out: a file that does not load and an error outside any test are
 * failures, and so is a skipped test where nothing may be skipped (`CI` or `PROXYWHIRL_REQUIRE_ALL` is set).
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const summary = summarize(modules);
    summary.failed += unhandledErrors.length;
    if (requireAll()) {
      for (const name of summary.skipped) console.error(`Skipped, and nothing may be skipped here: ${name}`);
      summary.failed += summary.skipped.length;
      if (summary.skipped.length > 0) process.exitCode = 1;
    }
    const file = process.env.PROXYWHIRL_TEST_SUMMARY;
    if (file) writeFileSync(file, JSON.stringify(summary));
  }
}

/** Whether a test that cannot run on this machine is a failure. */
export function requireAll(env: NodeJS.ProcessEnv = process.env): boolean {
  return [env.CI, env.PROXYWHIRL_REQUIRE_ALL].some((value) => value && value !== '0' && value !== 'false');
}

function summarize(modules: readonly TestModule[]): TestSummary {
  const summary: TestSummary = { passed: 0, failed: 0, skipped: [] };
  for (const module of modules) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') summary.passed += 1;
      else if (state === 'failed') failedTests += 1;
      else summary.skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
    }
    // A file or a hook that fails leaves no failed test behind.
    summary.failed += failedTests === 0 && module.state() === 'failed' ? 1 : failedTests;
  }
  return summary;
}
