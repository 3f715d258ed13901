import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { bareCopy } from '../support/bare-copy.js';

// `npm run test:node-sqlite` runs the contract of a tier and the engine's tests in the same surroundings.
it('K-03 K-61 where better-sqlite3 is not installed, Node keeps the cache itself, or the error names the fix and the engine goes on', async () => {
  using copy = bareCopy('better-sqlite3');
  const run = async (): Promise<Record<string, unknown>> => {
    const args = ['--import', 'tsx', 'test/support/cached-run.ts', join(copy.dir, 'cache')];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: copy.dir });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const [first, second] = [await run(), await run()];
  if (process.getBuiltinModule('node:sqlite') !== undefined) {
    expect(first).toEqual({ library: 'node:sqlite', restored: 0, succeeded: 1 });
    expect(second).toEqual({ library: 'node:sqlite', restored: 1, succeeded: 2 });
    return;
  }
  const fix = 'install better-sqlite3 with its build step, or use Node 22.13 or newer';
  for (const one of [first, second]) {
    expect(one.library).toContain(fix);
    expect(one.degraded).toEqual({
      tier: 'sqlite',
      code: 'PW_CACHE_STORAGE',
      message: expect.stringContaining(fix),
    });
    expect([one.restored, one.succeeded]).toEqual([0, 1]);
  }
});
