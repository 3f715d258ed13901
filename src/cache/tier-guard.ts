import type { Clock, Timers } from '../core/clock.js';
import { CacheStorageError, CacheValidationError } from '../errors.js';
import type { CacheEntry } from './entry.js';
import type { CacheTier, EvictionCause } from './tier.js';

export interface TierGuardSettings {
  /** How long a caller waits for the tier, in ms. */
  readonly timeoutMs: number;
  /** How long a write may take beside the path before the tier counts as failed, in ms. */
  readonly writeTimeoutMs: number;
  /** How long a tier that failed is left alone before it is tried again, in ms. */
  readonly retryMs: number;
  /** Most writes that wait for a tier; above it the oldest are dropped. */
  readonly maxPending: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told once when the tier fails, and once when it is back. */
  readonly onChange: (tier: string, error: Error | null) => void;
}

/** Sealing an entry takes 6 us, and all of a put may be sealed in one turn of the event loop. */
const ENTRIES_PER_PUT = 512;

/**
 * Keeps a tier that fails or is slow from harming the others: no call takes longer than `timeoutMs` or rejects
 * for its sake, reads pass over it while it is degraded, and what could not be written waits until it is back.
 */
export class TierGuard {
  readonly tier: CacheTier;
  readonly #settings: TierGuardSettings;
  /** The newest state of each key that is not written yet; null: deleted. */
  #pending = new Map<string, CacheEntry | null>();
  #clears = false;
  /** How often it was cleared: a write that fails after that has nothing to bring back. */
  #clearings = 0;
  #retryAt = 0;
  #degraded = false;
  #dropped = 0;
  /** What is being written right now. */
  #writing: ReadonlyMap<string, CacheEntry | null> = new Map();
  #flushing: Promise<boolean> | null = null;
  #next: Promise<boolean> | null = null;

