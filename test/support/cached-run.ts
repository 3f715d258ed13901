/**
 * A process of its own that keeps one proxy in a cache of SQLite alone, and prints as JSON which library it found and
 * what the cache said: `cached-run.ts <dir>`.
 */
import { loadSqlDriver } from '../../src/cache/sqlite-driver.js';
import { proxywhirl } from '../../src/index.js';

const dir = process.argv[2] ?? '';
const library = await loadSqlDriver().then(
  ({ name }) => name,
  ({ message }: Error) => message,
);
const whirl = proxywhirl({ proxies: ['203.0.113.7:8000'], cache: { dir, tiers: ['sqlite'] } });
const said: Record<string, unknown> = {};
whirl.cache?.on('loaded', ({ restored }) => {
  said.restored = restored;
});
whirl.cache?.on('degraded', ({ tier, error }) => {
  said.degraded = { tier, code: (error as { code?: string }).code, message: error.message };
});
await whirl.ready();
const lease = whirl.rotator.acquire();
lease.succeed({ latencyMs: 20 });
await whirl.flush();
await whirl.close();
const { succeeded } = whirl.rotator.stats().proxies[0] ?? {};
console.log(JSON.stringify({ library, ...said, succeeded }));
