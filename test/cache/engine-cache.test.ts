import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CacheEvents } from '../../src/cache/cache-events.js';
import { countSeals } from '../../src/cache/crypto.js';
import { EngineCache } from '../../src/cache/engine-cache.js';
import type { EngineCacheParts, EngineCacheSettings } from '../../src/cache/engine-open.js';
import { openTiers } from '../../src/cache/open-tiers.js';
import { createProxy, type Proxy } from '../../src/core/proxy.js';
import type { RotatorOptions } from '../../src/options.js';
import { importProxies } from '../../src/sources/import.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { epoch } from '../support/cache-entries.js';
import { FakeTimers } from '../support/fake-timers.js';
import { ban } from '../support/teaching.js';
import { blame, type TestEngine, testEngine } from '../support/test-engine.js';
import { TroubledTier } from '../support/tier-doubles.js';

/** A directory that several runs share, with a wall clock of its own. */
interface Place {
  readonly dir: string;
  now: number;
}

async function place(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return { dir: join(dir, 'cache'), now: epoch };
}

interface Run extends TestEngine {
  readonly cache: EngineCache;
  readonly seen: { [N in keyof CacheEvents]: CacheEvents[N][] };
}

interface RunOptions {
  readonly engine?: RotatorOptions;
  readonly proxies?: readonly (string | Proxy)[] | number;
  readonly settings?: Partial<EngineCacheSettings>;
  readonly parts?: Partial<EngineCacheParts>;
}

const names = ['degraded', 'recovered', 'warning', 'loaded', 'evicted', 'stored', 'deleted'] as const;
const key = randomBytes(32).toString('hex');

/** An engine on the cache of a place. */
function run(at: Place, { engine: options, proxies = 4, settings, parts }: RunOptions = {}): Run {
  const count = typeof proxies === 'number' ? proxies : 0;
  const engine = testEngine(count, {
    random: () => 0,
    ...(count === 0 && { proxies: proxies as [] }),
    ...options,
  });
  const cache = new EngineCache({
    rotator: engine.rotator,
    settings: {
      dir: at.dir,
      tiers: ['sqlite'],
      maxEntries: { memory: 1_000, file: 5_000, sqlite: null },
      ttlSeconds: 3_600,
      sweepSeconds: 60,
      healthThreshold: 3,
      keyFile: null,
      ...settings,
    },
    env: { PROXYWHIRL_CACHE_ENCRYPTION_KEY: key },
    randomBytes,
    now: () => at.now,
    clock: { now: () => performance.now() },
    timers: nodeTimers,
    readList: (path) => importProxies(path),
    ...parts,
  });
  onTestFinished(() => cache.close());
  const seen = Object.fromEntries(names.map((name) => [name, [] as unknown[]])) as unknown as Run['seen'];
  for (const name of names) cache.on(name, (payload) => void (seen[name] as unknown[]).push(payload));
  return { ...engine, cache, seen };
}

const healthOf = ({ rotator }: Run): string[] => rotator.stats().proxies.map(({ health }) => health);
const succeed = ({ rotator }: Run, times: number, latencyMs = 100): void => {
  for (let i = 0; i < times; i++) rotator.acquire().succeed({ latencyMs });
};

describe.each([['sqlite'], ['file']] as const)('C-08 an engine on the %s tier', (tier) => {
  const settings = { tiers: [tier] } as const;

  it('begins with the figures, breakers, cooldowns and sessions that the last run ended with', async () => {
    const at = await place();
    const first = run(at, { settings });
    await first.cache.loading;
    const [a, b, c, d] = first.ids as [string, string, string, string];
    for (let i = 0; i < 5; i++) first.rotator.acquireCarrier(a)?.succeed({ latencyMs: 120 });
    blame(first.rotator, b, 5);
    ban(first.rotator, c, 'a.test', 60_000);
    first.rotator.acquire({ sessionId: 's1', exclude: [a, b, c] }).succeed({ latencyMs: 80 });
    await first.cache.close();
    at.now += 2_000;
    const second = run(at, { settings });
    await second.cache.loading;
    expect(second.seen.loaded).toEqual([{ added: 0, restored: 4 }]);
    expect(
      second.rotator
        .stats()
        .proxies.map(({ proxyId, succeeded, emaLatencyMs, health }) => [
          proxyId,
          succeeded,
          emaLatencyMs,
          health,
        ]),
    ).toEqual([
      [a, 5, 120, 'closed'],
      [b, 0, null, 'open'],
      [c, 0, null, 'closed'],
      [d, 1, 80, 'closed'],
    ]);
    expect(second.rotator.snapshot().cooldowns).toEqual([
      { host: 'a.test', proxyId: c, remainingMs: 58_000, bans: 1 },
    ]);
    expect(second.rotator.acquire({ sessionId: 's1' }).proxy.id).toBe(d);
  });

  it('K-15 100 restarts lose nothing', async () => {
    const at = await place();
    for (let round = 0; round < 100; round++) {
      const next = run(at, { settings });
      await next.cache.loading;
      expect(next.rotator.stats().succeeded).toBe(round * 4);
      succeed(next, 4);
      await next.cache.close();
    }
  }, 300_000);
});

