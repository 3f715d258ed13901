import { LRUCache } from 'lru-cache';
import { CacheStorageError, CacheValidationError } from '../errors.js';
import { type CacheEntry, checkEntry, clampTimes, isLive } from './entry.js';
import {
  type CacheTier,
  type EvictionCause,
  TierCounts,
  type TierFigures,
  type TierOptions,
} from './tier.js';

/** L1: the entries in memory, credentials ready for use; the least recently used one goes first. */
export class MemoryTier implements CacheTier {
  readonly name = 'memory';
  readonly persistent = false;
  readonly #entries: LRUCache<string, CacheEntry>;
  readonly #now: () => number;
  readonly #counts = new TierCounts();
  #closed = false;

  /** @throws CacheValidationError when `maxEntries` is null or less than 1: memory has a bound. */
  constructor({ now, maxEntries }: TierOptions) {
    if (!Number.isSafeInteger(maxEntries) || Number(maxEntries) < 1)
      throw new CacheValidationError('maxEntries', 'must be a whole number of 1 or more');
    this.#now = now;
    this.#entries = new LRUCache({
      max: Number(maxEntries),
      dispose: (_entry, _key, reason) => {
        if (reason === 'evict') this.#counts.evictions.lru += 1;
      },
    });
  }

  async get(key: string): Promise<CacheEntry | null> {
    this.#assertOpen();
    return this.#get(key);
  }

  async getMany(keys: readonly string[]): Promise<CacheEntry[]> {
    this.#assertOpen();
    return keys.map((key) => this.#get(key)).filter((entry) => entry !== null);
  }

  #get(key: string): CacheEntry | null {
    const entry = this.#entries.get(key);
    if (entry !== undefined && !isLive(entry, this.#now())) {
      this.#entries.delete(key);
      this.#counts.evictions.ttl += 1;
      return this.#counts.read(null);
    }
    return this.#counts.read(entry ?? null);
  }

  recall(key: string, now: number): CacheEntry | null {
    const entry = this.#entries.get(key);
    if (entry === undefined || !isLive(entry, now)) return null;
    this.#counts.hits += 1;
    return entry;
  }

  holds(key: string): boolean {
    return this.#entries.has(key);
  }

  renew(entry: CacheEntry): void {
    if (this.#entries.has(entry.key)) this.#entries.set(entry.key, entry);
  }

  async put(entries: readonly CacheEntry[]): Promise<void> {
    this.#assertOpen();
    const now = this.#now();
    for (const entry of entries.map((given) => checkEntry(clampTimes(given, now)))) {
      const held = this.#entries.peek(entry.key);
      if (held === undefined || supersedes(entry, held)) this.#entries.set(entry.key, entry);
    }
  }

  async delete(keys: readonly string[], cause?: EvictionCause): Promise<number> {
    this.#assertOpen();
    const deleted = keys.filter((key) => this.#entries.delete(key)).length;
    if (cause !== undefined) this.#counts.evictions[cause] += deleted;
    return deleted;
  }

  async clear(): Promise<void> {
    this.#assertOpen();
    this.#entries.clear();
  }

  async sweep(): Promise<number> {
    this.#assertOpen();
    const now = this.#now();
    const expired = [...this.#entries.values()].filter((entry) => !isLive(entry, now));
    return await this.delete(
      expired.map(({ key }) => key),
      'ttl',
    );
  }

  async *entries(): AsyncIterable<CacheEntry> {
    this.#assertOpen();
    const now = this.#now();
    // A copy: the reader may write between two of them.
    for (const entry of [...this.#entries.values()]) if (isLive(entry, now)) yield entry;
  }

  figures(): TierFigures {
    return this.#counts.figures(this.#entries.size);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#entries.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw new CacheStorageError(this.name, 'it was closed');
  }
}

/** An entry whose credentials were withheld is no replacement for one that has them. */
function supersedes(next: CacheEntry, held: CacheEntry): boolean {
  return next.updatedAt >= held.updatedAt && (!next.withheld || held.withheld);
}
