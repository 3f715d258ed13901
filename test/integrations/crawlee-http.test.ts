import {
  CheerioCrawler,
  type CheerioCrawlerOptions,
  Configuration,
  HttpCrawler,
  LogLevel,
  log,
} from 'crawlee';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { demoWorld, type Lab, type ProxySpec, startLab } from '../../src/lab/index.js';

beforeAll(() => log.setLevel(LogLevel.OFF));

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function world(proxies: ProxySpec[], pages = 200): Promise<Lab> {
  const lab = await startLab({ proxies, site: { pages } });
  open.push(lab);
  return lab;
}

function whirlOver(
  lab: Lab,
  options: Partial<Parameters<typeof proxywhirl>[0]> = {},
): ReturnType<typeof proxywhirl> {
  const whirl = proxywhirl({ proxies: lab.urls, ...options });
  open.push(whirl);
  return whirl;
}

function urls(lab: Lab, count: number, base = lab.site.httpUrl): string[] {
  return Array.from({ length: count }, (_, i) => new URL(`/page/${i + 1}`, base).href);
}

/** Crawls and returns what became of each URL. */
async function crawl(options: CheerioCrawlerOptions, list: string[], maxRequestRetries = 3) {
  const done: string[] = [];
  const failed: string[] = [];
  const crawler = new CheerioCrawler(
    {
      maxRequestRetries,
      navigationTimeoutSecs: 2,
      ...options,
      async requestHandler(context) {
        done.push(context.request.url);
        await options.requestHandler?.(context);
      },
      failedRequestHandler: ({ request }) => void failed.push(request.url),
    },
    new Configuration({ persistStorage: false }),
  );
  await crawler.run(list);
  return { done, failed, crawler };
}

describe('CheerioCrawler with nothing but proxyConfiguration', () => {
  it('C-02 gets every page of a pool in which 7 of 12 proxies are bad, with no failed request', async () => {
    const lab = await world(demoWorld());
    const whirl = whirlOver(lab);
    const { done, failed } = await crawl({ proxyConfiguration: whirl }, urls(lab, 200));

    expect(failed).toEqual([]);
    expect(new Set(done).size).toBe(200);
    const reports = new Map(whirl.rotator.stats().proxies.map((proxy) => [proxy.url, proxy]));
    for (const proxy of lab.proxies) {
      const report = reports.get(`http://${proxy.address}:${proxy.port}`);
      const good = proxy.name.startsWith('good');
      // One that refuses the password is away for longer.
      expect(good ? ['closed'] : ['open', 'auth-failed'], proxy.name).toContain(report?.health);
      expect(report?.succeeded, proxy.name).toBe(lab.site.byAddress.get(proxy.address)?.requests ?? 0);
      expect(report?.active, proxy.name).toBe(0);
      if (good) expect(report?.emaLatencyMs, proxy.name).toBeGreaterThan(0);
    }
  });

  it('C-04 sends a dead proxy nothing but probes once its breaker is open', async () => {
    const lab = await world([{ fault: 'dead' }, {}, {}]);
    const whirl = whirlOver(lab, { breaker: { openMs: 60_000 } });
    const selected: { proxyId: string; reason: string; opened: boolean }[] = [];
    const opened = new Set<string>();
    whirl.rotator.on('breaker', ({ proxyId, to }) => void (to === 'open' && opened.add(proxyId)));
    whirl.rotator.on('selected', ({ proxyId, reason }) => {
      selected.push({ proxyId, reason, opened: opened.has(proxyId) });
    });
    await crawl({ proxyConfiguration: whirl }, urls(lab, 60));

    expect(opened.size).toBe(1);
    expect(selected.filter((one) => one.opened && one.reason !== 'probe')).toEqual([]);
  });

  it('does not let a fault of the proxy cost the URL a retry', async () => {
    const lab = await world([{ fault: 'dead' }, { fault: 'dead' }, { fault: 'dead' }, {}]);
    const whirl = whirlOver(lab);
    const counts: number[] = [];
    const { failed } = await crawl(
      {
        proxyConfiguration: whirl,
        requestHandler: ({ request }) =>
          void counts.push(request.retryCount, request.sessionRotationCount ?? 0),
      },
      urls(lab, 12),
      0,
    );
    expect(failed).toEqual([]);
    expect(new Set(counts)).toEqual(new Set([0]));
  });

  it('gives back no more than freeRetries', async () => {
    const lab = await world([{ fault: 'dead' }, { fault: 'dead' }, { fault: 'dead' }, { fault: 'dead' }]);
    const whirl = whirlOver(lab, { freeRetries: 2, breaker: { threshold: 100 } });
    let attempts = 0;
    whirl.rotator.on('selected', () => {
      attempts += 1;
    });
    // Crawlee retries a SessionError, which a refused connection is, up to maxSessionRotations.
    const { failed } = await crawl({ proxyConfiguration: whirl, maxSessionRotations: 1 }, urls(lab, 1));
    expect(failed).toHaveLength(1);
    expect(attempts).toBe(4);
  });

  it('never retries on a proxy that failed the same request while another is left', async () => {
    const lab = await world([{ fault: 'dead' }, { fault: 'reset' }, { fault: 'close' }, {}]);
    const whirl = whirlOver(lab, { breaker: { threshold: 1000 } });
    const tried = new Map<string, string[]>();
    const errorHandler: CheerioCrawlerOptions['errorHandler'] = ({ request, proxyInfo }) => {
      tried.set(request.url, [...(tried.get(request.url) ?? []), proxyInfo?.url ?? 'direct']);
    };
    const { failed } = await crawl({ proxyConfiguration: whirl, errorHandler }, urls(lab, 30));
    expect(failed).toEqual([]);
    expect(tried.size).toBeGreaterThan(0);
    for (const proxies of tried.values()) expect(new Set(proxies).size).toBe(proxies.length);
  });

  it('finds out by a second proxy whether a refused content type is the proxy’s own page or the target’s', async () => {
    const lab = await world([
      { credentials: { username: 'u', password: 'right' }, wrongPassword: true },
      {},
      {},
    ]);
    const whirl = whirlOver(lab);
    const { failed } = await crawl({ proxyConfiguration: whirl }, [
      ...urls(lab, 30),
      new URL('/ip', lab.site.httpUrl).href,
    ]);
    // /ip serves a type of its own when asked for as a file: only it may fail, and no good proxy pays for it.
    expect(failed.filter((url) => url.includes('/page/'))).toEqual([]);
    const [bad, ...good] = whirl.rotator.stats().proxies;
    expect(bad?.succeeded).toBe(0);
    expect(bad?.failed).toBeGreaterThanOrEqual(5);
    for (const proxy of good) expect(proxy).toMatchObject({ failed: 0, health: 'closed' });
  });

  it('C-05 fails closed: an emptied pool never means a direct connection', async () => {
    const lab = await world([{}]);
    const whirl = whirlOver(lab);
    for (const { id } of whirl.rotator.pool.list()) whirl.rotator.pool.remove(id);
    const { failed } = await crawl({ proxyConfiguration: whirl }, urls(lab, 5));
    expect(failed).toHaveLength(5);
    expect(lab.site.counts.requests).toBe(0);
  });

  it('C-05 goes direct only when asked to', async () => {
    const lab = await world([{}]);
    const whirl = whirlOver(lab, { onEmpty: 'direct' });
    for (const { id } of whirl.rotator.pool.list()) whirl.rotator.pool.remove(id);
    const { done } = await crawl({ proxyConfiguration: whirl }, urls(lab, 5));
    expect(done).toHaveLength(5);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.1']);
  });
});

