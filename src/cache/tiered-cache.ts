import type { Timer } from '../core/clock.js';
import type { Verdict } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import { CacheStorageError, CacheValidationError } from '../errors.js';
import type { CacheFigures } from './cache-metrics.js';
import {
  type CacheEvent,
  type CacheSettings,
  type CacheSurroundings,
  checkTtl,
  resolveCacheSettings,
} from './cache-settings.js';
import { type CacheEntry, checkEntry, createEntry, type LearnedJson } from './entry.js';
import { KeyTurns } from './key-turns.js';
import type { CacheTier } from './tier.js';
import { TierChain, type WriteResult } from './tier-chain.js';
import { used } from './use-counts.js';

export type { WriteResult };

/** Proxies that are looked for and written together: some ms of work. */
const PROXIES_AT_ONCE = 1024;
/** Reads from memory after which the event loop gets a turn. */
const RECALLS_PER_TURN = 1024;

/**
 * The tiers as one cache, the fastest first; any of them may be missing. Reads go from tier to tier and bring
 * what they find into the faster ones. New proxies and bans are written through; statistics and uses are
 * written behind, at the latest after `flushIntervalMs`. A tier that fails or is slow is passed over.
 */
export class TieredCache {
  readonly #chain: TierChain;
  readonly #around: CacheSurroundings;
  readonly #settings: CacheSettings;
  readonly #turns = new KeyTurns();
  readonly #sourceTtl: Map<string, number>;
  #ttlSeconds: number;
  #hits = 0;
  #recalled = 0;
  #misses = 0;
  #flushTimer: Timer | undefined;
  #sweepTimer: Timer | undefined;
  #closing: Promise<void> | null = null;

  /**
   * @param tiers the fastest first; the cache closes them
   * @throws CacheValidationError when a setting breaks its rule or there is no tier
   */
  constructor(tiers: readonly CacheTier[], around: CacheSurroundings, settings: Partial<CacheSettings> = {}) {
    if (tiers.length === 0) throw new CacheValidationError('tiers', 'must not be empty');
    this.#settings = resolveCacheSettings(settings);
    this.#around = around;
    this.#ttlSeconds = this.#settings.ttlSeconds;
    this.#sourceTtl = new Map(Object.entries(this.#settings.sourceTtlSeconds));
    this.#chain = new TierChain(tiers, around, this.#settings);
    this.#armFlush();
    this.#armSweep();
  }

  /** Time to live of entries that are stored or renewed from now on, in seconds; of one source, or of all others. */
  setTtl(seconds: number, source?: string): void {
    checkTtl('ttlSeconds', seconds);
    if (source === undefined) this.#ttlSeconds = seconds;
    else this.#sourceTtl.set(source, seconds);
  }

