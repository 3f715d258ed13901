/**
 * Global setup of vitest: finds (and if need be unpacks) Chromium once, before the workers start, and tells them
 * where it is: `inject('chromium')`. Null where there is none; with CI or PROXYWHIRL_REQUIRE_ALL=1 that is a failure.
 */
import type { TestProject } from 'vitest/node';
import { type ChromiumLaunch, findChromium } from '../../scripts/chromium.js';
import { requireAll } from './summary-reporter.js';

declare module 'vitest' {
  interface ProvidedContext {
    chromium: ChromiumLaunch | null;
  }
}

export async function setup(project: TestProject): Promise<void> {
  try {
    project.provide('chromium', await findChromium());
  } catch (error) {
    if (requireAll(process.env)) throw error;
    process.stderr.write(`${(error as Error).message} (browser tests will fail)\n`);
    project.provide('chromium', null);
  }
}