describe('sessions', () => {
  it.each(['http', 'https'] as const)(
    'C-04 keeps every request of a session on one address as the %s target saw it',
    async (scheme) => {
      const lab = await world([{}, {}, {}, {}, {}, {}, {}]);
      const whirl = whirlOver(lab);
      const addressBySession = new Map<string, Set<string>>();
      let requests = 0;
      const crawler = new HttpCrawler(
        {
          proxyConfiguration: whirl,
          ignoreSslErrors: true,
          sessionPoolOptions: { maxPoolSize: 5 },
          additionalMimeTypes: ['application/json'],
          requestHandler({ session, body }) {
            requests += 1;
            const { address } = JSON.parse(body.toString()) as { address: string };
            const id = session?.id ?? 'none';
            addressBySession.set(id, (addressBySession.get(id) ?? new Set()).add(address));
          },
        },
        new Configuration({ persistStorage: false }),
      );
      const base = scheme === 'http' ? lab.site.httpUrl : lab.site.httpsUrl;
      await crawler.run(Array.from({ length: 100 }, (_, i) => new URL(`/ip?n=${i}`, base).href));
      expect(requests).toBe(100);
      expect([...addressBySession.values()].map((addresses) => addresses.size)).toEqual(
        Array.from({ length: addressBySession.size }, () => 1),
      );
      expect(addressBySession.size).toBeGreaterThanOrEqual(5);
    },
  );

  it('moves a session of a crawl at the first fault of its proxy, under the same id, and never back', async () => {
    const lab = await world([{}, {}, { fault: 'close' }]);
    const whirl = whirlOver(lab, { breaker: { threshold: 1000 } });
    const bad = lab.proxies[2]?.address;
    const calls: { session: string; bad: boolean }[] = [];
    const failing = new Set<string>();
    const { failed } = await crawl(
      whirl.wire({
        maxConcurrency: 1,
        sessionPoolOptions: { maxPoolSize: 3 },
        preNavigationHooks: [
          ({ session, proxyInfo }) =>
            void calls.push({ session: session?.id ?? '', bad: proxyInfo?.hostname === bad }),
        ],
        errorHandler: ({ session }) => void failing.add(session?.id ?? ''),
      } satisfies CheerioCrawlerOptions),
      urls(lab, 30),
    );
    expect(failed).toEqual([]);
    expect(failing.size).toBe(1);
    const of = calls.filter(({ session }) => failing.has(session));
    expect(of.findLastIndex((call) => call.bad)).toBe(0);
    expect(of.length).toBeGreaterThan(3);
  });

  it('leaves a proxy with its session at the first fault, and keeps the session', async () => {
    const lab = await world([{}, {}, {}]);
    const whirl = whirlOver(lab);
    const first = await whirl.newProxyInfo('s1');
    const again = await whirl.newProxyInfo('s1');
    expect(again?.url).toBe(first?.url);
    const lease = whirl.rotator.acquire({ sessionId: 's1' });
    lease.fail({ verdict: 'proxy' });
    const moved = await whirl.newProxyInfo('s1');
    expect(moved?.url).not.toBe(first?.url);
    expect((await whirl.newProxyInfo('s1'))?.url).toBe(moved?.url);
  });
});

