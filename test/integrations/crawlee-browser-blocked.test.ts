import { describe, expect, it } from 'vitest';
import type { SiteAnswer } from '../../src/lab/index.js';
import { crawlInBrowser, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

const captcha: SiteAnswer = {
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html><head><title>Access denied</title></head><body><p>Please complete the captcha.</p></body></html>',
};

/** A site that shows a captcha to the first proxy. */
async function walled(answer: SiteAnswer) {
  let banned = '';
  const lab = await labOf([{}, {}], {
    answer: ({ address, path }) => (address === banned && path.startsWith('/page/') ? answer : undefined),
  });
  banned = lab.proxies[0]?.address ?? '';
  return lab;
}

describe('a wall in a browser, under wire()', () => {
  it.each([
    { what: 'a page that looks like success', answer: captcha },
    { what: 'a refusal', answer: { ...captcha, status: 403 } },
    { what: 'a challenge', answer: { ...captcha, status: 503 } },
  ])('$what is retried through another proxy before the handler sees it', async ({ answer }) => {
    const lab = await walled(answer);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const titles: string[] = [];
    const { done, failed } = await crawlInBrowser(whirl, pageUrls(lab.site.httpsUrl, 3), {
      maxConcurrency: 1,
      requestHandler: async ({ page }) => void titles.push(await page.title()),
    });
    expect([done.length, failed.length]).toEqual([3, 0]);
    expect(titles.toSorted()).toEqual(['Page 1', 'Page 2', 'Page 3']);
    expect(settled.map(({ verdict }) => verdict).toSorted()).toEqual([
      'banned',
      'success',
      'success',
      'success',
    ]);
  });

  it('reaches the handler with onBlocked report, and is settled as banned', async () => {
    const lab = await walled(captcha);
    const whirl = whirlOver(lab, { onBlocked: 'report' });
    const settled = settledBy(whirl);
    const titles: string[] = [];
    await crawlInBrowser(whirl, pageUrls(lab.site.httpsUrl, 1), {
      requestHandler: async ({ page }) => void titles.push(await page.title()),
    });
    expect(titles).toEqual(['Access denied']);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['banned']);
  });
});

describe('a proxy that fails in a browser', () => {
  it.each([
    { mode: 'default mode', launchContext: {} },
    { mode: 'incognito pages', launchContext: { useIncognitoPages: true } },
  ])(
    'takes its session with it: none of its later requests names the dead one, in $mode',
    async ({ launchContext }) => {
      const lab = await labOf([{}, {}, { fault: 'reset' }]);
      const whirl = whirlOver(lab, { breaker: { threshold: 1_000 } });
      const dead = lab.proxies[2]?.address;
      const failedSessions = new Set<string>();
      const usable: unknown[] = [];
      const named: { session: string; dead: boolean }[] = [];
      const { done, failed } = await crawlInBrowser(whirl, pageUrls(lab.site.httpsUrl, 12), {
        maxConcurrency: 1,
        sessionPoolOptions: { maxPoolSize: 4 },
        launchContext,
        preNavigationHooks: [
          ({ session, proxyInfo }) =>
            void named.push({ session: session?.id ?? '', dead: proxyInfo?.hostname === dead }),
        ],
        errorHandler: ({ session }) => {
          failedSessions.add(session?.id ?? '');
          usable.push(session?.isUsable());
        },
      });
      expect([done.length, failed]).toEqual([12, []]);
      expect(failedSessions.size).toBeGreaterThan(0);
      expect(new Set(usable)).toEqual(new Set([false]));
      for (const id of failedSessions) {
        const of = named.filter(({ session }) => session === id);
        expect(
          of.findLastIndex((one) => one.dead),
          id,
        ).toBe(of.length - 1);
      }
    },
  );
});
