/**
 * Requests through the pool of a running server. `npx tsx examples/api/proxied-requests.ts`
 */
import { call } from './call.js';

interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: string;
  readonly bodyEncoding: 'text' | 'base64';
  readonly proxyUsed: { readonly id: string; readonly url: string };
  readonly attempts: number;
}

const url = process.env.TARGET_URL ?? 'https://example.com/';

const page = await call<Answer>('POST', '/request', { url, headers: { accept: 'text/html' }, timeout: 20 });
console.log(`GET: ${page.statusCode}, ${page.body.length} characters, attempts: ${page.attempts}`);

const posted = await call<Answer>('POST', '/request', {
  url,
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ hello: 'world' }),
});
console.log(`POST: ${posted.statusCode}`);

// All requests of a session use one proxy.
const used = new Set<string>();
for (let i = 0; i < 3; i++) {
  const { proxyUsed } = await call<Answer>('POST', '/request', { url, sessionId: 'basket-1' });
  used.add(proxyUsed.id);
}
console.log(`the session used ${used.size} proxy`);