describe('wire()', () => {
  it('C-02 reports status and time to first byte, and keeps the user’s hooks and handlers in their order', async () => {
    const lab = await world([{ latencyMs: 30 }]);
    const whirl = whirlOver(lab);
    const order: string[] = [];
    const settled: string[] = [];
    whirl.rotator.on('settled', ({ verdict }) => void settled.push(verdict));
    const crawler = new CheerioCrawler(
      whirl.wire({
        maxRequestRetries: 1,
        maxConcurrency: 1,
        preNavigationHooks: [() => void order.push('pre 1'), () => void order.push('pre 2')],
        postNavigationHooks: [() => void order.push('post 1'), () => void order.push('post 2')],
        requestHandler: () => void order.push('handler'),
        errorHandler: () => void order.push('error'),
        failedRequestHandler: () => void order.push('failed'),
      } satisfies CheerioCrawlerOptions),
      new Configuration({ persistStorage: false }),
    );
    await crawler.run([...urls(lab, 1), new URL('/status/500', lab.site.httpUrl).href]);
    expect(order.slice(0, 5)).toEqual(['pre 1', 'pre 2', 'post 1', 'post 2', 'handler']);
    expect(order.filter((step) => step === 'error' || step === 'failed')).toEqual(['error', 'failed']);
    expect(settled).toEqual(['success', 'ambiguous', 'ambiguous']);
    expect(whirl.rotator.stats().proxies[0]?.emaLatencyMs).toBeGreaterThanOrEqual(30);
  });

  it('never hands the page of a proxy to the handler as if it were the target’s', async () => {
    const page = '<html><title>log in</title></html>';
    const refusal = {
      kind: 'connect-status',
      status: 407,
      body: page,
      headers: { 'content-type': 'text/html' },
    } as const;
    const lab = await world([{ fault: refusal }, {}]);
    const whirl = whirlOver(lab);
    const titles: string[] = [];
    const { failed } = await crawl(
      whirl.wire({
        proxyConfiguration: whirl,
        requestHandler: ({ $ }) => void titles.push($('title').text()),
      } satisfies CheerioCrawlerOptions),
      urls(lab, 10),
    );
    expect(failed).toEqual([]);
    expect(titles).not.toContain('log in');
    expect(titles).toHaveLength(10);
  });

  it('row 17 a ban with Retry-After cools the pair for as long as the site says', async () => {
    const lab = await world([{}, {}]);
    const [banned] = lab.proxies;
    lab.site.ban({ addresses: [banned?.address ?? ''], status: 429, retryAfterSeconds: 120 });
    const whirl = whirlOver(lab);
    const cooldowns: number[] = [];
    whirl.rotator.on('cooldown', ({ cooldownMs }) => void cooldowns.push(cooldownMs));
    const { failed } = await crawl(
      whirl.wire({ proxyConfiguration: whirl } satisfies CheerioCrawlerOptions),
      urls(lab, 20),
    );
    expect(failed).toEqual([]);
    expect(cooldowns.length).toBeGreaterThan(0);
    // The difference of two times of a real clock.
    expect(new Set(cooldowns.map(Math.round))).toEqual(new Set([120_000]));
  });

  it('does not throw into the crawl, whatever context a hook is given', async () => {
    const lab = await world([{}]);
    const { hooks } = whirlOver(lab);
    const contexts = [undefined, null, {}, { request: null }, { request: 1 }, { request: {}, response: 1 }];
    for (const hook of [...hooks.preNavigationHooks, ...hooks.postNavigationHooks, hooks.errorHandler]) {
      for (const context of contexts) await expect(hook(context as object)).resolves.toBeUndefined();
    }
  });
});
