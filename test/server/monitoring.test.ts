import { describe, expect, it } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { createApp } from '../../src/server/app.js';
import { apiVersion } from '../../src/server/version.js';
import { FakeClock } from '../support/fake-clock.js';
import { blame, proxyLines } from '../support/test-engine.js';
import { type ApiAnswer, callApi, startApi } from './api-world.js';

interface Monitored {
  readonly whirl: ReturnType<typeof proxywhirl>;
  readonly clock: FakeClock;
  readonly app: ReturnType<typeof createApp>;
  get<Data>(path: string): Promise<ApiAnswer<Data>>;
}

/** The API over proxies that do not exist, on a clock of ours: outcomes are settled by hand. */
function monitored(count: number): Monitored {
  const clock = new FakeClock();
  const whirl = proxywhirl({ proxies: proxyLines(count), clock, panic: { share: 0 } });
  const app = createApp({ whirl, rateLimits: { perMinute: 100_000 } });
  return { whirl, clock, app, get: (path) => callApi(app, 'GET', path) };
}

describe('A-30 GET /health', () => {
  it('A-30 healthy, degraded below half, unhealthy with nothing left, and with an empty pool', async () => {
    const { whirl, clock, get } = monitored(4);
    const ids = whirl.rotator.pool.list().map(({ id }) => id);
    const seen: unknown[] = [];
    for (const id of [null, ...ids]) {
      if (id !== null) blame(whirl.rotator, id, 5);
      const { status, data } = await get<{ status: string }>('/health');
      seen.push([status, data.status]);
    }
    expect(seen).toEqual([
      [200, 'healthy'],
      [200, 'healthy'],
      [200, 'healthy'],
      [200, 'degraded'],
      [503, 'unhealthy'],
    ]);
    for (const id of ids) whirl.rotator.pool.remove(id);
    clock.advance(2_500);
    const { status, data } = await get<Record<string, unknown>>('/health');
    expect([status, data]).toMatchObject([
      503,
      { status: 'unhealthy', uptimeSeconds: 2.5, version: apiVersion },
    ]);
    expect(Object.keys(data)).toEqual(['status', 'uptimeSeconds', 'version', 'timestamp']);
    await whirl.close();
  });
});

describe('A-31 GET /ready', () => {
  it('A-31 is ready while a proxy can be used, and 503 when none can', async () => {
    const { whirl, get } = monitored(1);
    const ready = await get('/ready');
    expect([ready.status, ready.data]).toEqual([
      200,
      { ready: true, checks: { proxy_pool: 'ok', cache: 'off' } },
    ]);
    blame(whirl.rotator, whirl.rotator.pool.list()[0]?.id ?? '', 5);
    const { status, data } = await get('/ready');
    expect([status, data]).toEqual([503, { ready: false, checks: { proxy_pool: 'failed', cache: 'off' } }]);
    await whirl.close();
  });
});

describe('A-32 GET /status', () => {
  it('A-32 counts the pool, and knows when a request last came through another proxy than the one before', async () => {
    await using world = await startApi({ lab: { proxies: 3 } });
    const before = await world.call<{ pool: object }>('GET', '/status');
    expect(before.data).toMatchObject({
      pool: { total: 3, healthy: 3, unhealthy: 0, healthyPercentage: 100, lastRotation: null },
      strategy: 'round-robin',
      cache: null,
      configuration: { source: 'options' },
    });
    await world.call('POST', '/request', { url: `${world.lab.site.httpUrl}/ip` });
    await world.call('PUT', '/config', { timeout: 20 });
    blame(world.whirl.rotator, world.whirl.rotator.pool.list()[0]?.id ?? '', 5);
    const { data } = await world.call<{ pool: { lastRotation: string } }>('GET', '/status');
    expect(data).toMatchObject({
      pool: { healthy: 2, unhealthy: 1, healthyPercentage: 66.67 },
      configuration: { source: 'api' },
    });
    expect(Date.parse(data.pool.lastRotation)).toBeLessThanOrEqual(Date.now());
  });
});