describe('what is written when', () => {
  it('C-08 writes statistics behind, within a second, and only those that changed', async () => {
    const at = await place();
    const tiers: TroubledTier[] = [];
    const first = run(at, {
      parts: {
        open: (settings, around) => {
          tiers.push(...openTiers(settings, around).map((tier) => new TroubledTier(tier)));
          return tiers;
        },
      },
    });
    await first.cache.loading;
    await first.cache.flush();
    const before = tiers[1]?.calls.length ?? 0;
    succeed(first, 1);
    expect(tiers[1]?.calls.slice(before)).toEqual([]);
    await expect.poll(() => tiers[1]?.calls.slice(before)).toEqual(['put']);
    const second = run(at);
    await second.cache.loading;
    expect(second.seen.loaded).toEqual([{ added: 0, restored: 1 }]);
  });

  it.each([
    ['a ban', ({ rotator, ids }: Run) => ban(rotator, ids[0] as string, 'a.test', 60_000)],
    ['an opened breaker', ({ rotator, ids }: Run) => blame(rotator, ids[0] as string, 5)],
  ])('writes %s at once: its timer is set for 0 ms', async (_name, learn) => {
    const at = await place();
    const delays: number[] = [];
    const timers = {
      ...nodeTimers,
      setTimeout: (callback: () => void, ms: number) => {
        delays.push(ms);
        return nodeTimers.setTimeout(callback, ms);
      },
    };
    const first = run(at, { parts: { timers } });
    await first.cache.loading;
    await first.cache.flush();
    delays.length = 0;
    succeed(first, 1);
    expect(delays).toEqual([1_000]);
    learn(first);
    expect(delays).toEqual([1_000, 0]);
  });

  it('writes what a killed process had flushed, and nothing is needed for it but flush()', async () => {
    const at = await place();
    const first = run(at);
    succeed(first, 8);
    expect(await first.cache.flush()).toBe(true);
    const second = run(at);
    await second.cache.loading;
    expect(second.rotator.stats().succeeded).toBe(8);
  });

  it('stores proxies that join, deletes those that leave', async () => {
    const at = await place();
    const first = run(at);
    await first.cache.flush();
    first.rotator.pool.add('192.0.2.77:8000');
    first.rotator.pool.remove(first.ids[0] as string);
    await first.cache.flush();
    expect(first.cache.figures().tiers.map(({ name, size }) => [name, size])).toEqual([
      ['memory', 4],
      ['sqlite', 4],
    ]);
    expect(first.seen.deleted).toEqual([{ key: first.ids[0] }]);
  });

  it('keeps what this run saw before the cache was read', async () => {
    const at = await place();
    const first = run(at);
    succeed(first, 8);
    await first.cache.close();
    const second = run(at);
    second.rotator.acquireCarrier(second.ids[0] as string)?.succeed({ latencyMs: 7 });
    await second.cache.loading;
    const [seen, ...others] = second.rotator.stats().proxies;
    expect(seen).toMatchObject({ succeeded: 1, emaLatencyMs: 7 });
    for (const other of others) expect(other).toMatchObject({ succeeded: 2 });
  });
});

