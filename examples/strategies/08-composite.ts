/** composite: filters, then a selector. `npx tsx examples/strategies/08-composite.ts` */
import { composite, createProxy, createRotator, leastUsed, type StrategySpec } from 'proxywhirl';

const proxies = [
  createProxy({ host: 'de-home-1.example', port: 8000, geo: { countryCode: 'DE' }, tags: ['home'], cost: 8 }),
  createProxy({ host: 'de-home-2.example', port: 8000, geo: { countryCode: 'DE' }, tags: ['home'], cost: 3 }),
  createProxy({ host: 'de-rack.example', port: 8000, geo: { countryCode: 'DE' }, tags: ['rack'], cost: 1 }),
  createProxy({ host: 'us-home.example', port: 8000, geo: { countryCode: 'US' }, tags: ['home'], cost: 2 }),
];

function show(title: string, strategy: StrategySpec): void {
  const rotator = createRotator({ proxies, strategy });
  const hosts = Array.from({ length: 4 }, () => {
    const lease = rotator.acquire();
    lease.release();
    return lease.proxy.host.replace('.example', '');
  });
  console.log(`${title}:`, hosts.join(' '));
}

show('German', {
  name: 'composite',
  filters: [{ name: 'geo-targeted', countries: ['DE'] }],
  selector: 'round-robin',
});
show('German homes', {
  name: 'composite',
  filters: [
    { name: 'geo-targeted', countries: ['DE'] },
    { name: 'tags', tags: ['home'] },
  ],
  selector: 'round-robin',
});
show(
  'German homes below 5',
  composite({
    filters: [({ proxy }) => proxy.geo?.countryCode === 'DE', ({ proxy }) => (proxy.cost ?? 0) < 5],
    selector: leastUsed(),
  }),
);

try {
  show('Wrong', { name: 'composite', filters: [{ name: 'tags' }], selector: 'round-robin' });
} catch (error) {
  console.log((error as Error).message);
}
