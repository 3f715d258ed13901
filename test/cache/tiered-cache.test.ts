import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cacheMetricsText, hitRate } from '../../src/cache/cache-metrics.js';
import type { CacheEvent, CacheSettings } from '../../src/cache/cache-settings.js';
import type { CacheEntry } from '../../src/cache/entry.js';
import { MemoryTier } from '../../src/cache/memory-tier.js';
import type { CacheTier } from '../../src/cache/tier.js';
import { TieredCache } from '../../src/cache/tiered-cache.js';
import type { Verdict } from '../../src/core/outcome.js';
import { type Proxy, withMetadata } from '../../src/core/proxy.js';
import { CacheValidationError } from '../../src/errors.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { epoch, testEntry } from '../support/cache-entries.js';
import { openDiskTier } from '../support/disk-tiers.js';
import { FakeClock } from '../support/fake-clock.js';
import { TroubledTier } from '../support/tier-doubles.js';

interface World {
  readonly cache: TieredCache;
  readonly tiers: readonly TroubledTier[];
  readonly events: CacheEvent[];
  readonly clock: FakeClock;
  outage: boolean;
}

/** Tiers of memory: the first one is L1, all others count as persistent. */
function world(sizes: number[], settings: Partial<CacheSettings> = {}): World {
  const clock = new FakeClock();
  const now = () => epoch + clock.now() - 1000;
  const tiers = sizes.map(
    (maxEntries, i) => new TroubledTier(new MemoryTier({ now, maxEntries }), { persistent: i > 0 }),
  );
  const events: CacheEvent[] = [];
  const made = { tiers, events, clock, outage: false };
  const around = {
    now,
    clock,
    timers: nodeTimers,
    isOutage: () => made.outage,
    onEvent: (event: CacheEvent) => void events.push(event),
  };
  const cache = new TieredCache(tiers, around, { flushIntervalMs: 60_000, timeoutMs: 40, ...settings });
  onTestFinished(() => cache.close());
  return Object.assign(made, { cache });
}

const proxy = (n: number): Proxy => testEntry(n).proxy;
const key = (n: number): string => proxy(n).id;
const holds = async (tier: CacheTier | undefined, n: number) => (await tier?.get(key(n))) != null;
const keysOf = async (cache: TieredCache): Promise<string[]> => {
  const keys: string[] = [];
  for await (const entry of cache.entries()) keys.push(entry.key);
  return keys.sort();
};