describe('time', () => {
  it('keeps a record for the time to live after the end of the run, and no longer', async () => {
    for (const [goneMs, succeeded] of [
      [3_599_000, 4],
      [3_601_000, 0],
    ] as const) {
      const at = await place();
      const first = run(at);
      await first.cache.loading;
      at.now += 3_000_000;
      succeed(first, 4);
      await first.cache.close();
      at.now += goneMs;
      const second = run(at);
      await second.cache.loading;
      expect(second.rotator.stats().succeeded).toBe(succeeded);
    }
  });

  it('lists a proxy anew whose record ran out during the run', async () => {
    const at = await place();
    const first = run(at);
    await first.cache.flush();
    at.now += 3_700_000;
    succeed(first, 4);
    await first.cache.flush();
    const second = run(at);
    await second.cache.loading;
    expect(second.rotator.stats().succeeded).toBe(4);
  });

  it.each([
    [-3_600_000, 4, 60_000],
    [1_000, 4, 59_000],
    [3_000_000, 4, null],
    [10 * 365 * 86_400_000, 0, null],
  ])(
    'row 37: after the wall clock jumped by %i ms, %i successes are known, and a cooldown has %j ms left',
    async (jump, succeeded, left) => {
      const at = await place();
      const first = run(at);
      await first.cache.loading;
      succeed(first, 4);
      blame(first.rotator, first.ids[1] as string, 5);
      ban(first.rotator, first.ids[0] as string, 'a.test', 60_000);
      await first.cache.close();
      at.now += jump;
      const second = run(at);
      await second.cache.loading;
      expect(second.rotator.stats().succeeded).toBe(succeeded);
      expect(second.rotator.snapshot().cooldowns[0]?.remainingMs ?? null).toBe(left);
      // Nothing is for ever: once its time has passed on the engine's own clock, it is tried again.
      second.clock.advance(30_000);
      expect(healthOf(second)[1]).toBe(succeeded === 0 ? 'closed' : 'half-open');
    },
  );

  it('leaves condemned proxies alone at first, unless there is nobody else', async () => {
    for (const [condemned, health] of [
      [1, 'open'],
      [4, 'half-open'],
    ] as const) {
      const at = await place();
      const first = run(at);
      for (const id of first.ids.slice(0, condemned)) blame(first.rotator, id, 5);
      await first.cache.close();
      at.now += 600_000;
      const second = run(at);
      await second.cache.loading;
      expect(healthOf(second)[0]).toBe(health);
      second.clock.advance(5_001);
      expect(healthOf(second)[0]).toBe('half-open');
    }
  });

  it('a binding counts only while its session and its proxy do', async () => {
    const at = await place();
    const engine = { sessionTimeoutSeconds: 60 };
    const first = run(at, { engine });
    const bound = first.rotator.acquire({ sessionId: 's1' });
    bound.succeed();
    const failing = first.rotator.acquire({ sessionId: 's2' });
    failing.succeed();
    blame(first.rotator, failing.proxy.id, 5);
    await first.cache.close();
    at.now += 5_000;
    const second = run(at, { engine });
    await second.cache.loading;
    expect(second.rotator.acquire({ sessionId: 's1' }).proxy.id).toBe(bound.proxy.id);
    expect(second.rotator.acquire({ sessionId: 's2' }).proxy.id).not.toBe(failing.proxy.id);
    const gone = run(at, {
      engine,
      proxies: first.rotator.pool.list(({ id }) => id !== bound.proxy.id).map(({ proxy }) => proxy),
    });
    await gone.cache.loading;
    expect(gone.rotator.sessions.find('s1')).toBeUndefined();
    at.now += 60_000;
    const later = run(at, { engine });
    await later.cache.loading;
    expect(later.rotator.sessions.find('s1')).toBeUndefined();
  });
});

