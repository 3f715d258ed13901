import type { CacheEntry } from './entry.js';

/** Why an entry left a tier without being asked to. */
export type EvictionCause = 'lru' | 'ttl' | 'health' | 'corruption';

/** Counters of one tier since it was made. */
export interface TierFigures {
  readonly hits: number;
  readonly misses: number;
  /** Entries held now, as far as is known: another process may have changed that. */
  readonly size: number;
  readonly evictions: Readonly<Record<EvictionCause, number>>;
  /** Records met that were written with a key that is not there. They are kept, and never written. */
  readonly locked: number;
}

/** Something a tier got over by itself and that its owner should know of. Called at most once per cause. */
export type TierReport = (error: Error) => void;

/** Time as the cache reads it: ms since 1970 (UTC). */
export type WallTime = () => number;

/** The settings of the built-in tiers. */
export interface TierOptions {
  readonly now: WallTime;
  /** Most entries it holds; each `put` sees to it. Null: as many as there is room for. */
  readonly maxEntries: number | null;
}

/**
 * One layer of the cache. Entries are immutable values, so a tier may hand out the very one that it was given.
 *
 * - `put` keeps the newest: an entry with an older `updatedAt` than the one that is there is passed over.
 * - An expired entry is absent from the ms on at which it expires, and gone after the next `sweep`.
 * - A damaged record is set aside, counted and reported once, and absent; a record of a missing key is absent
 *   too, but neither changed nor deleted.
 * - Calls take effect in the order in which they were made.
 * - Each call rejects with CacheStorageError when the storage fails or the tier was closed.
 */
export interface CacheTier {
  readonly name: string;
  /** Whether what it acknowledged outlives the process, killed or not. */
  readonly persistent: boolean;
  /** How many entries of many one `put` is given. @default 512 */
  readonly entriesPerPut?: number;
  get(key: string): Promise<CacheEntry | null>;
  /** What `get` finds for each of these keys, in any order; without it, `get` is called for each of them. */
  getMany?(keys: readonly string[]): Promise<readonly CacheEntry[]>;
  /** Only of a tier in memory: what `get` finds, at once. Null: ask `get`; nothing was counted. */
  recall?(key: string, now: number): CacheEntry | null;
  /** Only with `recall`: whether there is an entry of this key, expired or not. */
  holds?(key: string): boolean;
  /** Only with `recall`: takes the place of the entry of this key at once, when there is one. */
  renew?(entry: CacheEntry): void;
  /**
   * Stores all of them, or none when one breaks a rule; resolves when they are stored.
   * @throws CacheValidationError
   */
  put(entries: readonly CacheEntry[]): Promise<void>;
  /**
   * Resolves with how many were there. `cause` counts them as evicted.
   */
  delete(keys: readonly string[], cause?: EvictionCause): Promise<number>;
  /** Deletes all entries; records of a missing key stay. */
  clear(): Promise<void>;
  /** Deletes what has expired; resolves with how many. */
  sweep(): Promise<number>;
  /** All entries that can be read and have not expired, in no particular order. */
  entries(): AsyncIterable<CacheEntry>;
  figures(): TierFigures;
  /** Ends what it opened, after the calls that were made before. A second call does nothing. */
  close(): Promise<void>;
}

/** Counts for {@link TierFigures}. */
export class TierCounts {
  hits = 0;
  misses = 0;
  locked = 0;
  readonly evictions: Record<EvictionCause, number> = { lru: 0, ttl: 0, health: 0, corruption: 0 };

  /** Counts a read, and hands on what it found. */
  read(found: CacheEntry | null): CacheEntry | null {
    if (found === null) this.misses += 1;
    else this.hits += 1;
    return found;
  }

  figures(size: number): TierFigures {
    const { hits, misses, locked } = this;
    return { hits, misses, size, evictions: { ...this.evictions }, locked };
  }
}
