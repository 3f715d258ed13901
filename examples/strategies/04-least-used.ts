/** least-used: the one with the fewest requests in flight. `npx tsx examples/strategies/04-least-used.ts` */
import { createRotator } from 'proxywhirl';
import { type ProxySpec, startLab } from 'proxywhirl/lab';
import { namesOf, visit } from './support/visit.js';

const specs: ProxySpec[] = [
  { name: 'fast', latencyMs: 10 },
  { name: 'medium', latencyMs: 40 },
  { name: 'slow', latencyMs: 120 },
];
await using lab = await startLab({ proxies: specs });
const rotator = createRotator({ proxies: lab.urls, strategy: 'least-used' });
const nameOf = namesOf(lab);

const most = new Map<string, number>();
let left = 60;

/** One of six that work side by side. */
async function worker(): Promise<void> {
  while (left-- > 0) {
    const lease = rotator.acquire({ url: lab.site.httpUrl });
    const active = rotator.pool.get(lease.proxy.id)?.stats.active ?? 0;
    const name = nameOf(lease.proxy);
    most.set(name, Math.max(most.get(name) ?? 0, active));
    await visit(lease, lab.site.httpUrl);
  }
}

await Promise.all(Array.from({ length: 6 }, worker));

const rows = rotator.pool.list().map(({ proxy, stats }) => ({
  proxy: nameOf(proxy),
  requests: stats.completed,
  'most at once': most.get(nameOf(proxy)) ?? 0,
}));
console.table(rows);
console.log('Six in flight over three proxies, most at once on one of them:', Math.max(...most.values()));
const byRequests = rows.sort((a, b) => b.requests - a.requests).map(({ proxy }) => proxy);
console.log('Most requests first:', byRequests.join(', '));
