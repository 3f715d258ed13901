/** weighted: by weights of your own, or by success rate. `npx tsx examples/strategies/03-weighted.ts` */
import { createRotator, type Rotator } from 'proxywhirl';
import { seededRandom } from 'proxywhirl/lab';

const proxies = ['big.example:8000', 'small.example:8000', 'retired.example:8000'];

/** Share of each proxy in 4000 choices; no request is sent. */
function shares(rotator: Rotator): Record<string, { share: string }> {
  const counts = new Map(rotator.pool.list().map(({ proxy }) => [proxy.host, 0]));
  for (let i = 0; i < 4000; i++) {
    const lease = rotator.acquire();
    counts.set(lease.proxy.host, (counts.get(lease.proxy.host) ?? 0) + 1);
    lease.release();
  }
  return Object.fromEntries([...counts].map(([host, n]) => [host, { share: `${Math.round(n / 40)} %` }]));
}

console.log('Weights 3 : 1 : 0');
const byWeight = createRotator({
  proxies,
  strategy: { name: 'weighted', weights: { 'big.example': 3, 'small.example': 1, 'retired.example': 0 } },
  random: seededRandom(1),
});
console.table(shares(byWeight));

console.log('No weights: by success rate, here 9, 6 and 3 of 10');
const bySuccess = createRotator({
  proxies,
  strategy: 'round-robin',
  // The last one fails more often than not: without this its breaker would open, and it would have no share.
  breaker: { rateShare: 0 },
  random: seededRandom(1),
});
const goodOnes: Record<string, number> = { 'big.example': 9, 'small.example': 6, 'retired.example': 3 };
for (let i = 0; i < 30; i++) {
  const lease = bySuccess.acquire();
  // Good and bad alternate: five faults in a row would open the breaker as well.
  const turn = (Math.floor(i / 3) * 7) % 10;
  if (turn < (goodOnes[lease.proxy.host] ?? 0)) lease.succeed({ latencyMs: 50 });
  else lease.fail({ verdict: 'proxy' });
}
bySuccess.setStrategy('weighted');
console.table(shares(bySuccess));
