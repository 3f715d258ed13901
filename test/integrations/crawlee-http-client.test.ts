import {
  AdaptivePlaywrightCrawler,
  type AdaptivePlaywrightCrawlerOptions,
  type BaseHttpClient,
  CheerioCrawler,
  Configuration,
  FileDownload,
  GotScrapingHttpClient,
  type HttpRequest,
  RobotsTxtFile,
} from 'crawlee';
import { chromium } from 'playwright';
import { describe, expect, inject, it } from 'vitest';
import type { ProxyWhirl } from '../../src/index.js';
import type { TargetSiteOptions } from '../../src/lab/index.js';
import { startSink } from './client-lab.js';
import { crawlPages, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

const quiet = (): Configuration => new Configuration({ persistStorage: false });

/** Crawlee's own client, which writes down what it is asked. */
class NotedClient extends GotScrapingHttpClient {
  readonly requests: HttpRequest[] = [];

  override stream(...args: Parameters<GotScrapingHttpClient['stream']>) {
    this.requests.push(args[0]);
    return super.stream(...args);
  }
}

describe('wire() and an HTTP client', () => {
  it('keeps the user’s own, and hands it nothing of ours but the proxy', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const httpClient = new NotedClient();
    const { failed } = await crawlPages(whirl, pageUrls(lab.site.httpsUrl, 2), { httpClient });
    expect(failed).toEqual([]);
    expect(httpClient.requests).toHaveLength(2);
    for (const request of httpClient.requests) {
      expect(request.proxyUrl).toBe(lab.urls[0]);
      expect(Object.getOwnPropertySymbols(request)).toEqual([]);
    }
  });

  it('judges by the error that the client threw, of which Crawlee makes a text', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const broken: BaseHttpClient = {
      sendRequest: () => Promise.reject(new Error('not used')),
      // Crawlee keeps the message alone, which could mean anything.
      stream: () =>
        Promise.reject(
          new Error('socket hang up ECONNRESET', {
            cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
          }),
        ),
    };
    const options = { httpClient: broken, maxRequestRetries: 0 };
    await crawlPages(whirl, [lab.site.httpsUrl], options);
    expect(settled.length).toBeGreaterThan(0);
    expect(new Set(settled.map(({ verdict }) => verdict))).toEqual(new Set(['proxy']));
  });

  it('C-02 counts what handlers send besides, for the proxy that carries it', async () => {
    const lab = await labOf([{}, {}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const seen: [string, string | undefined][] = [];
    const { failed } = await crawlPages(whirl, pageUrls(lab.site.httpsUrl, 4), {
      async requestHandler({ sendRequest, proxyInfo }) {
        const { body } = await sendRequest({ url: `${lab.site.httpUrl}/ip` });
        seen.push([(JSON.parse(body) as { address: string }).address, proxyInfo?.hostname]);
        const { statusCode } = await sendRequest({ url: `${lab.site.httpUrl}/status/429` });
        expect(statusCode).toBe(429);
      },
    });
    expect(failed).toEqual([]);
    for (const [address, named] of seen) expect(address).toBe(named);
    const verdicts = settled.map(({ verdict }) => verdict);
    expect(verdicts.filter((verdict) => verdict === 'success')).toHaveLength(8);
    expect(verdicts.filter((verdict) => verdict === 'banned')).toHaveLength(4);
    for (const [address, { requests }] of lab.site.byAddress) {
      const id = whirl.rotator.pool.list().find(({ proxy }) => proxy.host === address)?.id;
      expect(settled.filter(({ proxyId }) => proxyId === id)).toHaveLength(requests);
    }
  });

  it('never gives the page of a proxy for the answer to a handler’s own request', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const errors: string[] = [];
    await crawlPages(whirl, pageUrls(lab.site.httpsUrl, 1), {
      async requestHandler({ sendRequest }) {
        await lab.proxies[0]?.behave({ fault: 'auth' });
        await sendRequest({ url: `${lab.site.httpUrl}/ip` }).catch((error) => errors.push(String(error)));
      },
    });
    expect(errors).toEqual([expect.stringContaining('credentials')]);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['auth', 'success']);
  });

  it('counts downloads, which Crawlee calls no navigation', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const sizes: number[] = [];
    // It takes no configuration of its own.
    Configuration.getGlobalConfig().set('persistStorage', false);
    const crawler = new FileDownload(
      whirl.wire({
        proxyConfiguration: whirl,
        async streamHandler({ stream }: { stream: AsyncIterable<Buffer> }) {
          let size = 0;
          for await (const chunk of stream) size += chunk.length;
          sizes.push(size);
        },
      }),
    );
    await crawler.run([`${lab.site.httpUrl}/page/1`]);
    expect(sizes).toHaveLength(1);
    expect(sizes[0]).toBeGreaterThan(0);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['neutral', 'success']);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.2']);
  });
});

