import {
  CheerioCrawler,
  Configuration,
  PlaywrightCrawler,
  type PlaywrightCrawlerOptions,
  ProxyConfiguration,
} from 'crawlee';
import { chromium } from 'playwright';
import { type ProxyReport, proxywhirl } from 'proxywhirl';
import { demoWorld, type Lab, seededRandom, startLab } from 'proxywhirl/lab';
import type { ChromiumLaunch } from '../../scripts/chromium.js';

/** One crawl of the demo: what Crawlee, or ProxyWhirl, made of the same proxies and the same pages. */
export interface CrawlResult {
  readonly pages: number;
  readonly failed: number;
  readonly attempts: number;
  readonly bans: number;
  readonly seconds: number;
  /** What the engine knows of each proxy afterwards; null for Crawlee's own configuration, which knows nothing. */
  readonly proxies: readonly (ProxyReport & { readonly name: string })[] | null;
}

export interface CrawlPlan {
  readonly kind: 'cheerio' | 'playwright';
  readonly engine: 'Crawlee' | 'ProxyWhirl';
  readonly pages: number;
  readonly browser: ChromiumLaunch | null;
  readonly onProgress: (done: number) => void;
}

const NAVIGATION_TIMEOUT_SECS = 5;

/** Runs one crawl in a lab of its own, so that no crawl finds bans or counts of another. */
export async function crawl(plan: CrawlPlan): Promise<CrawlResult> {
  await using lab = await startLab({
    proxies: shuffled(demoWorld({ banned: true })),
    site: { pages: plan.pages },
  });
  const counts = { pages: 0, failed: 0, attempts: 0 };
  const step = (): void => plan.onProgress(counts.pages + counts.failed);
  const handlers = {
    navigationTimeoutSecs: NAVIGATION_TIMEOUT_SECS,
    async requestHandler(): Promise<void> {
      counts.attempts += 1;
      counts.pages += 1;
      step();
    },
    errorHandler: (): void => {
      counts.attempts += 1;
    },
    failedRequestHandler: (): void => {
      counts.attempts += 1;
      counts.failed += 1;
      step();
    },
  };

  const whirl = plan.engine === 'ProxyWhirl' ? proxywhirl({ proxies: lab.urls }) : null;
  const proxyConfiguration = whirl ?? new ProxyConfiguration({ proxyUrls: [...lab.urls] });
  const configuration = new Configuration({ persistStorage: false });
  const crawler =
    plan.browser === null
      ? new CheerioCrawler({ ...handlers, proxyConfiguration }, configuration)
      : new PlaywrightCrawler(
          { ...handlers, ...browserOptions(plan.browser), proxyConfiguration },
          configuration,
        );
  const startedAt = performance.now();
  await crawler.run(urlsOf(lab, plan));
  const seconds = (performance.now() - startedAt) / 1000;
  const proxies = whirl && named(whirl.rotator.stats().proxies, lab);
  await whirl?.close();
  return { ...counts, bans: lab.site.counts.banned, seconds, proxies };
}

/** Lists in the wild are not sorted by quality. The same order for every crawl. */
function shuffled<T>(items: readonly T[]): T[] {
  const random = seededRandom(2);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Browsers go over https, where no proxy can pass off a page of its own as the site's. */
function urlsOf(lab: Lab, { kind, pages }: CrawlPlan): string[] {
  const base = kind === 'playwright' ? lab.site.httpsUrl : lab.site.httpUrl;
  return Array.from({ length: pages }, (_, i) => new URL(`/page/${i + 1}`, base).href);
}

function browserOptions({ executablePath, args }: ChromiumLaunch): PlaywrightCrawlerOptions {
  return {
    headless: true,
    browserPoolOptions: { useFingerprints: false },
    launchContext: {
      launcher: chromium,
      // The lab's certificate is its own.
      launchOptions: { executablePath, args: [...args, '--ignore-certificate-errors'] },
    },
  };
}

function named(reports: readonly ProxyReport[], lab: Lab): (ProxyReport & { name: string })[] {
  return reports.map((report) => {
    const { hostname } = new URL(report.url);
    const proxy = lab.proxies.find(({ address, port }) => report.url.endsWith(`${address}:${port}`));
    return { ...report, name: proxy?.name ?? hostname };
  });
}
