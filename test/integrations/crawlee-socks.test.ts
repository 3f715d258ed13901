import { describe, expect, it } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { wasNotAsked } from '../../src/integrations/crawlee-socks.js';
import type { ProxySpec } from '../../src/lab/index.js';
import { record } from '../support/test-engine.js';
import { crawlInBrowser, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

const TEXT =
  'Detected a session error, rotating session... \npage.goto: net::ERR_PROXY_CONNECTION_FAILED at https://a.test/';

describe('a proxy that the browser was not handed', () => {
  it.each([
    ['socks5://192.0.2.1:1080', TEXT, true],
    ['socks4://192.0.2.1:1080', TEXT, true],
    ['socks5://us:er@192.0.2.1:1080', TEXT, false],
    ['http://192.0.2.1:8000', TEXT, false],
    ['socks5://192.0.2.1:1080', 'net::ERR_PROXY_CONNECTION_FAILED at https://a.test/', false],
    ['socks5://192.0.2.1:1080', 'page.goto: net::ERR_SOCKS_CONNECTION_FAILED', false],
  ])('is told by its protocol and the error of Playwright: %s, %s', (line, message, expected) => {
    expect(wasNotAsked(parseProxy(line), new Error(message))).toBe(expected);
  });
});

describe('PlaywrightCrawler and SOCKS proxies without credentials', () => {
  const crawl = async (socks: ProxySpec, launchContext: object) => {
    const lab = await labOf([{}, socks]);
    const whirl = whirlOver(lab, { breaker: { threshold: 1_000 } });
    const told = record(whirl.rotator, 'unusable');
    const settled = settledBy(whirl);
    const { done, failed } = await crawlInBrowser(whirl, pageUrls(lab.site.httpsUrl, 6), {
      maxConcurrency: 1,
      maxRequestRetries: 0,
      launchContext,
    });
    const id = whirl.rotator.pool.list()[1]?.id;
    const verdicts = new Set(settled.filter(({ proxyId }) => proxyId === id).map(({ verdict }) => verdict));
    return { done: done.length, failed, told, id, verdicts: [...verdicts], proxy: lab.proxies[1] };
  };

  it('in its default mode: nobody is charged, no URL is lost, and an event says once what to do', {
    timeout: 60_000,
  }, async () => {
    const { done, failed, told, id, verdicts, proxy } = await crawl({ kind: 'socks5' }, {});
    expect([done, failed, verdicts, proxy?.stats.connections]).toEqual([6, [], ['local'], 0]);
    expect(told).toEqual([{ proxyId: id, message: expect.stringContaining('useIncognitoPages') }]);
  });

  it('in incognito pages: they serve, and one that is dead is to blame', { timeout: 60_000 }, async () => {
    const launch = { useIncognitoPages: true };
    expect(await crawl({ kind: 'socks5' }, launch)).toMatchObject({
      done: 6,
      verdicts: ['success'],
      told: [],
    });
    const dead = await crawl({ kind: 'socks5', fault: 'dead' }, launch);
    expect(dead).toMatchObject({ done: 6, failed: [], verdicts: ['proxy'], told: [] });
  });
});
