import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CacheEntry } from '../../src/cache/entry.js';
import type { CacheTier, TierOptions } from '../../src/cache/tier.js';
import { CacheStorageError, CacheValidationError } from '../../src/errors.js';
import { epoch, openEntry, revealed, testEntry } from '../support/cache-entries.js';

/** What a test sets; what it leaves out has the default of the tier. */
export type ContractSettings = Partial<TierOptions>;

export interface TierUnderTest {
  readonly name: string;
  /** A tier over storage of its own. The contract closes it. */
  readonly open: (settings: ContractSettings) => Promise<CacheTier>;
  /** Cases of the random test: each opens a tier. */
  readonly runs: number;
}

/** The promises of {@link CacheTier}, for every implementation and with its default options. */
export function describeTierContract({ name, open, runs }: TierUnderTest): void {
  describe(`K-10 the contract of a tier: ${name}`, () => {
    let now = epoch;
    const opened = async (settings: ContractSettings = {}): Promise<CacheTier> => {
      now = epoch;
      const tier = await open({ now: () => now, ...settings });
      onTestFinished(() => tier.close());
      return tier;
    };
    const all = async (tier: CacheTier): Promise<CacheEntry[]> => {
      const found: CacheEntry[] = [];
      for await (const entry of tier.entries()) found.push(entry);
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    };
    const sorted = (entries: CacheEntry[]) => entries.sort((a, b) => (a.key < b.key ? -1 : 1)).map(revealed);

    it('gives back what it was given, frozen', async () => {
      const tier = await opened();
      const entries = [testEntry(1, { learned: { ema: 3.5 } }), openEntry(2, { healthStatus: 'healthy' })];
      await tier.put(entries);
      for (const entry of entries) {
        const found = await tier.get(entry.key);
        expect(revealed(found)).toEqual(revealed(entry));
        expect(Object.isFrozen(found)).toBe(true);
      }
      expect(await tier.get(testEntry(3).key)).toBeNull();
      expect((await all(tier)).map(revealed)).toEqual(sorted(entries));
    });

    it('K-50 counts hits, misses and size', async () => {
      const tier = await opened();
      await tier.put([testEntry(1), testEntry(2)]);
      await tier.put([testEntry(2)]);
      await tier.get(testEntry(1).key);
      await tier.get(testEntry(9).key);
      expect(tier.figures()).toEqual({
        hits: 1,
        misses: 1,
        size: 2,
        evictions: { lru: 0, ttl: 0, health: 0, corruption: 0 },
        locked: 0,
      });
    });

    it('finds many at once as it finds each of them', async () => {
      const tier = await opened();
      await tier.put([
        testEntry(1),
        testEntry(2),
        testEntry(3, { ttlSeconds: 60, expiresAt: epoch + 60_000 }),
      ]);
      now = epoch + 60_000;
      const keys = [1, 2, 3, 9].map((n) => testEntry(n).key);
      const found = await tier.getMany?.(keys);
      expect(found === undefined ? null : sorted([...found])).toEqual(sorted([testEntry(1), testEntry(2)]));
      expect(tier.figures()).toMatchObject({ hits: 2, misses: 2 });
    });

    it('K-65 keeps the newest, in whichever order they come', async () => {
      const tier = await opened();
      now = epoch + 10;
      await tier.put([testEntry(1, { updatedAt: epoch + 2, failureCount: 2 })]);
      await tier.put([testEntry(1, { updatedAt: epoch + 1, failureCount: 1 })]);
      expect(await tier.get(testEntry(1).key)).toMatchObject({ failureCount: 2 });
      await tier.put([testEntry(1, { updatedAt: epoch + 2, failureCount: 3 })]);
      expect(await tier.get(testEntry(1).key)).toMatchObject({ failureCount: 3 });
    });

    it('K-04 does not replace credentials by their absence', async () => {
      const tier = await opened();
      await tier.put([testEntry(1)]);
      const { proxy, ...rest } = testEntry(1);
      await tier.put([{ ...rest, withheld: true, proxy: { ...proxy, username: null, password: null } }]);
      expect(revealed(await tier.get(testEntry(1).key))).toEqual(revealed(testEntry(1)));
    });

    it('K-20 K-22 serves nothing that has expired, and counts it', async () => {
      const tier = await opened();
      await tier.put([
        testEntry(1),
        testEntry(2),
        testEntry(3, { expiresAt: epoch + 7_200_000, ttlSeconds: 7200 }),
      ]);
      now = epoch + 3_599_999;
      expect(await tier.get(testEntry(1).key)).not.toBeNull();
      now = epoch + 3_600_000;
      expect(await tier.get(testEntry(1).key)).toBeNull();
      expect((await all(tier)).map(({ key }) => key)).toEqual([testEntry(3).key]);
      await tier.sweep();
      expect(tier.figures()).toMatchObject({ size: 1, evictions: { ttl: 2 } });
      expect(await tier.sweep()).toBe(0);
    });

    it('K-16 holds at most maxEntries after each put, and lets the least recently used one go', async () => {
      const tier = await opened({ maxEntries: 3 });
      const used = (n: number) => testEntry(n, { lastAccessedAt: epoch + n });
      now = epoch + 100;
      await tier.put([1, 2, 3].map(used));
      await tier.put([used(4)]);
      expect(tier.figures()).toMatchObject({ size: 3, evictions: { lru: 1 } });
      expect((await all(tier)).map(({ key }) => key)).toEqual(sortedKeys([2, 3, 4]));
      await tier.put([5, 6, 7, 8].map(used));
      expect((await all(tier)).map(({ key }) => key)).toEqual(sortedKeys([6, 7, 8]));
    });

    it('deletes what is there and says how many', async () => {
      const tier = await opened();
      await tier.put([testEntry(1), testEntry(2), testEntry(3)]);
      expect(await tier.delete([testEntry(1).key, testEntry(9).key])).toBe(1);
      expect(await tier.get(testEntry(1).key)).toBeNull();
      expect(await tier.delete([testEntry(2).key], 'health')).toBe(1);
      expect(tier.figures()).toMatchObject({ size: 1, evictions: { lru: 0, health: 1 } });
    });

    it('K-64 is empty after clear, with its default options too', async () => {
      const tier = await open({});
      onTestFinished(() => tier.close());
      const expiresAt = Date.now() + 3_600_000;
      await tier.put([testEntry(1, { expiresAt }), testEntry(2, { expiresAt })]);
      await tier.clear();
      expect([await tier.get(testEntry(1).key), tier.figures().size, await all(tier)]).toEqual([null, 0, []]);
      await tier.put([testEntry(1, { expiresAt })]);
      expect(await all(tier)).toHaveLength(1);
    });

    it('K-08 takes nothing of a put in which one entry breaks a rule', async () => {
      const tier = await opened();
      const wrong = testEntry(2, { ttlSeconds: 1 });
      await expect(tier.put([testEntry(1), wrong])).rejects.toBeInstanceOf(CacheValidationError);
      expect(await all(tier)).toEqual([]);
    });

    it('K-20 takes times that lie ahead as of now', async () => {
      const tier = await opened();
      now = epoch - 86_400_000;
      await tier.put([testEntry(1)]);
      now += 3_600_000;
      expect(await tier.get(testEntry(1).key)).toBeNull();
    });

    it('takes effect in the order of the calls, none awaited', async () => {
      const tier = await opened();
      const { key } = testEntry(1);
      const calls = [
        tier.put([testEntry(1)]),
        tier.get(key),
        tier.delete([key]),
        tier.get(key),
        tier.delete([key]),
      ];
      const [, first, deleted, second, again] = await Promise.all(calls);
      expect([(first as CacheEntry).key, deleted, second, again]).toEqual([key, 1, null, 0]);
    });

    it('K-65 behaves like a map', async () => {
      const step = fc.tuple(fc.constantFrom('put', 'get', 'delete', 'clear'), fc.nat(6), fc.nat(100));
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const tier = await open({ now: () => epoch });
          const model = new Map<string, CacheEntry>();
          try {
            for (const [action, n, accessCount] of steps) {
              const entry = testEntry(n, { accessCount });
              if (action === 'put') {
                await tier.put([entry]);
                model.set(entry.key, entry);
              } else if (action === 'get') {
                expect(revealed(await tier.get(entry.key))).toEqual(revealed(model.get(entry.key) ?? null));
              } else if (action === 'delete') {
                expect(await tier.delete([entry.key])).toBe(model.delete(entry.key) ? 1 : 0);
              } else {
                await tier.clear();
                model.clear();
              }
            }
            expect((await all(tier)).map(revealed)).toEqual(sorted([...model.values()]));
            expect(tier.figures().size).toBe(model.size);
          } finally {
            await tier.close();
          }
        }),
        { numRuns: runs },
      );
    });

    it('refuses to work after close, and may be closed twice', async () => {
      const tier = await opened();
      await tier.put([testEntry(1)]);
      await tier.close();
      await tier.close();
      await expect(tier.get(testEntry(1).key)).rejects.toBeInstanceOf(CacheStorageError);
      await expect(tier.put([testEntry(1)])).rejects.toBeInstanceOf(CacheStorageError);
      await expect(all(tier)).rejects.toBeInstanceOf(CacheStorageError);
    });
  });
}

function sortedKeys(numbers: number[]): string[] {
  return numbers.map((n) => testEntry(n).key).sort();
}
