import { describe, expect, it } from 'vitest';
import { createRotator } from '../src/create-rotator.js';
import { createProxy, parseProxy, type RotatorOptions } from '../src/index.js';
import { optionNames, resolveOptions, resolveRotatorOptions } from '../src/options.js';
import { blame, constantly, proxyLine, proxyLines, record, testEngine } from './support/test-engine.js';

const still = constantly(0);
const url = 'https://a.test/';

/** How long the first proxy is away after `faults` proxy faults; null when it still serves. */
function openTimes(options: RotatorOptions, rounds: number, faults = 5): number[] {
  const { rotator, clock } = testEngine(1, { random: still, ...options });
  return Array.from({ length: rounds }, (_, round) => {
    for (let i = 0; i < (round === 0 ? faults : 1); i++) rotator.acquire().fail({ verdict: 'proxy' });
    const breaker = rotator.pool.list()[0]?.breaker;
    if (breaker?.state !== 'open') return 0;
    const ms = breaker.until - clock.now();
    clock.advance(ms);
    return ms;
  });
}

function cooldowns(options: RotatorOptions, bans: number): number[] {
  const { rotator } = testEngine(1, { random: still, ...options });
  const seen: number[] = [];
  rotator.on('cooldown', ({ cooldownMs }) => seen.push(cooldownMs));
  for (let i = 0; i < bans; i++) rotator.acquire({ url }).settle({ verdict: 'banned' });
  return seen;
}

