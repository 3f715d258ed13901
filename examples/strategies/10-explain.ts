/** explain(): why this proxy and none of the others. `npx tsx examples/strategies/10-explain.ts` */
import { createProxy, createRotator } from 'proxywhirl';
import { seededRandom } from 'proxywhirl/lab';

const names = ['quick', 'steady', 'banned', 'broken', 'drained', 'abroad'];
const proxies = names.map((name) =>
  createProxy({
    host: `${name}.example`,
    port: 8000,
    geo: { countryCode: name === 'abroad' ? 'US' : 'DE' },
  }),
);
const rotator = createRotator({ proxies, random: seededRandom(1) });
const url = 'https://shop.example/';

// What the engine has been through, told instead of sent.
for (let i = 0; i < 30; i++) {
  const lease = rotator.acquire({ url });
  const name = lease.proxy.host.replace('.example', '');
  if (name === 'broken') lease.fail({ verdict: 'proxy' });
  else if (name === 'banned') lease.fail({ verdict: 'banned', status: 403 });
  else lease.succeed({ latencyMs: name === 'quick' ? 20 : 80 });
}
const drained = rotator.pool.list(({ proxy }) => proxy.host === 'drained.example')[0];
if (drained !== undefined) rotator.pool.drain(drained.id);

rotator.setStrategy({ name: 'performance-based', explorationTrials: 0 });
const context = { url, country: 'DE' };
const explanation = rotator.explain(context);
console.log(`strategy ${explanation.strategy}, reason ${explanation.reason}`);
console.table(
  explanation.proxies.map(({ proxyId, status, reason, score }) => ({
    proxy: rotator.pool.get(proxyId)?.proxy.host,
    status,
    reason: reason ?? '-',
    'score (requests/s)': score === null ? '-' : Number(score.toFixed(1)),
  })),
);

const lease = rotator.acquire(context);
const same = lease.proxy.id === explanation.chosen;
console.log('acquire() with the same context takes', same ? 'the proxy that was explained' : 'another one');
lease.release();
