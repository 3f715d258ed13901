/** snapshot() and restore(): what was learned outlives the run. `npx tsx examples/strategies/11-snapshot.ts` */
import { createRotator, type Rotator } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';
import { namesOf, visit } from './support/visit.js';

await using lab = await startLab({
  proxies: [
    { name: 'fast', latencyMs: 5 },
    { name: 'slow', latencyMs: 60 },
    { name: 'dead', fault: 'dead' },
    { name: 'new', latencyMs: 5 },
  ],
});
const nameOf = namesOf(lab);
const url = lab.site.httpUrl;

function show(title: string, rotator: Rotator): void {
  console.log(title);
  console.table(
    rotator.pool.list().map(({ proxy, stats, health }) => ({
      proxy: nameOf(proxy),
      completed: stats.completed,
      succeeded: stats.succeeded,
      learned: stats.emaLatencyMs === null ? 'no latency' : 'a latency',
      health,
    })),
  );
}

const yesterday = createRotator({ proxies: lab.urls.slice(0, 3) });
for (let i = 0; i < 15; i++) await visit(yesterday.acquire({ url }), url);
await visit(yesterday.session('checkout-17').acquire({ url }), url);
show('Yesterday:', yesterday);

// Goes into a file or a database; takenAt is yours to keep, because the engine reads no calendar.
const kept = JSON.stringify({ takenAt: Date.now(), snapshot: yesterday.snapshot() });

// Today the list has a new proxy, and one of the old ones is gone.
const { takenAt, snapshot } = JSON.parse(kept);
const today = createRotator({ proxies: lab.urls.filter((_, i) => i !== 1) });
today.restore(snapshot, Date.now() - takenAt);
show('Today, restored onto another list:', today);

const { proxy } = today.session('checkout-17').acquire({ url });
console.log('checkout-17 is still with', nameOf(proxy));
