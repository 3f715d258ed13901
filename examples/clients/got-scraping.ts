/**
 * Got-scraping through the pool, with connections that are kept. `npx tsx examples/clients/got-scraping.ts`
 */
import { gotScraping } from 'got-scraping';
import { proxywhirl } from 'proxywhirl';
import { whirlGot } from 'proxywhirl/got-scraping';
import { startLab } from 'proxywhirl/lab';

await using lab = await startLab({ proxies: [{}, {}, { kind: 'socks5' }] });
await using whirl = proxywhirl({ proxies: lab.urls });
const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));

const seen = new Set<string>();
for (let n = 0; n < 30; n++) {
  const { address } = await got(`${lab.site.httpsUrl}/ip`).json<{ address: string }>();
  seen.add(address);
}
const connections = lab.proxies.reduce((sum, { stats }) => sum + stats.connections, 0);
console.log(`30 requests from ${seen.size} addresses, kept connections: ${connections <= 12}`);

const cart = new Set<string>();
for (let n = 0; n < 5; n++) {
  const context = { sessionId: 'cart-1' };
  cart.add((await got(`${lab.site.httpsUrl}/ip`, { context })).body);
}
console.log(`the session came from ${cart.size} address`);

let bytes = 0;
for await (const chunk of got.stream(`${lab.site.httpsUrl}/page/1`)) bytes += (chunk as Buffer).byteLength;
console.log(`a stream of ${bytes > 2_000 ? 'more than 2,000' : bytes} bytes`);
console.log(`direct: ${lab.site.byAddress.get('127.0.0.1')?.requests ?? 0}`);
