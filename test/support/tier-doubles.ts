import type { CacheEntry } from '../../src/cache/entry.js';
import type { CacheTier, EvictionCause, TierFigures } from '../../src/cache/tier.js';

/** A tier around another one, whose calls can be made to fail or to wait. */
export class TroubledTier implements CacheTier {
  readonly #inner: CacheTier;
  readonly #persistent: boolean | undefined;
  /** While set, each call rejects with it. */
  failure: Error | null = null;
  /** While set, each call waits for it. */
  stall: Promise<void> | null = null;
  /** Calls that were made, in their order. */
  readonly calls: string[] = [];

  constructor(inner: CacheTier, { persistent }: { persistent?: boolean } = {}) {
    this.#inner = inner;
    this.#persistent = persistent;
  }

  get name(): string {
    return this.#inner.name;
  }

  get persistent(): boolean {
    return this.#persistent ?? this.#inner.persistent;
  }

  get(key: string): Promise<CacheEntry | null> {
    return this.#through('get', () => this.#inner.get(key));
  }

  recall(key: string, now: number): CacheEntry | null {
    return this.stall === null && this.failure === null ? (this.#inner.recall?.(key, now) ?? null) : null;
  }

  holds(key: string): boolean {
    return this.#inner.holds?.(key) ?? false;
  }

  renew(entry: CacheEntry): void {
    this.#inner.renew?.(entry);
  }

  put(entries: readonly CacheEntry[]): Promise<void> {
    return this.#through('put', () => this.#inner.put(entries));
  }

  delete(keys: readonly string[], cause?: EvictionCause): Promise<number> {
    return this.#through('delete', () => this.#inner.delete(keys, cause));
  }

  clear(): Promise<void> {
    return this.#through('clear', () => this.#inner.clear());
  }

  sweep(): Promise<number> {
    return this.#through('sweep', () => this.#inner.sweep());
  }

  async *entries(): AsyncIterable<CacheEntry> {
    await this.#through('entries', async () => undefined);
    yield* this.#inner.entries();
  }

  figures(): TierFigures {
    return this.#inner.figures();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #through<T>(name: string, call: () => Promise<T>): Promise<T> {
    this.calls.push(name);
    if (this.stall !== null) await this.stall;
    if (this.failure !== null) throw this.failure;
    return await call();
  }
}
