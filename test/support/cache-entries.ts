import { randomBytes } from 'node:crypto';
import { KeyRing } from '../../src/cache/crypto.js';
import { type CacheEntry, createEntry } from '../../src/cache/entry.js';
import { createProxy } from '../../src/core/proxy.js';

/** Texts that must be found nowhere: not in a file, an error or a metric. */
export const canaries = { username: 'canary-user', password: 'canary-hunter2' } as const;

/** When the entries of the tests were made: ms since 1970. */
export const epoch = 1_800_000_000_000;

/** The key number `n`; keys of different numbers are different ones. */
export function testKey(n = 0): Uint8Array {
  return new Uint8Array(32).fill(n + 1);
}

/** A key ring of test keys, the first one seals. */
export function testRing(...numbers: number[]): KeyRing {
  return new KeyRing((numbers.length === 0 ? [0] : numbers).map(testKey), randomBytes);
}

/** The entry number `n`, with credentials, fetched at {@link epoch}. */
export function testEntry(n: number, changes: Partial<CacheEntry> = {}): CacheEntry {
  const proxy = createProxy({
    host: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
    port: 8000,
    username: `${canaries.username}-${n}`,
    password: `${canaries.password}-${n}`,
    geo: { countryCode: 'DE' },
    tags: ['residential'],
    cost: 1.5,
    source: 'list-a',
  });
  return Object.freeze({ ...createEntry(proxy, epoch, 3600), ...changes });
}

/** The entry number `n` of an open proxy. */
export function openEntry(n: number, changes: Partial<CacheEntry> = {}): CacheEntry {
  const proxy = createProxy({ host: `10.9.${n >> 8}.${n & 255}`, port: 3128 });
  return Object.freeze({ ...createEntry(proxy, epoch, 3600), ...changes });
}

/** All that an entry says, credentials in the clear, so that a deep comparison sees them. */
export function revealed(entry: CacheEntry | null): unknown {
  if (entry === null) return null;
  const { proxy, ...rest } = entry;
  return { ...rest, proxy: { ...proxy, password: proxy.password?.reveal() ?? null } };
}
