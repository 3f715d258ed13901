/**
 * The tests of the cache with the whole number of kills, damages, writers and seals: some fifteen minutes.
 * Arguments go to vitest: `npm run soak:cache -- -t "on disk: file"`.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/cache', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PROXYWHIRL_CACHE_KILLS: '200',
    PROXYWHIRL_CACHE_DAMAGES: '1000',
    PROXYWHIRL_CACHE_PUTS: '2500',
    PROXYWHIRL_CACHE_STOPS: '100',
    PROXYWHIRL_CACHE_SEALS: '1000000',
  },
});
process.exitCode = status ?? 1;
