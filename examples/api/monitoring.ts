/**
 * How a running server and its pool do. `npx tsx examples/api/monitoring.ts`
 */
import { api, call, headers } from './call.js';

const health = await call<{ status: string }>('GET', '/health');
const ready = await call<{ ready: boolean }>('GET', '/ready');
console.log(`health: ${health.status}, ready: ${ready.ready}`);

const { pool, strategy } = await call<{ pool: { total: number; healthy: number }; strategy: string }>(
  'GET',
  '/status',
);
console.log(`status: ${pool.healthy} of ${pool.total} proxies by ${strategy}`);

const { requests } = await call<{ requests: { total: number; errorRate: number } }>('GET', '/stats');
console.log(`stats: ${requests.total} requests so far, errors ${requests.errorRate}`);

// For Prometheus this is text and no envelope.
const metrics = await (await fetch(`${api}/metrics`, { headers })).text();
console.log(`metrics: ${metrics.split('\n').filter((line) => line.startsWith('# TYPE')).length} kinds`);

// Server-sent events, one block of lines each; of all there are, until two have come.
const following = new AbortController();
const events = await fetch(`${api}/events?type=selected,settled`, { headers, signal: following.signal });
const url = process.env.TARGET_URL ?? 'https://example.com/';
const request = call('POST', '/request', { url });
let text = '';
const decoder = new TextDecoder();
for await (const chunk of events.body ?? []) {
  text += decoder.decode(chunk, { stream: true });
  if (/event: settled\ndata: .*\n\n/.test(text)) break;
}
following.abort();
await request;
for (const [, event] of text.matchAll(/^event: (\w+)$/gm)) console.log(`event: ${event}`);

const document = (await (await fetch(`${api}/openapi.json`, { headers })).json()) as { openapi: string };
console.log(`described by OpenAPI ${document.openapi}`);
