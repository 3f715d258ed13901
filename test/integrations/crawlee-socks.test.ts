import { describe, expect, it } from 'vitest';
import type { ProxySpec } from '../../src/lab/index.js';
import { crawlInBrowser, crawlPages, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

const credentials = { username: 'lab user', password: 'p@ss:word' };
const kinds: [string, ProxySpec][] = [
  ['socks5', { kind: 'socks5' }],
  ['socks5 with credentials', { kind: 'socks5', credentials }],
  ['socks4a', { kind: 'socks4a' }],
  ['socks4 with a user id', { kind: 'socks4', credentials: { username: 'lab', password: '' } }],
];

describe('SOCKS proxies in Crawlee’s HTTP crawlers', () => {
  it.each(kinds)('C-07 carry both schemes, by the proxy that is named: %s', async (_, spec) => {
    const lab = await labOf([spec, spec]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const urls = [...pageUrls(lab.site.httpUrl, 4), ...pageUrls(lab.site.httpsUrl, 4)];
    const { done, failed } = await crawlPages(whirl, urls);
    expect([done.length, failed]).toEqual([8, []]);
    const carried = new Map(
      [...lab.site.byAddress].map(([address, { requests }]) => [address, requests] as const),
    );
    const named = new Map<string, number>();
    for (const { proxyId, verdict } of settled) {
      expect(verdict).toBe('success');
      const host = whirl.rotator.pool.get(proxyId)?.proxy.host ?? '';
      named.set(host, (named.get(host) ?? 0) + 1);
    }
    expect(named).toEqual(carried);
    expect([...carried.keys()].toSorted()).toEqual(['127.0.0.2', '127.0.0.3']);
  });

  it.each([
    ['dead', { fault: 'dead' }, 'proxy'],
    ['refusing the password', { credentials, wrongPassword: true }, 'auth'],
    ['speaking no SOCKS', { fault: 'garbage' }, 'proxy'],
  ] as const)(
    'C-07 are blamed by what our own tunnel saw, not by what the client made of it: %s',
    async (_, spec, verdict) => {
      const lab = await labOf([{ kind: 'socks5', ...spec }]);
      const whirl = whirlOver(lab, { breaker: { threshold: 1_000 }, freeRetries: 0 });
      const settled = settledBy(whirl);
      const urls = [lab.site.httpUrl, lab.site.httpsUrl];
      const { failed } = await crawlPages(whirl, urls, { maxRequestRetries: 0 });
      expect(failed).toHaveLength(2);
      expect(new Set(settled.map((event) => event.verdict))).toEqual(new Set([verdict]));
    },
  );

  it('are not charged a whole fault for a target that is not there', async () => {
    const lab = await labOf([{ kind: 'socks5' }]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    await crawlPages(whirl, ['https://127.0.0.1:1/'], { maxRequestRetries: 0 });
    expect(new Set(settled.map(({ verdict }) => verdict))).toEqual(new Set(['ambiguous']));
  });
});

describe('SOCKS proxies in PlaywrightCrawler', () => {
  it.each([
    ['its default mode', {}],
    ['incognito pages', { useIncognitoPages: true }],
  ])(
    'C-07 serve with and without credentials, and a dead one is to blame, in %s',
    async (_, launchContext) => {
      const lab = await labOf([
        { kind: 'socks5' },
        { kind: 'socks5', credentials },
        { kind: 'socks5', fault: 'dead' },
      ]);
      const whirl = whirlOver(lab, { breaker: { threshold: 1_000 } });
      const settled = settledBy(whirl);
      const { done, failed } = await crawlInBrowser(whirl, pageUrls(lab.site.httpsUrl, 6), {
        maxConcurrency: 1,
        launchContext,
      });
      expect([done.length, failed]).toEqual([6, []]);
      expect([...lab.site.byAddress.keys()].toSorted()).toEqual(['127.0.0.2', '127.0.0.3']);
      const dead = whirl.rotator.pool.list()[2]?.id;
      const failures = settled.filter(({ verdict }) => verdict !== 'success');
      expect(failures.length).toBeGreaterThan(0);
      for (const failure of failures) expect(failure).toMatchObject({ proxyId: dead, verdict: 'proxy' });
    },
  );
});
