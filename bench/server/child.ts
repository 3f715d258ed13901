/** One server, in a process of its own so that its CPU time is its own: the API, or bare node:http with the same answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { proxywhirl } from '../../src/index.js';
import { startLab } from '../../src/lab/index.js';
import { resolveApiOptions } from '../../src/server/api-options.js';
import { serve } from '../../src/server/index.js';
import { LiveConfig } from '../../src/server/live-config.js';
import { proxyResource } from '../../src/server/proxy-resource.js';
import { ProxyTimes } from '../../src/server/proxy-times.js';
import { key, readPaths } from './load.js';

const [role = ''] = process.argv.slice(2);

interface Ask {
  /** CPU time so far, or times of so many calls of `whirl.fetch` in ms. */
  readonly ask: 'cpu' | 'fetch';
  readonly url?: string;
  readonly count?: number;
}

/** No proxy exists: nothing is sent through them. */
const proxies = Array.from({ length: role === 'metrics' ? 10_000 : 500 }, (_, i) => {
  return `http://10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:8000`;
});

if (role === 'bare') {
  const { rotator } = proxywhirl({ proxies });
  const { signal: draining } = new AbortController();
  const options = resolveApiOptions({});
  const times = new ProxyTimes({ rotator, options, draining });
  /** What the routes put into their envelopes, made by the same code from the same engine, and nothing else. */
  const page = (page_size: number): object => {
    const found = rotator.pool.list();
    const now = rotator.clock.now();
    return {
      items: found.slice(0, page_size).map((member) => proxyResource(member, times, now)),
      total: found.length,
      page: 1,
      page_size,
      has_next: true,
      has_prev: false,
    };
  };
  const config = new LiveConfig(rotator, options);
  const auth = { required: true, keys: 1 };
  const contents: (() => object)[] = [
    () => ({ ...config.view(), auth, corsOrigins: [] }),
    () => page(50),
    () => page(500),
  ];
  const routes = new Map(readPaths.map((path, i) => [path, contents[i]]));
  const server = createServer((request, response) => {
    const body = JSON.stringify(routes.get(request.url ?? '')?.());
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  });
  process.on('message', () => process.send?.(process.cpuUsage()));
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
} else {
  const lab = role === 'request' ? await startLab({ proxies: 3 }) : null;
  const whirl = proxywhirl({ proxies: lab === null ? proxies : [...lab.urls] });
  const server = await serve({
    whirl,
    port: 0,
    keys: [{ name: 'bench', key }],
    allowPrivateTargets: true,
    rateLimits: { perMinute: 1_000_000, requestsPerMinute: 1_000_000 },
  });
  if (role === 'metrics')
    for (const { id } of whirl.rotator.pool.list())
      whirl.rotator.acquireCarrier(id)?.succeed({ latencyMs: 50 });
  process.on('message', async ({ ask, url = '', count = 0 }: Ask) => {
    if (ask === 'cpu') process.send?.(process.cpuUsage());
    if (ask === 'fetch') {
      const times: number[] = [];
      for (let i = 0; i < count; i++) {
        const startedAt = performance.now();
        await (await whirl.fetch(url)).text();
        times.push(performance.now() - startedAt);
      }
      process.send?.(times);
    }
  });
  process.send?.({ port: server.port, site: lab?.site.httpUrl ?? '' });
}
