import {
  CheerioCrawler,
  type CheerioCrawlerOptions,
  Configuration,
  LogLevel,
  log,
  PlaywrightCrawler,
  type PlaywrightCrawlerOptions,
} from 'crawlee';
import { chromium } from 'playwright';
import { afterEach, beforeAll, inject } from 'vitest';
import type { RotatorEvents } from '../../src/core/events.js';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';
import { type Lab, type ProxySpec, startLab, type TargetSiteOptions } from '../../src/lab/index.js';

beforeAll(() => log.setLevel(LogLevel.OFF));

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** A lab that ends with the test. */
export async function labOf(proxies: ProxySpec[], site: TargetSiteOptions = {}): Promise<Lab> {
  const lab = await startLab({ proxies, site: { pages: 200, ...site } });
  open.push(lab);
  return lab;
}

/** An engine over the proxies of a lab that ends with the test. */
export function whirlOver(lab: Lab, options: Partial<ProxyWhirlOptions> = {}): ProxyWhirl {
  const whirl = proxywhirl({ proxies: lab.urls, ...options });
  open.push(whirl);
  return whirl;
}

export function settledBy(whirl: ProxyWhirl): RotatorEvents['settled'][] {
  const settled: RotatorEvents['settled'][] = [];
  whirl.rotator.on('settled', (event) => settled.push(event));
  return settled;
}

export function pageUrls(base: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => new URL(`/page/${i + 1}`, base).href);
}

/** What became of a crawl. */
export interface Crawled {
  /** URLs whose handler ended well. */
  readonly done: string[];
  readonly failed: string[];
}

export async function crawlPages(
  whirl: ProxyWhirl,
  urls: string[],
  options: CheerioCrawlerOptions = {},
): Promise<Crawled> {
  const crawled: Crawled = { done: [], failed: [] };
  const crawler = new CheerioCrawler(
    whirl.wire({ ignoreSslErrors: true, ...recording(crawled, options) }),
    new Configuration({ persistStorage: false }),
  );
  await crawler.run(urls);
  return crawled;
}

export async function crawlInBrowser(
  whirl: ProxyWhirl,
  urls: string[],
  options: PlaywrightCrawlerOptions = {},
): Promise<Crawled> {
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const crawled: Crawled = { done: [], failed: [] };
  const launchOptions = {
    executablePath: found.executablePath,
    args: [...found.args, '--ignore-certificate-errors'],
  };
  const crawler = new PlaywrightCrawler(
    whirl.wire({
      headless: true,
      browserPoolOptions: { useFingerprints: false },
      ...recording(crawled, options),
      launchContext: { launcher: chromium, launchOptions, ...options.launchContext },
    } satisfies PlaywrightCrawlerOptions),
    new Configuration({ persistStorage: false }),
  );
  await crawler.run(urls);
  return crawled;
}

interface Recorded<C> {
  requestHandler?: ((context: C) => unknown) | undefined;
  failedRequestHandler?: unknown;
}

function recording<C extends { request: { url: string } }, T extends Recorded<C>>(
  crawled: Crawled,
  options: T & Recorded<C>,
): T & { requestHandler(context: C): Promise<void>; failedRequestHandler(context: C): void } {
  return {
    ...options,
    async requestHandler(context: C) {
      await options.requestHandler?.(context);
      crawled.done.push(context.request.url);
    },
    failedRequestHandler: ({ request }: C) => void crawled.failed.push(request.url),
  };
}