/** Thinks that every page can be had without a browser. */
const staticPages = {
  initialize: async () => {},
  predict: () => ({ renderingType: 'static', detectionProbabilityRecommendation: 0 }),
  storeResult: () => {},
} as unknown as NonNullable<AdaptivePlaywrightCrawlerOptions['renderingTypePredictor']>;

async function crawlWithoutBrowser(
  whirl: ProxyWhirl,
  urls: string[],
  handler: NonNullable<AdaptivePlaywrightCrawlerOptions['requestHandler']>,
): Promise<string[]> {
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const failed: string[] = [];
  const crawler = new AdaptivePlaywrightCrawler(
    whirl.wire({
      headless: true,
      maxRequestRetries: 0,
      navigationTimeoutSecs: 5,
      renderingTypePredictor: staticPages,
      launchContext: {
        launcher: chromium,
        launchOptions: {
          executablePath: found.executablePath,
          args: [...found.args, '--ignore-certificate-errors'],
        },
      },
      requestHandler: handler,
      failedRequestHandler: ({ request }) => void failed.push(request.url),
    } satisfies AdaptivePlaywrightCrawlerOptions),
    quiet(),
  );
  await crawler.run(urls);
  return failed;
}

describe('AdaptivePlaywrightCrawler over HTTP', () => {
  it('C-05 goes through the proxy of its session, although Crawlee asks for none', async () => {
    const lab = await labOf([{}, { kind: 'socks5' }]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const bySession = new Map<string, Set<string>>();
    const urls = Array.from({ length: 8 }, (_, i) => `${lab.site.httpsUrl}/ip?n=${i}`);
    const failed = await crawlWithoutBrowser(whirl, urls, async ({ response, session }) => {
      const { body } = response as unknown as { body: string };
      const { address } = JSON.parse(body) as { address: string };
      const id = session?.id ?? '';
      bySession.set(id, (bySession.get(id) ?? new Set()).add(address));
    });
    expect(failed).toEqual([]);
    expect(bySession.size).toBeGreaterThan(0);
    for (const addresses of bySession.values()) expect(addresses.size).toBe(1);
    expect([...lab.site.byAddress.keys()].toSorted()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(settled.map(({ verdict }) => verdict)).toEqual(Array(8).fill('success'));
  });

  it('C-05 goes nowhere without a proxy, unless that was asked for', async () => {
    await using sink = await startSink();
    const lab = await labOf([{ fault: 'dead' }]);
    const url = `http://127.0.0.1:${sink.port}/`;
    const closed = whirlOver(lab, { breaker: { threshold: 1 } });
    for (const path of ['a', 'b', 'c'])
      expect(await crawlWithoutBrowser(closed, [url + path], async () => {})).toEqual([url + path]);
    expect(sink.callers).toEqual([]);
    const direct = whirlOver(lab, { onEmpty: 'direct' });
    for (const { id } of direct.rotator.pool.list()) direct.rotator.pool.remove(id);
    await crawlWithoutBrowser(direct, [url], async () => {});
    expect(sink.callers.length).toBeGreaterThan(0);
    expect(new Set(sink.callers)).toEqual(new Set(['127.0.0.1']));
  });
});

describe('robots.txt', () => {
  const robots = 'User-agent: *\nDisallow: /page/2\n';
  const site: TargetSiteOptions = {
    answer: ({ path }) =>
      path === '/robots.txt'
        ? { status: 200, body: robots, headers: { 'content-type': 'text/plain' } }
        : undefined,
  };

  it('is fetched directly by Crawlee, which no option changes', async () => {
    const lab = await labOf([{}], site);
    const whirl = whirlOver(lab);
    const crawler = new CheerioCrawler(
      whirl.wire({ respectRobotsTxtFile: true, requestHandler: () => {} }),
      quiet(),
    );
    await crawler.run(pageUrls(lab.site.httpUrl, 1));
    expect([...lab.site.byAddress.keys()].toSorted()).toEqual(['127.0.0.1', '127.0.0.2']);
  });

  it('C-05 can be fetched through the pool instead, and heeded', async () => {
    const lab = await labOf([{}], { ...site, pages: 3 });
    const whirl = whirlOver(lab);
    const url = new URL('/robots.txt', lab.site.httpUrl).href;
    const robotsTxtFile = RobotsTxtFile.from(url, await (await whirl.fetch(url)).text());
    const { done } = await crawlPages(whirl, [lab.site.httpUrl], {
      async requestHandler({ enqueueLinks }) {
        await enqueueLinks({ robotsTxtFile, respectRobotsTxtFile: true });
      },
    });
    const paths = done.map((page) => new URL(page).pathname);
    expect(paths.toSorted()).toEqual(['/', '/page/1', '/page/3']);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.2']);
  });
});