  /**
   * The entry, and counts its use; null when no tier has it. The use shows in what is read from `entries()`, and
   * in what the next flush writes.
   */
  async get(key: string): Promise<CacheEntry | null> {
    this.#assertOpen();
    const entry = this.#recall(key);
    if (entry !== null) {
      this.#recalled += 1;
      // A loop that finds all in memory would keep sockets and timers waiting until its end.
      if (this.#recalled % RECALLS_PER_TURN === 0) await new Promise<void>((go) => setImmediate(go));
      return entry;
    }
    return await this.#turns.run(key, async () => {
      const found = await this.#chain.find(key);
      if (found === null) {
        this.#misses += 1;
        this.#tell({ type: 'miss', key });
        return null;
      }
      this.#hits += 1;
      this.#tell({ type: 'hit', key, tier: found.tier });
      return await this.#chain.write(used(found.entry, 1, this.#around.now()));
    });
  }

  /**
   * Stores proxies that were just fetched, and waits for the tiers to acknowledge it. What is known of a proxy
   * that is there already is kept; its time to live starts anew.
   */
  async put(proxies: readonly Proxy[]): Promise<WriteResult> {
    await this.note(proxies);
    return await this.#chain.through();
  }

  /** {@link put} for a long list: the next {@link flush} writes it, and waits for the tiers. */
  async note(proxies: readonly Proxy[]): Promise<void> {
    this.#assertOpen();
    const pieces: Promise<void>[] = [];
    // All of them ask for their turns at once: who asks for one of these keys next, waits.
    for (let at = 0; at < proxies.length; at += PROXIES_AT_ONCE) {
      const piece = proxies.slice(at, at + PROXIES_AT_ONCE);
      const keys = piece.map(({ id }) => id);
      pieces.push(this.#turns.runMany(keys, () => this.#store(piece, keys)));
    }
    await Promise.all(pieces);
  }

  /**
   * Keeps what the engine learned of a proxy: `behind` for statistics, `through` for what was expensive to
   * learn, such as a ban. Resolves with null when no tier has the entry.
   */
  async learn(
    key: string,
    learned: LearnedJson,
    write: 'behind' | 'through' = 'behind',
  ): Promise<WriteResult | null> {
    const changed = await this.#change(key, () => ({ learned }));
    if (changed === null) return null;
    return write === 'through' ? await this.#chain.through() : { durable: false };
  }

  /**
   * Counts a proxy fault against an entry, and evicts it from all tiers at the threshold. A success forgets the
   * faults before; verdicts that are nobody's or another's fault change nothing, and neither does any fault
   * while the whole pool fails: a dead network must not empty the cache.
   */
  async invalidateByHealth(key: string, verdict: Verdict): Promise<void> {
    const { healthInvalidation, failureThreshold } = this.#settings;
    if (verdict === 'success') {
      await this.#change(key, ({ failureCount, healthStatus }) =>
        failureCount === 0 && healthStatus === 'healthy'
          ? null
          : { failureCount: 0, healthStatus: 'healthy' },
      );
      return;
    }
    if ((verdict !== 'proxy' && verdict !== 'auth') || this.#around.isOutage()) return;
    const changed = await this.#change(key, (entry) => ({
      failureCount: entry.failureCount + 1,
      healthStatus: 'unhealthy',
    }));
    if (changed === null || !healthInvalidation || changed.failureCount < failureThreshold) return;
    await this.#turns.run(key, async () => {
      await this.#chain.evict(key, 'health');
    });
    this.#tell({ type: 'evicted', key, cause: 'health' });
  }

  /** Deletes entries from all tiers, and waits for them to acknowledge it. */
  async delete(keys: readonly string[]): Promise<WriteResult> {
    this.#assertOpen();
    await Promise.all(
      keys.map((key) =>
        this.#turns.run(key, async () => {
          await this.#chain.forget(key);
          this.#tell({ type: 'deleted', key });
        }),
      ),
    );
    return await this.#chain.through();
  }

  async clear(): Promise<WriteResult> {
    this.#assertOpen();
    return await this.#turns.runAlone(() => this.#chain.clear());
  }

  /** All live entries, each once, read from the slowest tier that works and completed from the others. */
  async *entries(): AsyncIterable<CacheEntry> {
    this.#assertOpen();
    const seen = new Set<string>();
    for (const tier of this.#chain.tiers) {
      try {
        for await (const entry of tier.entries()) {
          const { key } = entry;
          if (seen.has(key)) continue;
          seen.add(key);
          if (!this.#turns.isBusy(key) && !this.#chain.mayHaveChanged(key)) yield entry;
          else {
            // Not promoted: a walk over all entries would push out those that are in use.
            const newest = await this.#turns.run(key, () => this.#chain.find(key, false));
            if (newest !== null) yield newest.entry;
          }
        }
      } catch (error) {
        this.#tell({ type: 'degraded', tier: tier.name, error: error as Error });
      }
    }
  }

  /** Seals all credentials with the first key of the ring; after it, the other keys are not needed any more. */
  async reseal(): Promise<number> {
    let resealed = 0;
    let batch: CacheEntry[] = [];
    const flush = async (): Promise<void> => {
      for (const entry of batch)
        await this.#turns.run(entry.key, async () => {
          const newest = await this.#chain.find(entry.key, false);
          if (newest !== null) this.#chain.rewrite(newest.entry);
        });
      resealed += batch.length;
      batch = [];
      await this.flush();
    };
    for await (const entry of this.entries()) if (batch.push(entry) >= 500) await flush();
    await flush();
    return resealed;
  }

  /** Deletes what has expired from all tiers; resolves with how many entries went, counted per tier. */
  async sweep(): Promise<number> {
    this.#assertOpen();
    return await this.#chain.sweep();
  }

  /** Writes what waits to be written behind. False when a tier could not take it. */
  async flush(): Promise<boolean> {
    return await this.#chain.flush();
  }

  figures(): CacheFigures {
    return { hits: this.#hits, misses: this.#misses, ...this.#chain.figures() };
  }

  /** Writes what waits, then closes the tiers. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { timers } = this.#around;
    timers.clearTimeout(this.#flushTimer);
    timers.clearTimeout(this.#sweepTimer);
    await this.#turns.runAlone(() => this.flush());
    await this.#chain.close();
  }

  async #store(proxies: readonly Proxy[], keys: readonly string[]): Promise<void> {
    const known = await this.#chain.findMany(keys);
    const now = this.#around.now();
    // By key: the same proxy may come twice.
    const entries = new Map<string, CacheEntry>();
    for (const proxy of proxies) {
      const ttl = this.#sourceTtl.get(proxy.source ?? '') ?? this.#ttlSeconds;
      const fresh = createEntry(proxy, now, ttl);
      const held = entries.get(proxy.id) ?? known.get(proxy.id);
      entries.set(
        proxy.id,
        held === undefined
          ? fresh
          : checkEntry({ ...held, ...identityOf(fresh), updatedAt: nextUpdate(held, now) }),
      );
    }
    await this.#chain.writeMany(entries.values());
    for (const key of keys) this.#tell({ type: 'stored', key });
  }

  /** What the first tier has in memory; null when it is to be looked for, or a change of it is under way. */
  #recall(key: string): CacheEntry | null {
    const entry = this.#turns.isBusy(key) ? null : this.#chain.recall(key);
    if (entry === null) return null;
    this.#hits += 1;
    this.#tell({ type: 'hit', key, tier: this.#chain.first });
    return entry;
  }

  async #change(
    key: string,
    change: (entry: CacheEntry) => Partial<CacheEntry> | null,
  ): Promise<CacheEntry | null> {
    this.#assertOpen();
    return await this.#turns.run(key, async () => {
      const entry = (await this.#chain.find(key))?.entry;
      if (entry === undefined) return null;
      const changes = change(entry);
      if (changes === null) return entry;
      return await this.#chain.write({
        ...entry,
        ...changes,
        updatedAt: nextUpdate(entry, this.#around.now()),
      });
    });
  }

  #armFlush(): void {
    this.#flushTimer = this.#every(this.#settings.flushIntervalMs, async () => {
      await this.flush();
      if (this.#closing === null) this.#armFlush();
    });
  }

  #armSweep(): void {
    this.#sweepTimer = this.#every(this.#settings.sweepIntervalSeconds * 1000, async () => {
      if (this.#closing !== null) return;
      await this.sweep();
      if (this.#closing === null) this.#armSweep();
    });
  }

  #every(ms: number, work: () => Promise<void>): Timer {
    const timer = this.#around.timers.setTimeout(() => void work(), ms);
    timer.unref?.();
    return timer;
  }

  #tell(event: CacheEvent): void {
    this.#around.onEvent(event);
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new CacheStorageError('tiered', 'the cache was closed');
  }
}

/** What a new fetch says anew of a proxy that is known. */
function identityOf(fresh: CacheEntry): Partial<CacheEntry> {
  const { proxy, source, fetchedAt, ttlSeconds, expiresAt } = fresh;
  return { proxy, source, fetchedAt, ttlSeconds, expiresAt, withheld: false };
}

/** A change is never older than what it changes, even after a clock was set back. */
function nextUpdate(entry: CacheEntry, now: number): number {
  return Math.max(now, entry.updatedAt);
}
