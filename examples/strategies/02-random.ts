/** random: each available proxy with the same chance. `npx tsx examples/strategies/02-random.ts` */
import { createRotator } from 'proxywhirl';
import { seededRandom } from 'proxywhirl/lab';

const proxies = ['203.0.113.1:8000', '203.0.113.2:8000', '203.0.113.3:8000', '203.0.113.4:8000'];

/** No request is sent: the leases are given back at once. */
function picks(requests: number, seed: number): string[] {
  const rotator = createRotator({ proxies, strategy: 'random', random: seededRandom(seed) });
  return Array.from({ length: requests }, () => {
    const lease = rotator.acquire();
    lease.release();
    return lease.proxy.host;
  });
}

const counts: Record<string, { requests: number }> = {};
for (const host of picks(4000, 7)) counts[host] = { requests: (counts[host]?.requests ?? 0) + 1 };
console.table(Object.fromEntries(Object.entries(counts).sort()));

const [first, again, other] = [picks(12, 1), picks(12, 1), picks(12, 2)].map((hosts) =>
  hosts.map((host) => host.slice(-1)).join(' '),
);
console.log('seed 1:      ', first);
console.log('seed 1 again:', again, first === again ? '(the same)' : '(different)');
console.log('seed 2:      ', other);