describe('proxies of a source', () => {
  const sourced = (n: number): Proxy =>
    createProxy({ host: `192.0.2.${n}`, port: 8000, username: 'user', password: 'word', source: 'list-a' });

  it('come back by themselves with their credentials, while those of the list have to be listed', async () => {
    const at = await place();
    const first = run(at, { proxies: [sourced(1), '192.0.2.2:8000'] });
    succeed(first, 2);
    await first.cache.close();
    const second = run(at, { proxies: ['192.0.2.3:8000'] });
    await second.cache.loading;
    expect(second.seen.loaded).toEqual([{ added: 1, restored: 1 }]);
    const back = second.rotator.pool.get(sourced(1).id);
    expect(back?.proxy.password?.reveal()).toBe('word');
    expect(back?.stats.succeeded).toBe(1);
    expect(second.rotator.pool.size).toBe(2);
    await second.cache.close();
    // Brought back is not fetched: the time to live goes on.
    at.now += 3_601_000;
    const third = run(at, { proxies: ['192.0.2.3:8000'] });
    await third.cache.loading;
    expect(third.rotator.pool.size).toBe(1);
  });

  it('do not come back without their credentials, nor once they were removed', async () => {
    const at = await place();
    const parts = { env: {} };
    const first = run(at, { proxies: [sourced(1), sourced(2)], parts });
    await first.cache.close();
    const second = run(at, { proxies: ['192.0.2.3:8000'], parts });
    await second.cache.loading;
    expect(second.rotator.pool.size).toBe(1);

    const other = await place();
    const third = run(other, { proxies: [sourced(1), sourced(2)] });
    await third.cache.flush();
    third.rotator.pool.remove(sourced(1).id);
    await third.cache.close();
    const fourth = run(other, { proxies: ['192.0.2.3:8000'] });
    await fourth.cache.loading;
    expect(fourth.rotator.pool.list().map(({ id }) => id)).toContain(sourced(2).id);
    expect(fourth.rotator.pool.size).toBe(2);
  });

  it.each([
    [3, 2, false],
    [3, 3, true],
    [1, 1, true],
    [null, 50, false],
  ])(
    'K-30 with healthThreshold %j, %i faults in a row evict: %j',
    async (healthThreshold, faults, evicted) => {
      const at = await place();
      const first = run(at, { proxies: [sourced(1), sourced(2)], settings: { healthThreshold } });
      await first.cache.loading;
      for (let i = 0; i < 50; i++) {
        first.rotator.acquireCarrier(sourced(1).id)?.fail({ verdict: i < faults ? 'proxy' : 'target' });
      }
      await first.cache.close();
      expect(first.seen.evicted).toEqual(evicted ? [{ key: sourced(1).id, cause: 'health' }] : []);
      const second = run(at, { proxies: ['192.0.2.3:8000'] });
      await second.cache.loading;
      expect(second.rotator.pool.get(sourced(1).id) === undefined).toBe(evicted);
    },
  );

  it('K-30 a success forgets the faults before, over several writes', async () => {
    const at = await place();
    const first = run(at, { proxies: [sourced(1), sourced(2)] });
    await first.cache.loading;
    for (const verdict of ['proxy', 'proxy', 'success', 'proxy', 'proxy'] as const) {
      first.rotator.acquireCarrier(sourced(1).id)?.settle({ verdict });
      await first.cache.flush();
    }
    expect(first.seen.evicted).toEqual([]);
  });

  it('K-30 nobody is evicted while the whole pool fails', async () => {
    const at = await place();
    const first = run(at, {
      proxies: [sourced(1), sourced(2)],
      engine: { panic: { share: 0.5 } },
      settings: { healthThreshold: 7 },
    });
    await first.cache.loading;
    for (let i = 0; i < 12; i++)
      for (const n of [1, 2]) first.rotator.acquireCarrier(sourced(n).id)?.fail({ verdict: 'proxy' });
    expect(first.rotator.inPanic).toBe(true);
    await first.cache.flush();
    expect(first.seen.evicted).toEqual([]);
  });
});

