/** geo-targeted: exits where you want them. `npx tsx examples/strategies/07-geo-targeted.ts` */
import { createProxy, createRotator, type Rotator, type StrategySpec } from 'proxywhirl';

const places = [
  { countryCode: 'DE', region: 'Bavaria', city: 'Munich' },
  { countryCode: 'DE', region: 'Hesse', city: 'Frankfurt' },
  { countryCode: 'AT', region: 'Vienna', city: 'Vienna' },
  { countryCode: 'US', region: 'Texas', city: 'Austin' },
];
const proxies = places.map((geo, i) => createProxy({ host: `203.0.113.${i + 1}`, port: 8000, geo }));

/** Where the next request would leave; no request is sent. */
function exit(rotator: Rotator, where: { country?: string; region?: string; city?: string }): string {
  try {
    const lease = rotator.acquire(where);
    lease.release();
    return `${lease.proxy.geo?.city}, ${lease.proxy.geo?.countryCode}`;
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

function withStrategy(strategy: StrategySpec): Rotator {
  return createRotator({ proxies, strategy });
}

const strict = withStrategy({ name: 'geo-targeted', countries: ['FR', 'AT'] });
console.table([
  { request: 'says nothing: settings, FR then AT', exit: exit(strict, {}) },
  { request: 'country DE', exit: exit(strict, { country: 'DE' }) },
  { request: 'country DE again: in turn', exit: exit(strict, { country: 'DE' }) },
  { request: 'country DE, region hesse', exit: exit(strict, { country: 'DE', region: 'hesse' }) },
  { request: 'city Austin, country US', exit: exit(strict, { country: 'US', city: 'Austin' }) },
  { request: 'country JP, noMatch error', exit: exit(strict, { country: 'JP' }) },
]);

const lenient = withStrategy({ name: 'geo-targeted', noMatch: 'any' });
console.log('country JP, noMatch any:', exit(lenient, { country: 'JP' }));

const weights = { '203.0.113.4': 1, '203.0.113.1': 0, '203.0.113.2': 0, '203.0.113.3': 0 };
const named = withStrategy({ name: 'geo-targeted', noMatch: { name: 'weighted', weights } });
console.log('country JP, noMatch weighted, all weight on the US:', exit(named, { country: 'JP' }));