describe('R-30 options of createRotator, each read', () => {
  it('proxies: lines and parsed proxies; blank lines and comments are neither', () => {
    const rotator = createRotator({
      proxies: [proxyLine(0), parseProxy(proxyLine(1)), '', ' # one', '// two'],
    });
    expect(rotator.pool.list().map(({ proxy }) => proxy.url)).toEqual([proxyLine(0), proxyLine(1)]);
    expect(createRotator().pool.size).toBe(0);
  });

  it('strategy: a name, a name with settings, or an object; round-robin by default', () => {
    const own = { name: 'own', choose: () => undefined };
    expect(createRotator().strategy.name).toBe('round-robin');
    expect(createRotator({ strategy: 'random' }).strategy.name).toBe('random');
    expect(createRotator({ strategy: { name: 'random' } }).strategy.name).toBe('random');
    expect(createRotator({ strategy: own }).strategy).toBe(own);
  });

  it('breaker.threshold: faults in a row that open it, 5 by default', () => {
    expect([openTimes({}, 1, 4), openTimes({}, 1, 5)]).toEqual([[0], [10_000]]);
    expect(openTimes({ breaker: { threshold: 2 } }, 1, 2)).toEqual([10_000]);
  });

  it('breaker.rateShare: of the results that must be faults, 0.5 by default; 0 = never', () => {
    /** Results of the only proxy until it opens, of which every third, or every other, is good; 0 = never. */
    const opensAfter = (goodOf: 2 | 3, breaker?: RotatorOptions['breaker']): number => {
      const { clock } = testEngine(0);
      const rotator = createRotator({
        proxies: [proxyLine(0)],
        clock,
        panic: { share: 0 },
        ...(breaker && { breaker }),
      });
      for (let i = 1; i <= 60; i++) {
        rotator.acquire().settle({ verdict: i % goodOf === 1 ? 'success' : 'proxy' });
        if (rotator.pool.list()[0]?.health === 'open') return i;
      }
      return 0;
    };
    expect([opensAfter(2), opensAfter(2, { rateShare: 0.51 }), opensAfter(3, { rateShare: 0.6 })]).toEqual([
      10, 0, 11,
    ]);
    expect(opensAfter(3, { rateShare: 0 })).toBe(0);
    expect([opensAfter(2, { rateResults: 4 }), opensAfter(2, { rateResults: 21 })]).toEqual([4, 22]);
  });

  it.each([
    [{}, 3_000],
    [{ rateWindowMs: 6_000 }, 600],
  ])(
    'breaker.rateWindowMs and breaker.rateResults: %j, ten results within 30 s by default',
    (breaker, ms) => {
      const opens = (apartMs: number): boolean => {
        const { clock } = testEngine(0);
        const rotator = createRotator({ proxies: [proxyLine(0)], clock, panic: { share: 0 }, breaker });
        const told = record(rotator, 'breaker');
        for (let i = 0; i < 100; i++) {
          rotator.acquire().settle({ verdict: i % 2 === 0 ? 'success' : 'proxy' });
          clock.advance(apartMs);
          if (told.length > 0) return true;
        }
        return false;
      };
      // Ten of them take ten times as long, of which five sixths of the window count at least.
      expect([opens(ms * 0.8), opens(ms * 1.2)]).toEqual([true, false]);
    },
  );

  it('breaker.openMs and breaker.maxOpenMs: the first open time and its cap, 10 s and 300 s by default', () => {
    expect(openTimes({}, 7)).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    expect(openTimes({ breaker: { openMs: 100, maxOpenMs: 150 } }, 3)).toEqual([100, 150, 150]);
  });

  it.each([
    [{}, 60_000],
    [{ breaker: { probeMs: 400 } }, 400],
  ])('breaker.probeMs: how long a probe may stay unsettled, 60 s by default', (options, probeMs) => {
    const { rotator, clock } = testEngine(1, { random: still, ...options });
    for (let i = 0; i < 5; i++) rotator.acquire().fail({ verdict: 'proxy' });
    clock.advance(10_000);
    rotator.acquire();
    clock.advance(probeMs - 1);
    expect(() => rotator.acquire()).toThrow(/due in 1 ms/);
    clock.advance(1);
    rotator.acquire();
  });

  it.each([
    [{}, 2, 30_000],
    [{ breaker: { probeSuccesses: 3, warmingMs: 70 } }, 3, 70],
    [{ breaker: { probeSuccesses: 1, warmingMs: 0 } }, 1, 0],
  ])(
    'breaker.probeSuccesses and breaker.warmingMs: how a proxy comes back, 2 and 30 s by default',
    (options, successes, ms) => {
      const { clock } = testEngine(0);
      const proxies = [proxyLine(0)];
      const rotator = createRotator({ proxies, clock, random: still, panic: { share: 0 }, ...options });
      blame(rotator, String(rotator.pool.list()[0]?.id), 5);
      clock.advance(10_000);
      const changes = record(rotator, 'breaker');
      for (let i = 1; i < successes; i++) rotator.acquire().succeed();
      expect(changes.map(({ to }) => to)).toEqual(['half-open'].slice(0, successes - 1));
      rotator.acquire().succeed();
      clock.advance(Math.max(0, ms - 1));
      rotator.stats();
      expect(changes.map(({ to }) => to)).toEqual(['half-open', ms > 0 ? 'warming' : 'closed']);
      clock.advance(1);
      expect(rotator.stats().proxies[0]?.health).toBe('closed');
    },
  );

  it('ban.cooldownMs and ban.maxCooldownMs: the first cooldown and its cap, 30 s and 900 s by default', () => {
    expect(cooldowns({}, 6)).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 900_000]);
    expect(cooldowns({ ban: { cooldownMs: 100, maxCooldownMs: 150 } }, 2)).toEqual([100, 150]);
  });

  it('ban.maxPairs: the pairs that are remembered', () => {
    const picks = (maxPairs: number): Set<string> => {
      const { rotator } = testEngine(3, { ban: { maxPairs } });
      for (let i = 0; i < 2; i++) rotator.acquire({ url }).settle({ verdict: 'banned' });
      return new Set(Array.from({ length: 6 }, () => rotator.acquire({ url }).proxy.id));
    };
    expect([picks(1).size, picks(2).size]).toEqual([2, 1]);
  });

  it('panic.share: of the pool that may serve, below which nobody is blamed, 0.1 by default; 0 = never', () => {
    const begins = (size: number, opened: number, panic: RotatorOptions['panic']): boolean => {
      const engine = testEngine(0);
      const rotator = createRotator({
        proxies: proxyLines(size),
        clock: engine.clock,
        random: still,
        ...(panic && { panic }),
      });
      const told = record(rotator, 'panic');
      for (const { id } of rotator.pool.list().slice(0, opened)) blame(rotator, id, 5);
      return told.length > 0;
    };
    expect([begins(100, 90, {}), begins(100, 91, {})]).toEqual([false, true]);
    expect([begins(10, 9, undefined), begins(10, 8, undefined)]).toEqual([true, false]);
    expect([begins(100, 50, { share: 0.5 }), begins(100, 51, { share: 0.5 })]).toEqual([false, true]);
    expect(begins(10, 10, { share: 0 })).toBe(false);
  });

  it('panic.windowMs: within which half of the pool must have opened, 10 s by default', () => {
    const begins = (apartMs: number, windowMs?: number): boolean => {
      const panic = { share: 0.1, ...(windowMs !== undefined && { windowMs }) };
      const { rotator, ids, clock } = testEngine(2, {
        panic,
        breaker: { openMs: 500_000, maxOpenMs: 500_000 },
      });
      const told = record(rotator, 'panic');
      // Of three, so that half is more than one.
      rotator.pool.add(proxyLine(7));
      blame(rotator, String(ids[0]), 5);
      clock.advance(apartMs);
      blame(rotator, String(ids[1]), 5);
      return told.length > 0;
    };
    expect([begins(10_000), begins(10_001)]).toEqual([true, false]);
    expect([begins(50, 50), begins(51, 50)]).toEqual([true, false]);
  });

  it.each([
    [{}, 180],
    [{ emaAlpha: 0.5 }, 150],
  ])('emaAlpha: the weight of the newest latency, 0.2 by default', (options, ema) => {
    const { rotator } = testEngine(1, options);
    for (const latencyMs of [200, 100]) rotator.acquire().succeed({ latencyMs });
    expect(rotator.stats().proxies[0]?.emaLatencyMs).toBe(ema);
  });

  it.each([
    [{}, 3600],
    [{ windowSeconds: 120 }, 120],
  ])('windowSeconds: the length of the window, 3600 by default', (options, seconds) => {
    const { rotator, clock } = testEngine(1, options);
    rotator.acquire().succeed();
    clock.advance((seconds - 1) * 1000);
    expect(rotator.stats().proxies[0]?.windowCount).toBe(1);
    clock.advance(61_000);
    expect(rotator.stats().proxies[0]?.windowCount).toBe(0);
  });

  it.each([
    [{}, 10],
    [{ budgets: [{ bytes: 300 }] }, 3],
    [{ budgets: [{ cost: 4e-7 }] }, 4],
    [{ budgets: [{ bytes: 300, tag: 'other' }] }, 10],
    [{ budgets: [{ bytes: 300, source: 'other' }] }, 10],
    [{ budgets: [{ bytes: 300, windowSeconds: 2 }] }, 10],
  ])('budgets: %j, none by default, lets %s of ten requests of 100 bytes through', (options, served) => {
    const proxies = [createProxy({ host: '192.0.2.1', port: 80, cost: 1, tags: ['dc'], source: 'list' })];
    const { rotator, clock } = testEngine(0, { proxies, ...options });
    for (let i = 0; i < 10 && rotator.explain().chosen !== null; i++) {
      rotator.acquire().succeed({ bytes: 100 });
      clock.advance(1000);
    }
    expect(rotator.stats().started).toBe(served);
  });

  it.each([
    [{}, 1800],
    [{ sessionTimeoutSeconds: 5 }, 5],
    [{ sessionMaxAgeSeconds: 7 }, 7],
  ])('sessionTimeoutSeconds and sessionMaxAgeSeconds: %j ends a session after %s s', (options, seconds) => {
    const { rotator, clock } = testEngine(1, options);
    rotator.acquire({ sessionId: 's' });
    clock.advance(seconds * 1000 - 1);
    expect(rotator.sessions.find('s')).toBeDefined();
    clock.advance(1);
    expect(rotator.sessions.find('s')).toBeUndefined();
  });

  it('sessionMaxAgeSeconds: ends a busy session too; null = never', () => {
    const ages = (sessionMaxAgeSeconds: number | null): number => {
      const { rotator, clock } = testEngine(1, { sessionMaxAgeSeconds });
      for (let i = 0; i < 5; i++) {
        rotator.acquire({ sessionId: 's' });
        clock.advance(1000);
      }
      return rotator.sessions.find('s')?.requestCount ?? 0;
    };
    expect([ages(null), ages(3)]).toEqual([5, 2]);
  });

  it('maxSessions: the sessions that are kept', () => {
    const { rotator } = testEngine(1, { maxSessions: 2 });
    for (const sessionId of ['a', 'b', 'c']) rotator.acquire({ sessionId });
    expect([rotator.sessions.size, rotator.sessions.find('a')]).toEqual([2, undefined]);
  });

  it('clock and random: time and chance of the engine', () => {
    const rotator = createRotator({
      proxies: [proxyLine(0), proxyLine(1), proxyLine(2)],
      strategy: 'random',
      clock: { now: () => 4711 },
      random: constantly(0.99),
    });
    expect(rotator.acquire()).toMatchObject({ startedAt: 4711, proxy: { url: proxyLine(2) } });
  });
});

