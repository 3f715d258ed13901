import { Configuration, LogLevel, log, PlaywrightCrawler, type PlaywrightCrawlerOptions } from 'crawlee';
import { chromium } from 'playwright';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { type Lab, startLab } from '../../src/lab/index.js';

beforeAll(() => log.setLevel(LogLevel.OFF));

const REQUESTS = 50;
const modes = [
  { mode: 'default mode', launch: {}, wired: false },
  { mode: 'browserPerProxy', launch: { browserPerProxy: true }, wired: false },
  { mode: 'useIncognitoPages', launch: { useIncognitoPages: true }, wired: true },
  { mode: 'default mode with wire()', launch: {}, wired: true },
];

function browserOptions(launch: object): PlaywrightCrawlerOptions {
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  return {
    headless: true,
    maxConcurrency: 6,
    navigationTimeoutSecs: 10,
    browserPoolOptions: { useFingerprints: false },
    launchContext: {
      ...launch,
      launcher: chromium,
      launchOptions: {
        executablePath: found.executablePath,
        args: [...found.args, '--ignore-certificate-errors'],
      },
    },
  };
}

function urls(lab: Lab): string[] {
  return Array.from({ length: REQUESTS }, (_, i) => new URL(`/ip?n=${i}`, lab.site.httpsUrl).href);
}

describe('PlaywrightCrawler with four proxies, one of them bad', () => {
  it.each(modes)('C-03 blames the proxy that carried the request in $mode', async ({ launch, wired }) => {
    await using lab = await startLab({ proxies: [{}, {}, {}, { fault: 'reset' }] });
    await using whirl = proxywhirl({ proxies: lab.urls });
    const addressOf = new Map(whirl.rotator.pool.list().map(({ id, proxy }) => [id, proxy.host]));
    /** What our statistics say served each page, in the order in which leases were settled. */
    const named: string[] = [];
    whirl.rotator.on('settled', ({ proxyId, verdict }) => {
      if (verdict === 'success') named.push(addressOf.get(proxyId) ?? 'unknown');
    });
    const pages: { seen: string; named: string }[] = [];
    const options: PlaywrightCrawlerOptions = {
      ...browserOptions(launch),
      proxyConfiguration: whirl,
      async requestHandler({ page, proxyInfo }) {
        const { address } = JSON.parse(await page.innerText('body')) as { address: string };
        pages.push({ seen: address, named: proxyInfo?.hostname ?? 'none' });
      },
    };
    const failed: string[] = [];
    const crawler = new PlaywrightCrawler(
      {
        ...(wired ? whirl.wire(options) : options),
        failedRequestHandler: ({ request }) => void failed.push(request.url),
      },
      new Configuration({ persistStorage: false }),
    );
    await crawler.run(urls(lab));

    expect(failed).toEqual([]);
    expect(pages).toHaveLength(REQUESTS);
    expect(pages.filter(({ seen, named: name }) => seen !== name)).toEqual([]);
    expect(tally(named)).toEqual(tally(pages.map(({ seen }) => seen)));
    const [bad, ...good] = whirl.rotator.stats().proxies.toSorted((a, b) => a.succeeded - b.succeeded);
    expect(bad).toMatchObject({ succeeded: 0 });
    expect(bad?.failed).toBeGreaterThan(0);
    for (const proxy of good) {
      expect(proxy).toMatchObject({ health: 'closed', failed: 0, active: 0 });
      expect(proxy.succeeded).toBeGreaterThan(0);
    }
  });

  it('C-03 moves the blame when Crawlee used another browser than the named proxy’s', async () => {
    await using lab = await startLab({ proxies: [{}, {}, {}, {}] });
    // Without affinity Crawlee reuses the first browser for everything: only the hooks see which proxy it has.
    await using whirl = proxywhirl({ proxies: lab.urls, browserAffinity: false });
    const crawler = new PlaywrightCrawler(
      whirl.wire({
        ...browserOptions({}),
        maxConcurrency: 1,
        requestHandler: () => {},
      } satisfies PlaywrightCrawlerOptions),
      new Configuration({ persistStorage: false }),
    );
    await crawler.run(urls(lab).slice(0, 8));
    const carriers = [...lab.site.byAddress].map(([address, { requests }]) => [address, requests]);
    const reports = whirl.rotator.stats().proxies.filter(({ succeeded }) => succeeded > 0);
    expect(reports.map(({ url, succeeded }) => [new URL(url).hostname, succeeded])).toEqual(carriers);
  });
});

function tally(addresses: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const address of addresses.toSorted()) counts[address] = (counts[address] ?? 0) + 1;
  return counts;
}