describe('a cache in trouble', () => {
  /** Tiers that can be made to fail. */
  function troubled(): { tiers: TroubledTier[]; open: NonNullable<EngineCacheParts['open']> } {
    const tiers: TroubledTier[] = [];
    return {
      tiers,
      open: (settings, around) => {
        tiers.push(...openTiers(settings, around).map((tier) => new TroubledTier(tier)));
        for (const tier of tiers.filter(({ persistent }) => persistent)) tier.failure = new Error('EIO');
        return tiers;
      },
    };
  }

  it('K-61 a tier that fails delays nothing, is told of once, and gets all when it is back', async () => {
    const at = await place();
    const { tiers, open } = troubled();
    const first = run(at, { parts: { open } });
    await first.cache.loading;
    succeed(first, 4);
    expect(await first.cache.flush()).toBe(false);
    expect(first.seen.degraded.map(({ tier, error }) => [tier, error.message])).toContainEqual([
      'sqlite',
      'EIO',
    ]);
    expect(first.seen.degraded.length).toBeLessThanOrEqual(2);
    for (const tier of tiers) tier.failure = null;
    await expect.poll(() => first.cache.flush()).toBe(true);
    expect(first.seen.recovered).toEqual([{ tier: 'sqlite' }]);
    const second = run(at);
    await second.cache.loading;
    expect(second.rotator.stats().succeeded).toBe(4);
  });

  it('K-61 K-41 warmFromFile says that a tier has not got everything yet', async () => {
    const at = await place();
    const { tiers, open } = troubled();
    const list = `${at.dir}-unkept.txt`;
    await writeFile(list, '10.3.0.1:80\n10.3.0.2:80\n');
    onTestFinished(() => rm(list));
    const first = run(at, { parts: { open } });
    expect(await first.cache.warmFromFile(list)).toMatchObject({ stored: 2, kept: false });
    for (const tier of tiers) tier.failure = null;
    await expect.poll(() => first.cache.flush()).toBe(true);
    expect(await first.cache.warmFromFile(list)).toMatchObject({ stored: 2, kept: true });
  });

  it('K-18 a tier that never answers costs the start 5 s and close() 10 s, on the timers', async () => {
    const at = await place();
    const engine = testEngine(1);
    const timers = new FakeTimers(engine.clock);
    const first = run(at, {
      proxies: 1,
      parts: {
        timers,
        clock: engine.clock,
        open: (settings, around) =>
          openTiers(settings, around).map((tier) => {
            const double = new TroubledTier(tier);
            if (tier.persistent) double.stall = new Promise(() => {});
            return double;
          }),
      },
    });
    let isLoaded = false;
    void first.cache.loading?.then(() => {
      isLoaded = true;
    });
    const started = engine.clock.now();
    await timers.runUntil(() => isLoaded);
    expect(engine.clock.now() - started).toBe(5_000);
    expect(first.seen.degraded.at(-1)).toMatchObject({ tier: 'load', error: { code: 'PW_CACHE_STORAGE' } });
    succeed(first, 1);
    const closing = engine.clock.now();
    let isClosed = false;
    void first.cache.close().then(() => {
      isClosed = true;
    });
    await timers.runUntil(() => isClosed);
    expect(isClosed).toBe(true);
    expect(engine.clock.now() - closing).toBeLessThanOrEqual(10_000);
  });

  it('row 38: a run with another key and one without lose nothing of the first, and are told why', async () => {
    const at = await place();
    const first = run(at);
    succeed(first, 8);
    await first.cache.close();
    const other = run(at, { parts: { env: { PROXYWHIRL_CACHE_ENCRYPTION_KEY: '1'.repeat(64) } } });
    await other.cache.loading;
    expect(other.rotator.stats().succeeded).toBe(0);
    expect(other.seen.warning.map(({ message }) => message).join()).toMatch(
      /The key [0-9a-f]{8} is not in the key ring/,
    );
    succeed(other, 4);
    await other.cache.close();
    const without = run(at, { parts: { env: {} } });
    await without.cache.loading;
    succeed(without, 4);
    await without.cache.close();
    const again = run(at);
    await again.cache.loading;
    expect(again.rotator.stats().succeeded).toBe(8);
  });

  it('K-04 says once that there is no key, and goes on with one that is badly written as without', async () => {
    const at = await place();
    const without = run(at, { parts: { env: {} } });
    await without.cache.loading;
    succeed(without, 4);
    await without.cache.flush();
    expect(without.seen.warning).toEqual([
      { message: expect.stringContaining('credentials and session ids are not persisted') },
    ]);
    await without.cache.close();
    const bad = run(at, { parts: { env: { PROXYWHIRL_CACHE_ENCRYPTION_KEY: 'canary-hunter2' } } });
    await bad.cache.loading;
    expect(bad.seen.degraded).toMatchObject([{ tier: 'keys', error: { code: 'PW_CACHE_KEY' } }]);
    expect(JSON.stringify(bad.seen)).not.toContain('canary');
    expect(bad.rotator.stats().succeeded).toBe(4);
  });

  it('K-41 has every proxy of a file on the disk and in the pool when warmFromFile resolves', async () => {
    const at = await place();
    const list = `${at.dir}-warm.txt`;
    await writeFile(list, Array.from({ length: 9_000 }, (_, n) => `10.1.${n >> 8}.${n & 255}:80\n`).join(''));
    onTestFinished(() => rm(list));
    const first = run(at, { proxies: 1 });
    const report = await first.cache.warmFromFile(list);
    expect([report.stored, first.rotator.pool.size]).toEqual([9_000, 9_001]);
    // Another connection, while the first one is open and has flushed nothing more.
    const second = run(at, { proxies: ['192.0.2.1:80'] });
    await second.cache.loading;
    expect(second.seen.loaded).toMatchObject([{ added: 9_000 }]);
  });

  it('K-40 looks for the next proxies of a file before the tiers have answered for those before', async () => {
    const at = await place();
    const list = `${at.dir}-ahead.txt`;
    await writeFile(list, Array.from({ length: 9_000 }, (_, n) => `10.2.${n >> 8}.${n & 255}:80\n`).join(''));
    onTestFinished(() => rm(list));
    let asked = 0;
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const first = run(at, {
      proxies: 1,
      parts: {
        open: (settings, around) => {
          const tiers = openTiers(settings, around);
          const disk = tiers.at(-1);
          const getMany = disk?.getMany?.bind(disk);
          if (disk === undefined || getMany === undefined) throw new Error('no tier of a disk');
          disk.getMany = async (keys) => {
            if (keys.length > 1) asked += keys.length;
            // More than one piece.
            if (asked > 4_096) answer();
            if (keys.length > 1) await answered;
            return await getMany(keys);
          };
          return tiers;
        },
      },
    });
    const report = await first.cache.warmFromFile(list);
    expect(report.stored).toBe(9_000);
    expect(first.cache.figures().tiers[1]?.size).toBe(9_001);
    expect(first.seen.degraded).toEqual([]);
  });

  it('K-04 warns that its key has sealed so much that it is time for a new one', async () => {
    const at = await place();
    const busy = run(at, {
      parts: {
        open: (settings, around) => {
          if (around.ring !== null) countSeals(around.ring, 2 ** 31);
          return openTiers(settings, around);
        },
      },
    });
    await busy.cache.loading;
    expect(busy.seen.warning).toEqual([
      { message: expect.stringMatching(/^The key [0-9a-f]{8} has sealed 2\^31 texts/) },
    ]);
  });

  it('a listener that throws breaks nothing', async () => {
    const at = await place();
    const first = run(at);
    first.cache.on('stored', () => {
      throw new Error('listener');
    });
    expect(await first.cache.flush()).toBe(true);
    expect(first.cache.figures().tiers[1]?.size).toBe(4);
  });
});

