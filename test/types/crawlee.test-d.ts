import type {
  AdaptivePlaywrightCrawlerOptions,
  CheerioCrawlerOptions,
  HttpCrawlerOptions,
  InternalHttpCrawlingContext,
  JSDOMCrawlerOptions,
  PlaywrightCrawlerOptions,
  ProxyConfiguration,
  PuppeteerCrawlerOptions,
} from 'crawlee';
import { CheerioCrawler, PlaywrightCrawler } from 'crawlee';
import { expectTypeOf, test } from 'vitest';
import { type Lease, type ProxyWhirl, proxywhirl, type Verdict } from '../../src/index.js';

type Accepts<Options extends { proxyConfiguration?: unknown }> =
  ProxyWhirl extends NonNullable<Options['proxyConfiguration']> ? true : false;

test('C-01 the result of proxywhirl() is a proxyConfiguration for every crawler of Crawlee 3', () => {
  expectTypeOf<ProxyWhirl>().toExtend<ProxyConfiguration>();
  expectTypeOf<Accepts<HttpCrawlerOptions<InternalHttpCrawlingContext>>>().toEqualTypeOf<true>();
  expectTypeOf<Accepts<CheerioCrawlerOptions>>().toEqualTypeOf<true>();
  expectTypeOf<Accepts<JSDOMCrawlerOptions>>().toEqualTypeOf<true>();
  expectTypeOf<Accepts<PlaywrightCrawlerOptions>>().toEqualTypeOf<true>();
  expectTypeOf<Accepts<PuppeteerCrawlerOptions>>().toEqualTypeOf<true>();
  expectTypeOf<Accepts<AdaptivePlaywrightCrawlerOptions>>().toEqualTypeOf<true>();
});

test('C-01 wire() keeps the type of the options, also of handlers written in place', () => {
  const whirl = proxywhirl({ proxies: ['http://user:pass@203.0.113.7:8000'] });
  const options: CheerioCrawlerOptions = { maxConcurrency: 3 };
  expectTypeOf(whirl.wire(options)).toEqualTypeOf<CheerioCrawlerOptions>();
  new CheerioCrawler(
    whirl.wire({
      requestHandler({ $ }) {
        expectTypeOf($('a').attr('href')).toEqualTypeOf<string | undefined>();
      },
    }),
  );
  new PlaywrightCrawler(
    whirl.wire({
      requestHandler({ page }) {
        expectTypeOf(page.url()).toEqualTypeOf<string>();
      },
    }),
  );
});

test('the engine is typed: unknown options and verdicts do not compile', () => {
  // @ts-expect-error no such option
  proxywhirl({ proxies: [], rotate: true });
  // @ts-expect-error no such policy
  proxywhirl({ proxies: ['203.0.113.7:8000'], onEmpty: 'maybe' });
  expectTypeOf<Lease['verdict']>().toEqualTypeOf<Verdict | null>();
});