describe('A-33 GET /stats and /metrics', () => {
  it('A-33 sums, rates over the last minute, mean latency by successes, and figures of each proxy', async () => {
    const { whirl, clock, get } = monitored(2);
    const { rotator } = whirl;
    for (let i = 0; i < 30; i++) {
      clock.advance(1_000);
      rotator.acquire().succeed({ latencyMs: i % 2 === 0 ? 100 : 300 });
    }
    rotator.acquire().fail({ verdict: 'proxy' });
    rotator.acquire();
    const { data } = await get<Record<string, Record<string, number>>>('/stats');
    expect(data).toMatchObject({
      requests: { total: 32, successful: 30, failed: 1, active: 1, errorRate: 1 / 31, meanLatencyMs: 200 },
      sessions: 0,
      proxiesOmitted: 0,
    });
    // 31 requests in 30 s.
    expect(data.requests?.perSecond).toBeCloseTo(31 / 30, 5);
    expect(data.proxies).toHaveLength(2);
    clock.advance(61_000);
    expect((await get<typeof data>('/stats')).data.requests?.perSecond).toBe(0);
    await whirl.close();
  });

  it('A-33 metrics are Prometheus text by default, JSON when asked for; counters never fall', async () => {
    const { whirl, app } = monitored(2);
    const { rotator } = whirl;
    rotator.acquire().succeed({ latencyMs: 50 });
    rotator.acquire().fail({ verdict: 'target' });
    const ask = (accept: string): Promise<Response> =>
      app(new Request('http://localhost/api/v1/metrics', { headers: { accept } }));
    for (const { id } of rotator.pool.list()) rotator.pool.remove(id);
    const text = await ask('*/*');
    expect(text.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = (await text.text()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'proxywhirl_requests_total{verdict="success"} 1',
        'proxywhirl_requests_total{verdict="target"} 1',
        'proxywhirl_proxies{state="healthy"} 0',
      ]),
    );
    // The grammar of the format: a comment, or a name with labels and a number.
    for (const line of lines.slice(0, -1))
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"\\]*"(?:,\w+="[^"\\]*")*\})? -?[\d.e+-]+)$/,
      );
    const json = await ask('application/json');
    expect((await json.json()).data).toMatchObject({ requests: { total: 0 }, proxies: [] });
    await whirl.close();
  });

  it('A-33 10,000 proxies: the busiest 100 have lines, and the text is far below 1 MB', async () => {
    const { whirl, app, get } = monitored(10_000);
    const { rotator } = whirl;
    const busy = rotator.pool.list().slice(5_000, 5_100);
    for (const { id } of busy) rotator.acquireCarrier(id)?.succeed({ latencyMs: 10 });
    const text = await (await app(new Request('http://localhost/api/v1/metrics'))).text();
    expect(Buffer.byteLength(text)).toBeLessThan(1_048_576 / 20);
    const named = new Set([...text.matchAll(/proxy="(\w+)"/g)].map((match) => match[1]));
    expect(named).toEqual(new Set(busy.map(({ id }) => id)));
    const { data } = await get<{ proxies: unknown[]; proxiesOmitted: number }>('/stats');
    expect([data.proxies.length, data.proxiesOmitted]).toEqual([100, 9_900]);
    await whirl.close();
  });

  it('A-52 large answers are compressed for who takes gzip, and for nobody else', async () => {
    const { whirl, app } = monitored(200);
    const ask = (coding: string, path = 'stats'): Promise<Response> =>
      app(new Request(`http://localhost/api/v1/${path}`, { headers: { 'accept-encoding': coding } }));
    const plain = await ask('identity');
    const packed = await ask('br, gzip;q=0.5');
    expect([plain.headers.get('content-encoding'), plain.headers.get('vary')]).toEqual([
      null,
      'Accept-Encoding',
    ]);
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    const bytes = new Uint8Array(await packed.arrayBuffer());
    expect(bytes.length).toBe(Number(packed.headers.get('content-length')));
    const { gunzipSync } = await import('node:zlib');
    const { meta: _, ...answer } = JSON.parse(gunzipSync(bytes).toString());
    expect(answer.data).toEqual((await plain.json()).data);
    expect((await ask('gzip;q=0')).headers.get('content-encoding')).toBeNull();
    expect((await ask('gzip', 'health')).headers.get('content-encoding')).toBeNull();
    await whirl.close();
  });
});
