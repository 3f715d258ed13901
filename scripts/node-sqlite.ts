/**
 * The tests of the cache where better-sqlite3 is not installed, on Node 22 and 24 from the registry, whose own SQLite
 * takes its place. Arguments are other versions of Node: `npm run test:node-sqlite -- 22.13.0`.
 */
import { spawnSync } from 'node:child_process';
import { bareCopy } from '../test/support/bare-copy.js';

// The others make or damage databases with better-sqlite3 themselves, or hold no database.
const tests = ['sqlite-tier', 'sqlite-driver', 'sqlite-fallback', 'latency', 'engine-cache', 'engine-record'];
const given = process.argv.slice(2);

using copy = bareCopy('better-sqlite3');
for (const version of given.length > 0 ? given : ['22', '24']) {
  console.log(`Node ${version}`);
  const vitest = [
    'node',
    'node_modules/vitest/vitest.mjs',
    'run',
    ...tests.map((name) => `test/cache/${name}.test.ts`),
  ];
  const { status } = spawnSync('npx', ['-y', '-p', `node@${version}`, ...vitest], {
    cwd: copy.dir,
    stdio: 'inherit',
    // Each thread would say that node:sqlite is experimental.
    env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
  });
  if (status !== 0) process.exitCode = 1;
}