describe('R-30 what resolves', () => {
  it('is frozen, and has each option that the documentation lists', () => {
    const clock = { now: () => 1 };
    // Those without a default are there when they are given.
    const given = {
      clock,
      random: still,
      classify: () => undefined,
      health: { check: { url: 'http://check.test', token: 'ok', ownAddress: '192.0.2.1' } },
      cache: true,
    };
    const resolved = resolveOptions({ proxies: [proxyLine(0)], ...given });
    expect(Object.isFrozen(resolved)).toBe(true);
    const groups = ['breaker', 'ban', 'panic', 'health', 'health.check', 'cache', 'cache.maxEntries'];
    const namesIn = (options: object, prefix = ''): string[] =>
      Object.entries(options).flatMap(([key, value]) => {
        const name = `${prefix}${key}`;
        return groups.includes(name) ? namesIn(value as object, `${name}.`) : [name];
      });
    // The one that is a switch as well as a group.
    expect(optionNames().sort()).toEqual(['cache', ...namesIn(resolved)].sort());
  });

  it('takes undefined for an option that is left out', () => {
    expect(resolveRotatorOptions({ emaAlpha: undefined } as unknown as RotatorOptions).emaAlpha).toBe(0.2);
  });

  it.each([0.000001, 0.999999])('accepts emaAlpha %s, just within its rule', (emaAlpha) => {
    expect(resolveRotatorOptions({ emaAlpha }).emaAlpha).toBe(emaAlpha);
  });
});
