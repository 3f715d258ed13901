import type { CacheEntry } from './entry.js';

interface Uses {
  readonly entry: CacheEntry;
  count: number;
  last: number;
}

/**
 * Uses that were not added to their entries yet. An entry is an immutable value, so a new one for each use would
 * cost more than the read itself.
 */
export class UseCounts {
  readonly #uses = new Map<string, Uses>();

  /** Counts a use of an entry, which stays the newest of its key until it is taken. */
  add(entry: CacheEntry, now: number): void {
    const uses = this.#uses.get(entry.key);
    if (uses === undefined) this.#uses.set(entry.key, { entry, count: 1, last: now });
    else {
      uses.count += 1;
      uses.last = now;
    }
  }

  has(key: string): boolean {
    return this.#uses.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#uses.keys();
  }

  /** The entry with its uses, which are then forgotten here; null when there were none. */
  take(key: string): CacheEntry | null {
    const uses = this.#uses.get(key);
    if (uses === undefined) return null;
    this.#uses.delete(key);
    return used(uses.entry, uses.count, uses.last);
  }

  clear(): void {
    this.#uses.clear();
  }
}

/** The entry after `count` more uses, the last one at `now`. */
export function used(entry: CacheEntry, count: number, now: number): CacheEntry {
  return Object.freeze({
    ...entry,
    accessCount: entry.accessCount + count,
    lastAccessedAt: Math.max(entry.lastAccessedAt, now),
  });
}