  constructor(tier: CacheTier, settings: TierGuardSettings) {
    this.tier = tier;
    this.#settings = settings;
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  /** Keys whose newest state is not written yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Writes that were given up because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The newest state, written or not. Null as well when the tier is degraded or too slow. */
  async get(key: string): Promise<CacheEntry | null> {
    const waiting = this.#waiting(key);
    if (waiting !== undefined) return waiting;
    if (this.#clears || this.#rests()) return null;
    return (await this.#call(() => this.tier.get(key))) ?? null;
  }

  /** {@link get} of many keys, in one call of the tier; what was not found is left out. */
  async getMany(keys: readonly string[]): Promise<readonly CacheEntry[]> {
    const found: CacheEntry[] = [];
    const asked: string[] = [];
    for (const key of keys) {
      const waiting = this.#waiting(key);
      if (waiting === undefined) asked.push(key);
      else if (waiting !== null) found.push(waiting);
    }
    if (asked.length === 0 || this.#clears || this.#rests()) return found;
    return [...found, ...((await this.#call(() => getMany(this.tier, asked))) ?? [])];
  }

  /** {@link CacheTier.recall} of a tier that works, when nothing is about to be written to it. */
  recall(key: string, now: number): CacheEntry | null {
    if (this.#degraded || this.#clears || this.#pending.has(key) || this.#writing.has(key)) return null;
    return this.tier.recall?.(key, now) ?? null;
  }

  /** Whether an entry that is not in the tier as it is now may be the newest, or a tier in memory has one. */
  mayHold(key: string): boolean {
    return (
      this.#clears || this.#pending.has(key) || this.#writing.has(key) || this.tier.holds?.(key) === true
    );
  }

  /** Notes what is to be written by the next flush; null deletes. */
  later(key: string, entry: CacheEntry | null): void {
    // The one that changed last is the last to be dropped.
    this.#pending.delete(key);
    this.#pending.set(key, entry);
    if (this.#pending.size <= this.#settings.maxPending) return;
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= this.#settings.maxPending) break;
      this.#pending.delete(oldest);
      this.#dropped += 1;
    }
  }

  /** Empties the tier, before anything that is noted from now on is written. */
  clear(): Promise<boolean> {
    this.#pending.clear();
    this.#writing = new Map();
    this.#clears = true;
    this.#clearings += 1;
    return this.flushSoon();
  }

  /** Counts as evicted what is deleted. False when it could not be done; it is then noted. */
  async evict(key: string, cause: EvictionCause): Promise<boolean> {
    // Noted first: a write that fails meanwhile must not bring the entry back.
    this.later(key, null);
    if (this.#rests() || (await this.#call(() => this.tier.delete([key], cause))) === undefined) return false;
    if (this.#pending.get(key) === null) this.#pending.delete(key);
    return true;
  }

  /** Writes all that was noted. False when the tier did not take it (yet). */
  flush(): Promise<boolean> {
    if (this.#flushing === null) {
      const flushing = this.#flush().finally(() => {
        this.#flushing = null;
      });
      this.#flushing = flushing;
      return flushing;
    }
    // All who come meanwhile share one next write: each of them waking for each write would cost the square.
    this.#next ??= this.#flushing.then(() => {
      this.#next = null;
      return this.flush();
    });
    return this.#next;
  }

  /** {@link flush} for a caller who waits at most `timeoutMs`; the write goes on. True when it was acknowledged. */
  async flushSoon(): Promise<boolean> {
    const { timers, timeoutMs } = this.#settings;
    let timer: ReturnType<Timers['setTimeout']> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = timers.setTimeout(() => resolve(false), timeoutMs);
    });
    try {
      return await Promise.race([this.flush(), late]);
    } finally {
      timers.clearTimeout(timer);
    }
  }

  /** Runs a call of the tier; undefined when it failed, was too slow, or the tier is degraded. */
  async run<T>(call: () => Promise<T>): Promise<T | undefined> {
    return this.#rests() ? undefined : await this.#call(call);
  }

  /** What is about to be written; null: its deletion. */
  #waiting(key: string): CacheEntry | null | undefined {
    return this.#pending.get(key) ?? (this.#pending.has(key) ? null : this.#writing.get(key));
  }

  async #flush(): Promise<boolean> {
    if (this.#pending.size === 0 && !this.#clears) return true;
    return this.#rests() ? false : await this.#write();
  }

  async #write(): Promise<boolean> {
    const pending = this.#pending;
    const clears = this.#clears;
    const clearings = this.#clearings;
    this.#writing = pending;
    this.#pending = new Map();
    this.#clears = false;
    const entries = [...pending.values()].filter((entry) => entry !== null);
    const gone = [...pending].flatMap(([key, entry]) => (entry === null ? [key] : []));
    const done = await this.#call(async () => {
      if (clears) await this.tier.clear();
      if (gone.length > 0) await this.tier.delete(gone);
      await this.#putAll(entries);
      return true;
    }, this.#settings.writeTimeoutMs);
    if (this.#writing === pending) this.#writing = new Map();
    if (done) return true;
    if (this.#clearings !== clearings) return false;
    // What was noted meanwhile is newer.
    const newer = this.#pending;
    this.#pending = new Map();
    this.#clears ||= clears;
    for (const [key, entry] of [...pending, ...newer]) this.later(key, entry);
    return false;
  }

  /** Each put is made while the tier is still busy with the one before, and none after one that failed. */
  async #putAll(entries: readonly CacheEntry[]): Promise<void> {
    const { entriesPerPut = ENTRIES_PER_PUT } = this.tier;
    let before: Promise<void> | undefined;
    for (let i = 0; i < entries.length; i += entriesPerPut) {
      const put = this.tier.put(entries.slice(i, i + entriesPerPut));
      // Who fails first is told; the other one may have failed with it.
      put.catch(() => undefined);
      await before;
      before = put;
    }
    await before;
  }

  /** True while a tier that failed is left alone. */
  #rests(): boolean {
    return this.#degraded && this.#settings.clock.now() < this.#retryAt;
  }

  async #call<T>(
    call: () => Promise<T>,
    timeoutMs: number = this.#settings.timeoutMs,
  ): Promise<T | undefined> {
    const { timers } = this.#settings;
    let timer: ReturnType<Timers['setTimeout']> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = timers.setTimeout(
        () => reject(new CacheStorageError(this.tier.name, `no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      const result = await Promise.race([call(), late]);
      this.#settle(null);
      return result;
    } catch (error) {
      // The caller's fault, not the tier's.
      if (error instanceof CacheValidationError) throw error;
      this.#settle(
        error instanceof Error ? error : new CacheStorageError(this.tier.name, 'it threw no error'),
      );
      return undefined;
    } finally {
      timers.clearTimeout(timer);
    }
  }

  #settle(error: Error | null): void {
    const { clock, retryMs, onChange } = this.#settings;
    if (error !== null) this.#retryAt = clock.now() + retryMs;
    if (this.#degraded === (error !== null)) return;
    this.#degraded = error !== null;
    onChange(this.tier.name, error);
  }
}

async function getMany(tier: CacheTier, keys: readonly string[]): Promise<readonly CacheEntry[]> {
  if (tier.getMany !== undefined) return await tier.getMany(keys);
  const found = await Promise.all(keys.map((key) => tier.get(key)));
  return found.filter((entry) => entry !== null);
}