describe('K-14 reading and writing through the tiers', () => {
  it('writes a new proxy to every tier before it is acknowledged', async () => {
    const { cache, tiers } = world([10, 10, 10]);
    expect(await cache.put([proxy(1)])).toEqual({ durable: true });
    for (const tier of tiers) expect(await holds(tier, 1)).toBe(true);
  });

  it('K-17 brings what a slower tier has into the faster ones, and counts it', async () => {
    const { cache, tiers, events } = world([10, 10, 10]);
    await tiers[2]?.put([testEntry(1)]);
    expect((await cache.get(key(1)))?.proxy.password?.reveal()).toBe('canary-hunter2-1');
    expect(await holds(tiers[0], 1)).toBe(true);
    await cache.flush();
    expect(await holds(tiers[1], 1)).toBe(true);
    expect(cache.figures()).toMatchObject({ hits: 1, misses: 0, promotions: 1 });
    expect(events).toContainEqual({ type: 'promoted', key: key(1), tier: 'memory' });
  });

  it('K-17 leaves the slower tiers what a faster one lets go, and counts it as demotion', async () => {
    const { cache, tiers } = world([2, 10]);
    await cache.put([proxy(1), proxy(2), proxy(3)]);
    expect(await holds(tiers[0], 1)).toBe(false);
    expect(cache.figures().demotions).toBe(1);
    expect(await cache.get(key(1))).not.toBeNull();
  });

  it('K-40 asks a tier once, and sets a handful of timers, for whatever many proxies are stored at once', async () => {
    let timers = 0;
    const asked: number[] = [];
    const now = (): number => epoch;
    class CountingTier extends MemoryTier {
      override async getMany(keys: readonly string[]): Promise<CacheEntry[]> {
        asked.push(keys.length);
        return await super.getMany(keys);
      }
    }
    const cache = new TieredCache([new CountingTier({ now, maxEntries: 300 })], {
      now,
      clock: new FakeClock(),
      timers: {
        ...nodeTimers,
        setTimeout: (callback, ms) => {
          timers += 1;
          return nodeTimers.setTimeout(callback, ms);
        },
      },
      isOutage: () => false,
      onEvent: () => undefined,
    });
    onTestFinished(() => cache.close());
    await cache.put(Array.from({ length: 300 }, (_, n) => proxy(n)));
    expect(asked).toEqual([300]);
    expect(timers).toBeLessThan(10);
    expect(await keysOf(cache)).toHaveLength(300);
  });

  it('stores a proxy that comes twice in one call once, and what was said last', async () => {
    const { cache, events } = world([10, 10]);
    await cache.put([proxy(1), withMetadata(proxy(1), { source: 'b' })]);
    expect(await keysOf(cache)).toEqual([key(1)]);
    expect((await cache.get(key(1)))?.source).toBe('b');
    expect(events.filter(({ type }) => type === 'stored')).toHaveLength(2);
  });

  it.each([[[10]], [[10, 10]], [[10, 10, 10]]])('works with any subset of tiers: %j', async (sizes) => {
    const { cache } = world(sizes);
    expect(await cache.put([proxy(1), proxy(2)])).toEqual({ durable: sizes.length > 1 });
    await cache.delete([key(1)]);
    expect(await cache.get(key(1))).toBeNull();
    expect(await keysOf(cache)).toEqual([key(2)]);
    await cache.clear();
    expect(await keysOf(cache)).toEqual([]);
  });

  it('counts uses, concurrent ones too, and writes them behind', async () => {
    const { cache, tiers } = world([10, 10]);
    await cache.put([proxy(1)]);
    await Promise.all(Array.from({ length: 50 }, () => cache.get(key(1))));
    expect(await tiers[1]?.get(key(1))).toMatchObject({ accessCount: 0 });
    expect(cache.figures().tiers[1]).toMatchObject({ pending: 1 });
    await cache.flush();
    expect(await tiers[1]?.get(key(1))).toMatchObject({ accessCount: 50 });
  });

  it('writes statistics behind and a ban through', async () => {
    const { cache, tiers } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.learn(key(1), { ema: 5 });
    expect(await tiers[1]?.get(key(1))).toMatchObject({ learned: null });
    expect(await cache.learn(key(1), { ema: 5, banned: true }, 'through')).toEqual({ durable: true });
    expect(await tiers[1]?.get(key(1))).toMatchObject({ learned: { ema: 5, banned: true } });
    expect(await cache.learn(key(2), {})).toBeNull();
  });

  it('writes behind by itself, after flushIntervalMs', async () => {
    const { cache, tiers } = world([10, 10], { flushIntervalMs: 5 });
    await cache.put([proxy(1)]);
    await cache.learn(key(1), { ema: 5 });
    await expect.poll(() => tiers[1]?.get(key(1))).toMatchObject({ learned: { ema: 5 } });
  });

  it('writes what waits when it is closed', async () => {
    const { cache, tiers } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.learn(key(1), { ema: 5 });
    const calls = tiers[1]?.calls.length ?? 0;
    await cache.close();
    expect(tiers[1]?.calls.slice(calls)).toEqual(['put']);
  });

  it('keeps what is known of a proxy that is fetched again, and lets it live longer', async () => {
    const { cache, clock } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.learn(key(1), { ema: 5 });
    clock.advance(10_000);
    await cache.put([proxy(1)]);
    expect(await cache.get(key(1))).toMatchObject({
      learned: { ema: 5 },
      createdAt: epoch,
      fetchedAt: epoch + 10_000,
      expiresAt: epoch + 3_610_000,
    });
  });
});

