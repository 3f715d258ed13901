import { Request } from '@crawlee/core';
import { describe, expect, it } from 'vitest';
import {
  ClosedError,
  NoCandidateError,
  PoolEmptyError,
  type ProxyWhirlOptions,
  proxywhirl,
} from '../src/index.js';
import { FakeClock } from './support/fake-clock.js';
import { proxyLine, proxyLines } from './support/test-engine.js';

function whirl(options: Partial<ProxyWhirlOptions> = {}) {
  return proxywhirl({ proxies: proxyLines(2), maxSessions: 100, ban: { maxPairs: 100 }, ...options });
}

const request = (): Request => new Request({ url: 'https://a.test/page' });
/** Not a refused connection, two of which would open the breaker. */
const fault = (): Error => new Error('connect EHOSTUNREACH 192.0.2.1:8000');

/** One attempt that fails by the proxy's fault, as Crawlee 3 drives it; returns how the retry count changed. */
async function failOnce(subject: ReturnType<typeof whirl>, target: Request): Promise<number> {
  const before = target.retryCount;
  await subject.newProxyInfo(undefined, { request: target });
  target.state = 1;
  target.pushErrorMessage(fault());
  return target.retryCount - before;
}

/** A pool whose only proxy is taken out. */
function emptied(options: Partial<ProxyWhirlOptions>): ReturnType<typeof whirl> {
  const subject = whirl({ proxies: [proxyLine(0)], ...options });
  for (const { id } of subject.rotator.pool.list()) subject.rotator.pool.remove(id);
  return subject;
}

describe('R-30 options of proxywhirl, each read', () => {
  it('browserAffinity: each proxy has its own tier, so that Crawlee keeps a browser for each; true by default', async () => {
    const tiers = async (options: Partial<ProxyWhirlOptions>): Promise<unknown[]> => {
      const subject = whirl(options);
      const infos = [];
      for (let i = 0; i < 3; i++) infos.push(await subject.newProxyInfo(undefined, { request: request() }));
      return infos.map((info) => info?.proxyTier);
    };
    expect(await tiers({})).toEqual([1, 2, 1]);
    expect(await tiers({ browserAffinity: false })).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    { options: {}, free: 10 },
    { options: { freeRetries: 2 }, free: 2 },
    { options: { freeRetries: 0 }, free: 0 },
  ])('freeRetries: $free attempts of a URL fail without costing a retry', async ({ options, free }) => {
    const subject = whirl({ ...options, breaker: { threshold: 1000 } });
    const target = request();
    const changes: number[] = [];
    for (let i = 0; i < free + 2; i++) changes.push(await failOnce(subject, target));
    expect(changes).toEqual([...Array.from({ length: free }, () => -1), 0, 0]);
    expect(await failOnce(subject, new Request({ url: 'https://a.test/other' }))).toBe(free > 0 ? -1 : 0);
  });

  it('onEmpty fail, the default: the attempt fails, and nothing goes direct', async () => {
    await expect(emptied({}).newProxyInfo(undefined, { request: request() })).rejects.toThrow(PoolEmptyError);
    await expect(emptied({ onEmpty: 'fail' }).newUrl()).rejects.toThrow(PoolEmptyError);
  });

  it('onEmpty direct: no proxy at all', async () => {
    expect(
      await emptied({ onEmpty: 'direct' }).newProxyInfo(undefined, { request: request() }),
    ).toBeUndefined();
    expect(await emptied({ onEmpty: 'direct' }).newUrl()).toBeUndefined();
  });

  it('onEmpty wait: until there is one', async () => {
    const subject = emptied({ onEmpty: 'wait' });
    const waiting = subject.newProxyInfo(undefined, { request: request() });
    subject.rotator.pool.add(proxyLine(5));
    expect(await waiting).toMatchObject({ hostname: '192.0.2.6', port: 8000 });
  });

  it('waitMs: no longer than that', async () => {
    // The clock runs ahead of the timers, so that the wait of minutes is over when the first one fires.
    const clock = new FakeClock();
    const jumping = {
      now: () => {
        clock.advance(10_000);
        return clock.now();
      },
    };
    const started = performance.now();
    const subject = emptied({ onEmpty: 'wait', waitMs: 20, clock: jumping });
    await expect(subject.newProxyInfo(undefined, { request: request() })).rejects.toThrow(PoolEmptyError);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('clock, strategy and proxies reach the engine', async () => {
    const clock = new FakeClock();
    const subject = whirl({ clock, strategy: 'random', random: () => 0.99 });
    expect(subject.rotator.strategy.name).toBe('random');
    expect(await subject.newUrl()).toBe(proxyLine(1));
    const target = request();
    await subject.newProxyInfo(undefined, { request: target });
    target.state = 1;
    clock.advance(250);
    target.state = 2;
    target.state = 4;
    expect(subject.rotator.stats().proxies[1]).toMatchObject({ succeeded: 1, emaLatencyMs: 250 });
  });
});

describe('close', () => {
  it('ends open attempts without a result, tells whoever waits, and may be called twice', async () => {
    const subject = emptied({ onEmpty: 'wait' });
    const waiting = subject.newProxyInfo(undefined, { request: request() });
    const settledFirst = expect(waiting).rejects.toThrow(ClosedError);
    await subject.close();
    await subject[Symbol.asyncDispose]();
    await settledFirst;
    await expect(subject.newUrl()).rejects.toThrow(ClosedError);
  });

  it('releases the lease of a request that is on its way', async () => {
    const subject = whirl();
    await subject.newProxyInfo(undefined, { request: request() });
    expect(subject.rotator.stats().active).toBe(1);
    await subject.close();
    expect(subject.rotator.stats()).toMatchObject({ active: 0, succeeded: 0, failed: 0 });
  });
});

describe('C-05 nothing healthy', () => {
  it('fails the attempt, and names why', async () => {
    const subject = whirl({ proxies: [proxyLine(0)], breaker: { threshold: 1 } });
    await failOnce(subject, request());
    await expect(subject.newProxyInfo(undefined, { request: request() })).rejects.toThrow(NoCandidateError);
  });
});
