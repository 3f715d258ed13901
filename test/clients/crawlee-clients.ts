import {
  AdaptivePlaywrightCrawler,
  type AdaptivePlaywrightCrawlerOptions,
  CheerioCrawler,
  type CheerioCrawlerOptions,
  Configuration,
  HttpCrawler,
  type HttpCrawlerOptions,
  PlaywrightCrawler,
  type PlaywrightCrawlerOptions,
  PuppeteerCrawler,
  type PuppeteerCrawlerOptions,
} from 'crawlee';
import { chromium } from 'playwright';
import puppeteer from 'puppeteer-core';
import { inject } from 'vitest';
import { AT_ONCE, type Client, type Journey, type Visit } from './client.js';

type Adaptive = NonNullable<AdaptivePlaywrightCrawlerOptions['renderingTypePredictor']>;

/** Every other page is had without a browser. */
const everyOther = {
  initialize: async () => {},
  predict: ({ url }: { url: string }) => ({
    renderingType: /n=\d*[13579]$/.test(url) ? 'static' : 'clientOnly',
    detectionProbabilityRecommendation: 0,
  }),
  storeResult: () => {},
} as unknown as Adaptive;

const quiet = (): Configuration => new Configuration({ persistStorage: false });

/** Of every crawler: no retries, and one session where that is asked for. */
function common({ limitMs, session }: Journey) {
  const atOnce = session === null ? AT_ONCE : 1;
  return {
    minConcurrency: atOnce,
    maxConcurrency: atOnce,
    maxRequestRetries: 0,
    maxSessionRotations: 0,
    navigationTimeoutSecs: limitMs / 1_000,
    requestHandlerTimeoutSecs: limitMs / 1_000,
    ...(session !== null && { sessionPoolOptions: { maxPoolSize: 1 } }),
  };
}

function browserLaunch() {
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const { executablePath, args } = found;
  return { executablePath, args: [...args, '--ignore-certificate-errors'] };
}

const playwrightIn = (mode: string, launch: object): Client => ({
  name: `PlaywrightCrawler, ${mode}`,
  launchesPerProxy: !('useIncognitoPages' in launch),
  async visit(journey) {
    const visits: Visit[] = [];
    const crawler = new PlaywrightCrawler(
      journey.whirl.wire({
        ...common(journey),
        headless: true,
        browserPoolOptions: { useFingerprints: false },
        launchContext: { ...launch, launcher: chromium, launchOptions: browserLaunch() },
        async requestHandler({ page, request, session }) {
          visits.push({ url: request.url, text: await page.innerText('body'), session: session?.id ?? '' });
        },
      } satisfies PlaywrightCrawlerOptions),
      quiet(),
    );
    await crawler.run([...journey.urls]);
    return visits;
  },
});

/** Those of Crawlee. */
export const crawleeClients: readonly Client[] = [
  {
    name: 'HttpCrawler',
    async visit(journey) {
      const visits: Visit[] = [];
      const crawler = new HttpCrawler(
        journey.whirl.wire({
          ...common(journey),
          ignoreSslErrors: true,
          additionalMimeTypes: ['*/*'],
          requestHandler({ body, request, session }) {
            visits.push({ url: request.url, text: String(body), session: session?.id ?? '' });
          },
        } satisfies HttpCrawlerOptions),
        quiet(),
      );
      await crawler.run([...journey.urls]);
      return visits;
    },
  },
  {
    name: 'CheerioCrawler',
    async visit(journey) {
      const visits: Visit[] = [];
      const crawler = new CheerioCrawler(
        journey.whirl.wire({
          ...common(journey),
          ignoreSslErrors: true,
          additionalMimeTypes: ['*/*'],
          requestHandler({ body, request, session }) {
            visits.push({ url: request.url, text: String(body), session: session?.id ?? '' });
          },
        } satisfies CheerioCrawlerOptions),
        quiet(),
      );
      await crawler.run([...journey.urls]);
      return visits;
    },
  },
  playwrightIn('default mode', {}),
  playwrightIn('browserPerProxy', { browserPerProxy: true }),
  playwrightIn('incognito pages', { useIncognitoPages: true }),
  {
    name: 'PuppeteerCrawler',
    launchesPerProxy: true,
    async visit(journey) {
      const visits: Visit[] = [];
      const crawler = new PuppeteerCrawler(
        journey.whirl.wire({
          ...common(journey),
          headless: true,
          browserPoolOptions: { useFingerprints: false },
          launchContext: { launcher: puppeteer, launchOptions: browserLaunch() },
          async requestHandler({ page, request, session }) {
            const text = String(await page.evaluate('document.body.innerText'));
            visits.push({ url: request.url, text, session: session?.id ?? '' });
          },
        } satisfies PuppeteerCrawlerOptions),
        quiet(),
      );
      await crawler.run([...journey.urls]);
      return visits;
    },
  },
  {
    name: 'AdaptivePlaywrightCrawler',
    launchesPerProxy: true,
    async visit(journey) {
      const visits: Visit[] = [];
      const crawler = new AdaptivePlaywrightCrawler(
        journey.whirl.wire({
          ...common(journey),
          headless: true,
          renderingTypePredictor: everyOther,
          browserPoolOptions: { useFingerprints: false },
          launchContext: { launcher: chromium, launchOptions: browserLaunch() },
          async requestHandler({ parseWithCheerio, request, session }) {
            const $ = await parseWithCheerio();
            visits.push({ url: request.url, text: $('body').text(), session: session?.id ?? '' });
          },
        } satisfies AdaptivePlaywrightCrawlerOptions),
        quiet(),
      );
      await crawler.run([...journey.urls]);
      return visits;
    },
  },
];