describe('K-20 K-21 time to live', () => {
  it('is 3600 s, one of a source when it has one, and can be changed at run time', async () => {
    const { cache } = world([10], { sourceTtlSeconds: { 'list-a': 120 } });
    const ttl = async (): Promise<number | undefined> => {
      await cache.put([proxy(1)]);
      return (await cache.get(key(1)))?.ttlSeconds;
    };
    expect(await ttl()).toBe(120);
    cache.setTtl(600, 'list-a');
    expect(await ttl()).toBe(600);
    const other = world([10]);
    await other.cache.put([proxy(1)]);
    expect((await other.cache.get(key(1)))?.ttlSeconds).toBe(3600);
    other.cache.setTtl(90);
    await other.cache.put([proxy(1)]);
    expect((await other.cache.get(key(1)))?.ttlSeconds).toBe(90);
    expect(() => cache.setTtl(59)).toThrow(CacheValidationError);
  });

  it('makes an entry unavailable at once, and K-22 counts it when it is swept', async () => {
    const { cache, clock } = world([10, 10]);
    await cache.put([proxy(1)]);
    clock.advance(3_600_000);
    expect(await cache.get(key(1))).toBeNull();
    await cache.sweep();
    expect(cache.figures().tiers.map(({ size, evictions }) => [size, evictions.ttl])).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });
});

describe('K-30 invalidateByHealth', () => {
  it('evicts from all tiers at the third proxy fault in a row', async () => {
    const { cache, tiers, events } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.invalidateByHealth(key(1), 'proxy');
    await cache.invalidateByHealth(key(1), 'auth');
    expect(await cache.get(key(1))).toMatchObject({ healthStatus: 'unhealthy', failureCount: 2 });
    await cache.invalidateByHealth(key(1), 'proxy');
    for (const tier of tiers) expect(await holds(tier, 1)).toBe(false);
    expect(cache.figures().tiers.map(({ evictions }) => evictions.health)).toEqual([1, 1]);
    expect(events).toContainEqual({ type: 'evicted', key: key(1), cause: 'health' });
  });

  it('forgets the faults at a success', async () => {
    const { cache } = world([10]);
    await cache.put([proxy(1)]);
    for (const verdict of ['proxy', 'proxy', 'success', 'proxy', 'proxy'] as const)
      await cache.invalidateByHealth(key(1), verdict);
    expect(await cache.get(key(1))).toMatchObject({ failureCount: 2 });
  });

  it.each<Verdict>(['banned', 'target', 'ambiguous', 'local', 'neutral'])(
    'is not moved by %s',
    async (verdict) => {
      const { cache } = world([10]);
      await cache.put([proxy(1)]);
      for (let i = 0; i < 9; i++) await cache.invalidateByHealth(key(1), verdict);
      expect(await cache.get(key(1))).toMatchObject({ failureCount: 0, healthStatus: 'unknown' });
    },
  );

  it('never empties the cache while the whole pool fails', async () => {
    const made = world([10]);
    await made.cache.put([proxy(1)]);
    made.outage = true;
    for (let i = 0; i < 9; i++) await made.cache.invalidateByHealth(key(1), 'proxy');
    expect(await made.cache.get(key(1))).toMatchObject({ failureCount: 0 });
  });

  it('can be switched off, and has a threshold', async () => {
    for (const [settings, faults, kept] of [
      [{ healthInvalidation: false }, 9, true],
      [{ failureThreshold: 2 }, 2, false],
    ] as const) {
      const { cache } = world([10], settings);
      await cache.put([proxy(1)]);
      for (let i = 0; i < faults; i++) await cache.invalidateByHealth(key(1), 'proxy');
      expect((await cache.get(key(1))) !== null).toBe(kept);
    }
  });
});

