import type { CacheFigures } from './cache-metrics.js';
import type { CacheSettings, CacheSurroundings } from './cache-settings.js';
import { type CacheEntry, checkEntry, isLive } from './entry.js';
import type { CacheTier, EvictionCause } from './tier.js';
import { TierGuard } from './tier-guard.js';
import { UseCounts } from './use-counts.js';

/** What became of a write. */
export interface WriteResult {
  /** True when a tier acknowledged it that outlives the process. */
  readonly durable: boolean;
}

/** An entry, and the name of the tier that had it. */
export interface Found {
  readonly entry: CacheEntry;
  readonly tier: string;
}

/**
 * The way of an entry through the tiers, the fastest first: down on a read, and up into the faster ones; into memory
 * at once on a write, and into the others by the next flush. Calls for one key must not overlap.
 */
export class TierChain {
  readonly #guards: readonly TierGuard[];
  readonly #around: CacheSurroundings;
  readonly #uses = new UseCounts();
  #promotions = 0;

  constructor(tiers: readonly CacheTier[], around: CacheSurroundings, settings: CacheSettings) {
    const { clock, timers, onEvent } = around;
    const onChange = (tier: string, error: Error | null): void =>
      onEvent(error === null ? { type: 'recovered', tier } : { type: 'degraded', tier, error });
    this.#around = around;
    this.#guards = tiers.map((tier) => new TierGuard(tier, { ...settings, clock, timers, onChange }));
  }

  get tiers(): readonly CacheTier[] {
    return this.#guards.map(({ tier }) => tier);
  }

  /** Name of the fastest tier. */
  get first(): string {
    return this.#guards[0]?.tier.name ?? '';
  }

  /** What the first tier has in memory, its use counted; null when it is to be looked for. */
  recall(key: string): CacheEntry | null {
    const now = this.#around.now();
    const entry = this.#guards[0]?.recall(key, now) ?? null;
    if (entry !== null) this.#uses.add(entry, now);
    return entry;
  }

  /** Looks for an entry in one tier after the other, and brings it into the faster ones. */
  async find(key: string, promotes = true): Promise<Found | null> {
    this.#noteUse(key);
    for (const [i, guard] of this.#guards.entries()) {
      const entry = await guard.get(key);
      if (entry === null || !isLive(entry, this.#around.now())) continue;
      const tier = guard.tier.name;
      if (i > 0 && promotes) {
        this.#promotions += 1;
        this.#around.onEvent({ type: 'promoted', key, tier });
        for (const faster of this.#guards.slice(0, i)) faster.later(key, entry);
        await this.#flushMemory();
      }
      return { entry, tier };
    }
    return null;
  }

  /** What the tiers have of these keys, for a caller who writes all of it next. Each tier is asked once. */
  async findMany(keys: readonly string[]): Promise<ReadonlyMap<string, CacheEntry>> {
    for (const key of keys) this.#noteUse(key);
    const found = new Map<string, CacheEntry>();
    let left = keys;
    for (const [i, guard] of this.#guards.entries()) {
      if (left.length === 0) break;
      for (const entry of await guard.getMany(left)) {
        if (!isLive(entry, this.#around.now())) continue;
        found.set(entry.key, entry);
        if (i === 0) continue;
        this.#promotions += 1;
        this.#around.onEvent({ type: 'promoted', key: entry.key, tier: guard.tier.name });
      }
      left = left.filter((key) => !found.has(key));
    }
    return found;
  }

  /** Whether what a tier has of a key may not be the newest. */
  mayHaveChanged(key: string): boolean {
    return this.#uses.has(key) || this.#guards.some((guard) => guard.mayHold(key));
  }

  /** In memory at once, noted for the tiers that persist. */
  async write(entry: CacheEntry): Promise<CacheEntry> {
    const checked = checkEntry(entry);
    await this.writeMany([checked]);
    return checked;
  }

  /** {@link write} of entries that were checked. */
  async writeMany(entries: Iterable<CacheEntry>): Promise<void> {
    for (const entry of entries) for (const guard of this.#guards) guard.later(entry.key, entry);
    await this.#flushMemory();
  }

  /** Notes an entry that did not change for the tiers that persist. */
  rewrite(entry: CacheEntry): void {
    for (const guard of this.#persistent()) guard.later(entry.key, entry);
  }

  /** Out of memory at once, noted for the tiers that persist. */
  async forget(key: string): Promise<void> {
    this.#uses.take(key);
    for (const guard of this.#guards) guard.later(key, null);
    await this.#flushMemory();
  }

  /** Out of all tiers, counted as evicted. */
  async evict(key: string, cause: EvictionCause): Promise<void> {
    this.#uses.take(key);
    await Promise.all(this.#guards.map((guard) => guard.evict(key, cause)));
  }

  async clear(): Promise<WriteResult> {
    this.#uses.clear();
    const done = await Promise.all(this.#guards.map((guard) => guard.clear()));
    return { durable: this.#guards.some(({ tier }, i) => tier.persistent && done[i]) };
  }

  /** Resolves with how many entries went, counted per tier. */
  async sweep(): Promise<number> {
    const swept = await Promise.all(this.#guards.map((guard) => guard.run(() => guard.tier.sweep())));
    return swept.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }

  /** Waits for the tiers that persist to take what was noted, but not for a slow one. */
  async through(): Promise<WriteResult> {
    const done = await Promise.all(this.#persistent().map((guard) => guard.flushSoon()));
    return { durable: done.includes(true) };
  }

  /** False when a tier could not take what was noted. */
  async flush(): Promise<boolean> {
    this.#noteUses();
    const done = await Promise.all(this.#guards.map((guard) => guard.flush()));
    return !done.includes(false);
  }

  figures(): Omit<CacheFigures, 'hits' | 'misses'> {
    this.#noteUses();
    const tiers = this.#guards.map((guard) => ({
      name: guard.tier.name,
      ...guard.tier.figures(),
      degraded: guard.degraded,
      pending: guard.pending,
      dropped: guard.dropped,
    }));
    return {
      promotions: this.#promotions,
      // What the slowest tier lets go is gone; what a faster one lets go is still in the slower ones.
      demotions: tiers.slice(0, -1).reduce((sum, { evictions }) => sum + evictions.lru, 0),
      tiers,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#guards.map(({ tier }) => tier.close().catch(() => undefined)));
  }

  #noteUses(): void {
    for (const key of this.#uses.keys()) this.#noteUse(key);
  }

  /** Adds the uses of an entry to it. Each change starts with this, so they are never those of an older entry. */
  #noteUse(key: string): void {
    const entry = this.#uses.take(key);
    if (entry === null || !isLive(entry, this.#around.now())) return;
    for (const guard of this.#guards) {
      if (guard.tier.persistent || guard.tier.renew === undefined) guard.later(key, entry);
      else guard.tier.renew(entry);
    }
  }

  async #flushMemory(): Promise<void> {
    for (const guard of this.#guards) if (!guard.tier.persistent) await guard.flush();
  }

  #persistent(): TierGuard[] {
    return this.#guards.filter(({ tier }) => tier.persistent);
  }
}
