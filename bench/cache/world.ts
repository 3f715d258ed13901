import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '../../src/cache/crypto.js';
import { type CacheEntry, createEntry } from '../../src/cache/entry.js';
import { FileTier } from '../../src/cache/file-tier.js';
import { MemoryTier } from '../../src/cache/memory-tier.js';
import { SqliteTier } from '../../src/cache/sqlite-tier.js';
import type { CacheTier } from '../../src/cache/tier.js';
import { TieredCache } from '../../src/cache/tiered-cache.js';
import { createProxy, type Proxy } from '../../src/core/proxy.js';
import { nodeTimers } from '../../src/transport/node-timers.js';

/** Proxies in each cache of this benchmark. */
export const SIZE = 10_000;

/** Proxies with a user name and a password each, and what a list says of a proxy. */
export function makeProxies(count: number): Proxy[] {
  return Array.from({ length: count }, (_, n) =>
    createProxy({
      host: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
      port: 8000,
      username: `customer-${n}`,
      password: `secret-${n}-${n * 7919}`,
      geo: { countryCode: 'DE', city: 'Berlin' },
      tags: ['residential'],
      cost: 1.5,
      source: 'list-a',
    }),
  );
}

export function makeEntries(proxies: readonly Proxy[]): CacheEntry[] {
  const now = Date.now();
  return proxies.map((proxy) => createEntry(proxy, now, 86_400));
}

/** What the engine learns of a proxy, as plain JSON. */
export function learnedOf(n: number): Record<string, unknown> {
  return { requests: n, successes: n - 1, ema: 120.5, windowed: [1, 0, 1, 1], breaker: { state: 'closed' } };
}

/** The same for a cache that knows no entries: one object, the secrets in the clear. */
export function plainOf(entry: CacheEntry): object {
  const { proxy, ...rest } = entry;
  return { ...rest, proxy: { ...proxy, password: proxy.password?.reveal() ?? null } };
}

const key = randomBytes(32);

/** A directory of its own, gone with {@link Place.remove}. */
export interface Place {
  readonly path: string;
  remove(): void;
}

export function makePlace(): Place {
  const path = mkdtempSync(join(tmpdir(), 'pw-bench-cache-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export type TierName = 'file' | 'sqlite';

/** A tier with a key ring, so that each record has two sealed secrets. */
export function openTier(name: TierName, { path }: Place, maxEntries: number | null = null): CacheTier {
  const shared = {
    now: Date.now,
    maxEntries,
    ring: new KeyRing([key], randomBytes),
    busyTimeoutMs: 5000,
    report: (error: Error) => {
      throw error;
    },
  };
  return name === 'file'
    ? new FileTier({ ...shared, path: join(path, 'file'), staleMs: 5000 })
    : new SqliteTier({ ...shared, path: join(path, 'sqlite', 'cache.db') });
}

/** A cache that writes behind only when it is told to. */
export function openCache(tiers: readonly CacheTier[]): TieredCache {
  return new TieredCache(
    tiers,
    {
      now: Date.now,
      clock: { now: () => performance.now() },
      timers: nodeTimers,
      isOutage: () => false,
      onEvent: () => undefined,
    },
    { flushIntervalMs: 60_000, timeoutMs: 10_000, writeTimeoutMs: 60_000 },
  );
}

export function memoryTier(maxEntries: number = SIZE): MemoryTier {
  return new MemoryTier({ now: Date.now, maxEntries });
}
