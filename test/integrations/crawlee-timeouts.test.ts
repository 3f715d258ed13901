import { describe, expect, it } from 'vitest';
import type { Timers } from '../../src/core/clock.js';
import { AdaptiveTimeouts } from '../../src/integrations/crawlee-timeouts.js';
import { testEngine } from '../support/test-engine.js';
import { crawlInBrowser, crawlPages, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

describe('AdaptiveTimeouts', () => {
  function timeouts() {
    const engine = testEngine(1);
    const running = new Map<object, () => void>();
    const timers: Timers = {
      setTimeout: (callback) => {
        const timer = {};
        running.set(timer, callback);
        return timer;
      },
      clearTimeout: (timer) => void (timer && running.delete(timer)),
    };
    const subject = new AdaptiveTimeouts(engine.rotator, timers);
    const id = engine.ids[0] as string;
    const learn = (browser: boolean, ...samples: number[]): void => {
      for (const ms of samples) subject.limit(id, {}, browser).learn(id, ms);
    };
    return { ...engine, subject, id, running, learn };
  }

  it('waits for 3 samples, and keeps what HTTP crawlers and browsers have seen apart', () => {
    const { subject, id, learn } = timeouts();
    learn(false, 4_000, 4_000);
    expect(subject.limit(id, {}, false).ms).toBeNull();
    learn(false, 4_000);
    expect(subject.limit(id, {}, false).ms).toBeCloseTo(4_000);
    expect(subject.limit(id, {}, true).ms).toBeNull();
    subject.forget(id);
    expect(subject.limit(id, {}, false).ms).toBeNull();
  });

  it('is never above what Crawlee or the user has set for a browser', () => {
    const { subject, id, learn } = timeouts();
    learn(true, 60, 60, 60);
    const set = (timeout: number | undefined): unknown => {
      const options = { timeout };
      subject.limit(id, options, true);
      return options.timeout;
    };
    expect([set(30_000), set(700), set(0), set(undefined)]).toEqual([1_000, 700, 1_000, 1_000]);
  });

  it('cuts an HTTP request by a signal, which joins that of the user, unless an answer stops it', () => {
    const { subject, id, learn, running } = timeouts();
    learn(false, 60, 60, 60);
    const own = new AbortController();
    const first: { signal?: AbortSignal } = { signal: own.signal };
    subject.limit(id, first, false);
    own.abort();
    expect(first.signal?.aborted).toBe(true);
    const second: { signal?: AbortSignal } = {};
    const patience = subject.limit(id, second, false);
    for (const fire of running.values()) fire();
    expect(second.signal?.aborted).toBe(true);
    running.clear();
    subject.limit(id, {}, false).stop();
    patience.stop();
    expect(running.size).toBe(0);
  });

  it('gives more time while more requests of the proxy are under way, and after a cut', () => {
    const { subject, id, learn, rotator } = timeouts();
    learn(false, 2_000, 2_000, 2_000);
    rotator.acquire();
    expect(subject.limit(id, {}, false).ms).toBeCloseTo(2_000);
    rotator.acquire();
    expect(subject.limit(id, {}, false).ms).toBeCloseTo(2_700);
    subject.limit(id, {}, false).learn(id, 4_000);
    expect(subject.limit(id, {}, false).ms).toBeGreaterThan(4_000);
  });
});

/** Three pages, then the first proxy hangs; what happened to it from then on, and how long that took. */
async function hangAfterThree(
  proxies: object[],
  options: { adaptiveTimeouts?: boolean; freeRetries?: number },
  scheme: 'http' | 'https',
  crawl: typeof crawlPages | typeof crawlInBrowser = crawlPages,
  navigationTimeoutSecs = 30,
) {
  const lab = await labOf(proxies.length === 0 ? [{ latencyMs: 60 }] : proxies);
  const whirl = whirlOver(lab, options);
  const limits = {
    maxConcurrency: 1,
    maxRequestRetries: 0,
    navigationTimeoutSecs,
    requestHandlerTimeoutSecs: 60,
  };
  const base = scheme === 'http' ? lab.site.httpUrl : lab.site.httpsUrl;
  const warm = await crawl(whirl, pageUrls(base, 3 * lab.proxies.length), limits);
  expect(warm.failed).toEqual([]);
  lab.proxies[0]?.behave({ fault: 'hang' });
  const settled = settledBy(whirl);
  const starts: number[] = [];
  const ends: number[] = [];
  whirl.rotator.on('selected', () => void starts.push(performance.now()));
  whirl.rotator.on('settled', () => void ends.push(performance.now()));
  const result = await crawl(whirl, [new URL('/page/100', base).href], limits);
  return {
    ...result,
    verdicts: settled.map(({ verdict }) => verdict),
    tookMs: (ends[0] ?? 0) - (starts[0] ?? 0),
  };
}

describe('a proxy that begins to hang, with adaptiveTimeouts', () => {
  it.each(['http', 'https'] as const)(
    'is cut after a second instead of 30, to an %s target',
    async (scheme) => {
      const cut = await hangAfterThree([], { adaptiveTimeouts: true, freeRetries: 0 }, scheme);
      expect(cut.failed).toHaveLength(1);
      expect(cut.verdicts).toEqual(['ambiguous']);
      expect(cut.tookMs).toBeGreaterThan(950);
      expect(cut.tookMs).toBeLessThan(20_000);
    },
  );

  it('costs the URL no retry: another proxy brings the page', async () => {
    const two = [{ latencyMs: 60 }, { latencyMs: 60 }];
    const { done, failed, verdicts } = await hangAfterThree(two, { adaptiveTimeouts: true }, 'https');
    expect([done.length, failed.length]).toEqual([1, 0]);
    expect(verdicts).toEqual(['ambiguous', 'success']);
  });

  it('is cut in a browser too', async () => {
    const options = { adaptiveTimeouts: true, freeRetries: 0 };
    const cut = await hangAfterThree([], options, 'https', crawlInBrowser);
    expect(cut.failed).toHaveLength(1);
    expect(cut.verdicts).toEqual(['ambiguous']);
    // Pages of a browser take as long as they take; the limit follows them.
    expect(cut.tookMs).toBeGreaterThan(950);
    expect(cut.tookMs).toBeLessThan(20_000);
  });

  it('is waited for until the limit of the crawler by default', async () => {
    const { failed, tookMs } = await hangAfterThree([], { freeRetries: 0 }, 'https', crawlPages, 4);
    expect(failed).toHaveLength(1);
    expect(tookMs).toBeGreaterThan(3_950);
  });
});