describe('K-18 K-61 a tier in trouble', () => {
  it('is passed over while it fails, says so once, and gets what it missed when it is back', async () => {
    const { cache, tiers, events, clock } = world([10, 10, 10]);
    const [, second] = tiers as [TroubledTier, TroubledTier, TroubledTier];
    second.failure = new Error('ENOSPC');
    expect(await cache.put([proxy(1)])).toEqual({ durable: true });
    await cache.put([proxy(2)]);
    await cache.delete([key(2)]);
    expect(await cache.get(key(1))).not.toBeNull();
    expect(events.filter(({ type }) => type === 'degraded')).toHaveLength(1);
    expect(cache.figures().tiers[1]).toMatchObject({ degraded: true });

    second.failure = null;
    const calls = second.calls.length;
    await cache.put([proxy(3)]);
    expect(second.calls).toHaveLength(calls);
    clock.advance(1000);
    expect(await cache.flush()).toBe(true);
    expect([await holds(second, 1), await holds(second, 2), await holds(second, 3)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(events.filter(({ type }) => type === 'recovered')).toHaveLength(1);
    expect(cache.figures().tiers[1]).toMatchObject({ degraded: false, pending: 0 });
  });

  it('does not hold up the others when it is slow', async () => {
    const { cache, tiers } = world([1, 10, 10]);
    const [, slow, third] = tiers as [TroubledTier, TroubledTier, TroubledTier];
    await third.put([testEntry(1)]);
    let go = (): void => undefined;
    slow.stall = new Promise((resolve) => {
      go = resolve;
    });
    // One that waited for it would never come back.
    expect(await cache.get(key(1))).not.toBeNull();
    expect(await cache.put([proxy(2)])).toEqual({ durable: true });
    expect(await cache.get(key(2))).not.toBeNull();
    slow.stall = null;
    go();
  });

  it('says that nothing was made durable when no tier that persists took it', async () => {
    const { cache, tiers } = world([10, 10]);
    const [, only] = tiers as [TroubledTier, TroubledTier];
    only.failure = new Error('EROFS');
    expect(await cache.put([proxy(1)])).toEqual({ durable: false });
    expect(await cache.get(key(1))).not.toBeNull();
  });

  it('drops the oldest waiting writes above maxPending, and counts them', async () => {
    const { cache, tiers } = world([10, 10], { maxPending: 2 });
    const [, only] = tiers as [TroubledTier, TroubledTier];
    only.failure = new Error('EROFS');
    await cache.put([1, 2, 3, 4].map(proxy));
    expect(cache.figures().tiers[1]).toMatchObject({ pending: 2, dropped: 2 });
  });

  it('stays empty when it was cleared while a tier failed', async () => {
    const { cache, tiers, clock } = world([10, 10]);
    const [, only] = tiers as [TroubledTier, TroubledTier];
    await cache.put([proxy(1)]);
    only.failure = new Error('EIO');
    expect(await cache.clear()).toEqual({ durable: false });
    only.failure = null;
    expect(await cache.get(key(1))).toBeNull();
    clock.advance(1000);
    expect(await cache.flush()).toBe(true);
    expect(await holds(only, 1)).toBe(false);
  });
});

describe('K-65 a write that fails late', () => {
  const stalled = async (): Promise<
    World & { only: TroubledTier; fail: () => void; flushed: Promise<boolean> }
  > => {
    const made = world([10, 10], { timeoutMs: 10_000 });
    const [, only] = made.tiers as [TroubledTier, TroubledTier];
    await made.cache.put([proxy(1)]);
    await made.cache.learn(key(1), { ema: 5 });
    let fail = (): void => undefined;
    only.stall = new Promise((resolve) => {
      fail = () => {
        only.failure = new Error('EIO');
        resolve();
      };
    });
    const flushed = made.cache.flush();
    return Object.assign(made, { only, fail, flushed });
  };

  it('does not bring back what was cleared meanwhile', async () => {
    const { cache, only, fail, flushed, clock } = await stalled();
    const cleared = cache.clear();
    await new Promise((resolve) => setImmediate(resolve));
    fail();
    expect(await flushed).toBe(false);
    await cleared;
    only.failure = null;
    only.stall = null;
    clock.advance(1000);
    await cache.flush();
    expect(await keysOf(cache)).toEqual([]);
  });

  it('does not bring back what was deleted meanwhile', async () => {
    const { cache, only, fail, flushed, clock } = await stalled();
    const deleted = cache.delete([key(1)]);
    await new Promise((resolve) => setImmediate(resolve));
    fail();
    expect([await flushed, await deleted]).toEqual([false, { durable: false }]);
    only.failure = null;
    only.stall = null;
    clock.advance(1000);
    await cache.flush();
    expect(await holds(only, 1)).toBe(false);
  });
});

describe('K-65 coherence across the tiers', () => {
  it('is that of one map, whatever happens at the same time, with a tier that fails now and then', async () => {
    const step = fc.tuple(
      fc.constantFrom('put', 'get', 'learn', 'delete', 'clear', 'trouble', 'mend', 'flush'),
      fc.nat(5),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { cache, tiers, clock } = world([2, 4, 100]);
        const [, middle] = tiers as [TroubledTier, TroubledTier, TroubledTier];
        const model = new Map<string, number>();
        const waiting: Promise<unknown>[] = [];
        for (const [i, [action, n, awaited]] of steps.entries()) {
          clock.advance(1);
          if (action === 'put') {
            waiting.push(cache.put([proxy(n)]));
            if (!model.has(key(n))) model.set(key(n), 0);
          } else if (action === 'learn') {
            waiting.push(cache.learn(key(n), { i }, awaited ? 'through' : 'behind'));
            if (model.has(key(n))) model.set(key(n), i);
          } else if (action === 'delete') {
            waiting.push(cache.delete([key(n)]));
            model.delete(key(n));
          } else if (action === 'clear') {
            waiting.push(cache.clear());
            model.clear();
          } else if (action === 'get') {
            const expected = model.get(key(n));
            const seen = cache.get(key(n)).then((entry) => {
              expect(entry === null ? undefined : (entry.learned?.i ?? 0)).toBe(expected);
            });
            waiting.push(seen);
          } else if (action === 'flush') {
            waiting.push(cache.flush());
          } else {
            middle.failure = action === 'trouble' ? new Error('EIO') : null;
            clock.advance(2000);
          }
          if (awaited) await Promise.all(waiting.splice(0));
        }
        await Promise.all(waiting);
        middle.failure = null;
        clock.advance(2000);
        await cache.flush();
        expect(await keysOf(cache)).toEqual([...model.keys()].sort());
        await cache.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe('K-14 a long list', () => {
  it('is noted in memory at once, and on the other tiers after the next flush', async () => {
    const { cache, tiers } = world([10, 10]);
    await cache.note([proxy(1), proxy(2)]);
    expect(await tiers[0]?.get(key(1))).toMatchObject({ key: key(1) });
    expect(await tiers[1]?.get(key(1))).toBeNull();
    expect(await cache.flush()).toBe(true);
    expect(await tiers[1]?.get(key(1))).toMatchObject({ key: key(1) });
  });

  it('goes to a tier in puts of the size that the tier asks for, of 512 entries else', async () => {
    const { cache, tiers } = world([2000, 2000, 2000]);
    Object.assign(tiers[1] as object, { entriesPerPut: 700 });
    await cache.put(Array.from({ length: 1500 }, (_, n) => proxy(n)));
    const puts = tiers.map(({ calls }) => calls.filter((call) => call === 'put').length);
    // Two pieces of 1,024 and 476 are noted before the first write begins.
    expect(puts.slice(1)).toEqual([3, 3]);
    await cache.put(Array.from({ length: 700 }, (_, n) => proxy(n)));
    expect(tiers.map(({ calls }) => calls.filter((call) => call === 'put').length).slice(1)).toEqual([4, 5]);
  });
});

describe('K-62 100,000 operations at the same time', () => {
  it('lose no use and no entry, and let the event loop go on', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pw-many-'));
    const tiers = [
      new MemoryTier({ now: () => epoch, maxEntries: 1000 }),
      openDiskTier('file', { dir, maxEntries: 5000 }),
      openDiskTier('sqlite', { dir }),
    ];
    const cache = new TieredCache(
      tiers,
      {
        now: () => epoch,
        clock: { now: () => performance.now() },
        timers: nodeTimers,
        isOutage: () => false,
        onEvent: () => undefined,
      },
      { timeoutMs: 20_000, writeTimeoutMs: 20_000 },
    );
    onTestFinished(async () => {
      await cache.close();
      rmSync(dir, { recursive: true });
    });
    await cache.put(Array.from({ length: 3000 }, (_, n) => proxy(n)));
    const keys = Array.from({ length: 3000 }, (_, n) => key(n));
    const learned = new Map<string, number>();
    let gets = 0;
    const operation = (i: number): Promise<unknown> => {
      const at = keys[(i * 7919) % 3000] ?? '';
      if (i % 10 === 9) {
        learned.set(at, i);
        return cache.learn(at, { i });
      }
      gets += 1;
      return cache.get(at);
    };
    let answered = 0;
    let most = 0;
    const count = (): void => {
      most = Math.max(most, answered);
      answered = 0;
      beat = setImmediate(count);
    };
    let beat = setImmediate(count);
    const waiting: Promise<unknown>[] = [];
    for (let i = 0; i < 100_000; i++) {
      waiting.push(operation(i).then(() => ++answered));
      // As many callers as a busy process has: what one of them does in one turn is its own.
      if (i % 500 === 0) await new Promise((go) => setImmediate(go));
    }
    await Promise.all(waiting);
    clearImmediate(beat);
    // For how long it waits is the matter of bench/cache; here, for how many answers: those of one write to the disk,
    // which grow with the load, and never most of them.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(10_000);
    await cache.flush();
    expect([cache.figures().hits, cache.figures().misses]).toEqual([gets, 0]);
    // What is on the disk, not what is in memory.
    for (const tier of tiers.slice(1)) {
      let uses = 0;
      for await (const entry of tier.entries()) {
        uses += entry.accessCount;
        expect(entry.learned?.i).toBe(learned.get(entry.key));
      }
      expect(uses).toBe(gets);
    }
  });

  it('give the event loop a turn now and then while all is read from memory', async () => {
    const { cache } = world([10]);
    await cache.put([proxy(1)]);
    let turns = 0;
    const count = () => {
      turns += 1;
      beat = setImmediate(count);
    };
    let beat = setImmediate(count);
    for (let i = 0; i < 20_480; i++) await cache.get(key(1));
    clearImmediate(beat);
    expect(turns).toBeGreaterThanOrEqual(20);
  });
});

describe('K-50 K-66 what can be seen of it', () => {
  it('is an object, and the same as text for Prometheus', async () => {
    const { cache } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.get(key(1));
    await cache.get(key(2));
    const figures = cache.figures();
    expect(hitRate(figures)).toBe(0.5);
    expect(hitRate({ hits: 0, misses: 0 })).toBeNull();
    const text = cacheMetricsText(figures);
    expect(text).toContain('# TYPE proxywhirl_cache_hits_total counter\nproxywhirl_cache_hits_total 1\n');
    expect(text).toContain('proxywhirl_cache_tier_evictions_total{tier="memory",cause="lru"} 0\n');
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z="_,]+\})? \d+)$/);
  });

  it('never shows a credential', async () => {
    const { cache, events } = world([10, 10]);
    await cache.put([proxy(1)]);
    await cache.get(key(1));
    for (let i = 0; i < 3; i++) await cache.invalidateByHealth(key(1), 'proxy');
    const shown =
      inspect([events, cache], { depth: 20, showHidden: true }) + cacheMetricsText(cache.figures());
    expect(events.map(({ type }) => type)).toEqual(['stored', 'hit', 'evicted']);
    expect(shown).not.toContain('hunter2');
  });

  it('K-51 finds at least 80 % of a Zipf workload in tiers that hold half of it', async () => {
    // The default sizes of L1 and L2, divided by ten, over 1,000 proxies; what is missed is fetched.
    const { cache } = world([100, 500]);
    const weights = Array.from({ length: 1000 }, (_, n) => 1 / (n + 1) ** 1.2);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const requests = 5000;
    for (let i = 0; i < requests; i++) {
      // Every quantile once, in a scattered order: 7919 is prime to 5000.
      let rest = (((i * 7919) % requests) / requests) * total;
      const n = weights.findIndex((weight) => {
        rest -= weight;
        return rest < 0;
      });
      if ((await cache.get(key(n))) === null) await cache.put([proxy(n)]);
    }
    expect(hitRate(cache.figures())).toBeGreaterThan(0.8);
  });
});

describe('K-06 settings', () => {
  it.each<[string, unknown]>([
    ['ttlSeconds', 59],
    ['sweepIntervalSeconds', 61],
    ['sweepIntervalSeconds', 9],
    ['failureThreshold', 0],
    ['healthInvalidation', 'yes'],
    ['flushIntervalMs', 0],
    ['sourceTtlSeconds', { a: 1 }],
    ['treshold', 3],
  ])('refuse %s: %j', (name, value) => {
    expect(() => world([10], { [name]: value } as Partial<CacheSettings>)).toThrow(CacheValidationError);
    expect(() => world([10], { [name]: value } as Partial<CacheSettings>)).toThrow(name);
  });

  it('need a tier', () => {
    expect(() => world([])).toThrow(CacheValidationError);
  });
});