describe('the face', () => {
  it('K-50 gives figures and metrics, before the tiers are open too', async () => {
    const at = await place();
    const first = run(at);
    expect(first.cache.figures()).toMatchObject({ hits: 0, tiers: [] });
    await first.cache.flush();
    expect(first.cache.metrics()).toContain('proxywhirl_cache_tier_entries{tier="sqlite"} 4');
  });

  it('K-64 clear() forgets what was kept; what is learned from then on is kept again', async () => {
    const at = await place();
    const first = run(at);
    succeed(first, 4);
    await first.cache.flush();
    await first.cache.clear();
    const cleared = run(at, { proxies: 1 });
    await cleared.cache.loading;
    expect(cleared.seen.loaded).toEqual([{ added: 0, restored: 0 }]);
    await cleared.cache.close();
    succeed(first, 4);
    await first.cache.flush();
    const second = run(at);
    await second.cache.loading;
    expect(second.rotator.stats().succeeded).toBe(8);
  });

  it('K-06 makes its directory for the owner alone', async () => {
    const at = await place();
    await run(at).cache.flush();
    expect(((await stat(at.dir)).mode & 0o777).toString(8)).toBe('700');
    expect(((await stat(join(at.dir, 'cache.db'))).mode & 0o777).toString(8)).toBe('600');
  });

  it('after close(), nothing is written, nothing is waited for, and closing again does nothing', async () => {
    const at = await place();
    const first = run(at);
    await first.cache.close();
    await first.cache.close();
    succeed(first, 4);
    expect(await first.cache.flush()).toBe(true);
    const second = run(at);
    await second.cache.loading;
    expect(second.rotator.stats().succeeded).toBe(0);
  });
});
