/**
 * Undici and Node's own fetch through the pool, half of which is dead. `npx tsx examples/clients/undici.ts`
 */
import { proxywhirl } from 'proxywhirl';
import { labCaPem, startLab } from 'proxywhirl/lab';
import { whirlDispatcher } from 'proxywhirl/undici';
import { interceptors, request } from 'undici';

const dead = { fault: 'dead' } as const;
await using lab = await startLab({ proxies: [dead, {}, dead, {}] });
await using whirl = proxywhirl({ proxies: lab.urls });
const dispatcher = whirlDispatcher(whirl, { tls: { ca: labCaPem } });

// One attempt per request: a retry of undici's takes another proxy each time.
const retrying = dispatcher.compose(interceptors.retry({ minTimeout: 1, errorCodes: ['PW_PROXY_REFUSED'] }));
let pages = 0;
for (let n = 1; n <= 20; n++) {
  const { statusCode, body } = await request(`${lab.site.httpsUrl}/page/${n}`, { dispatcher: retrying });
  await body.dump();
  if (statusCode === 200) pages += 1;
}
console.log(`${pages} of 20 pages`);

const cart = dispatcher.with({ sessionId: 'cart-1' });
const addresses = new Set<string>();
for (let n = 0; n < 5; n++) {
  const { body } = await request(`${lab.site.httpsUrl}/ip`, { dispatcher: cart });
  addresses.add(await body.text());
}
console.log(`the session came from ${addresses.size} address`);

// From here on, every fetch of the process.
dispatcher.install();
const response = await fetch(`${lab.site.httpsUrl}/page/1`);
console.log(`fetch: ${response.status}`);
await response.body?.cancel();
console.log(`direct: ${lab.site.byAddress.get('127.0.0.1')?.requests ?? 0}`);
