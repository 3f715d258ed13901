import { isListed } from '../core/adjustment.js';
import type { Timer } from '../core/clock.js';
import { recordsOf } from '../core/learned-record.js';
import type { Proxy } from '../core/proxy.js';
import { ClosedError } from '../errors.js';
import { inBatches } from './batches.js';
import { late, within } from './bounded.js';
import { CacheEmitter, type CacheEvents } from './cache-events.js';
import { type CacheFigures, cacheMetricsText } from './cache-metrics.js';
import type { KeyRing } from './crypto.js';
import { EngineChanges } from './engine-changes.js';
import { type EngineCacheParts, openEngineCache } from './engine-open.js';
import { keepRecord } from './engine-record.js';
import { readFound, restoreFound } from './engine-restore.js';
import { WarmPieces } from './engine-warm.js';
import { SourceFile, type SourceNote } from './source-file.js';
import type { TieredCache } from './tiered-cache.js';
import { type WarmOptions, type WarmReport, warmCache } from './warm.js';

/** `whirl.cache`: what is kept for the next run. */
export interface ProxyCache {
  /** Counters of the cache and of each tier; no tiers before they are open. */
  figures(): CacheFigures;
  /** The same in the text format of Prometheus, 0.0.4. */
  metrics(): string;
  /** Forgets everything that was kept; the engine goes on with what it knows. Records of a missing key stay. */
  clear(): Promise<void>;
  /**
   * Puts the proxies of a file (text, JSON, JSONL, CSV, HTML) into the pool and the cache; they come back by themselves
   * until their time to live is over. What is known of a proxy that is there already is kept. Bad lines are skipped,
   * counted and named.
   * @throws CacheValidationError for a time to live that breaks its rule; ClosedError; what reading the file throws
   */
  warmFromFile(path: string, options?: WarmOptions): Promise<WarmReport>;
  /** All that is kept, except what was kept without its credentials; for `writeProxies` of `proxywhirl/sources`. */
  proxies(): AsyncIterable<Proxy>;
  /** Subscribes; the function that comes back unsubscribes. */
  on<N extends keyof CacheEvents>(event: N, listener: (payload: CacheEvents[N]) => void): () => void;
}

/** Statistics are written behind at the latest after so many ms. */
const WRITE_BEHIND_MS = 1_000;
/** Longest wait for what earlier runs left, in ms; the engine then starts without it. */
const LOAD_MS = 5_000;
/** Longest wait of `close()` in ms, above what one write may take. */
const CLOSE_MS = 10_000;
/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The engine on the cache. What is known of each proxy is one record: read before the first request, written behind
 * when it changed, at once where it was expensive to learn. Nothing here throws: without a cache the engine works on.
 *
 * A proxy without a source is kept for what was learned of it, and has to be listed anew by the next run. One with
 * a source comes back by itself until its time to live is over, and leaves the cache when it keeps failing.
 */
export class EngineCache implements ProxyCache {
  readonly #parts: EngineCacheParts;
  readonly #events = new CacheEmitter();
  readonly #changes: EngineChanges;
  readonly #loading: Promise<void>;
  #isLoaded = false;
  #ring: KeyRing | null = null;
  #cache: TieredCache | null = null;
  #writing: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #urgent: Timer | undefined;
  #renewal: Timer | undefined;
  #closing: Promise<void> | null = null;
  readonly #sourceFile: SourceFile | null;
  /** Waits to be written. */
  #notes: { readonly at: number; readonly notes: Readonly<Record<string, SourceNote>> } | null = null;
  readonly #renewedAt = new Map<string, number>();
  /** Proxies that left the cache because they kept failing. */
  readonly #failed = new Set<string>();

  constructor(parts: EngineCacheParts) {
    this.#parts = parts;
    this.#changes = new EngineChanges(parts.rotator, (urgent) => this.#arm(urgent));
    const { dir, tiers } = parts.settings;
    this.#sourceFile = tiers.length === 0 ? null : new SourceFile(dir, parts.now);
    this.#loading = this.#load();
  }

  /** Null once the engine has what earlier runs left; resolves then, at the latest after 5 s. Never rejects. */
  get loading(): Promise<void> | null {
    return this.#isLoaded ? null : this.#loading;
  }

  on<N extends keyof CacheEvents>(event: N, listener: (payload: CacheEvents[N]) => void): () => void {
    return this.#events.on(event, listener);
  }

  figures(): CacheFigures {
    return this.#cache?.figures() ?? { hits: 0, misses: 0, promotions: 0, demotions: 0, tiers: [] };
  }

  metrics(): string {
    return cacheMetricsText(this.figures());
  }

  async clear(): Promise<void> {
    await this.#loading;
    await this.#inTurn(async (cache) => void (await cache.clear()));
  }

  async warmFromFile(path: string, options: WarmOptions = {}): Promise<WarmReport> {
    await this.#loading;
    if (this.#cache === null || this.#closing !== null) throw new ClosedError();
    const cache = this.#cache;
    const pieces = new WarmPieces((proxies) =>
      // Not in turn: what comes next is looked for while the thread of a tier still writes this.
      this.#told((open) => this.#warm(open, proxies)),
    );
    const target = {
      setTtl: (seconds: number, source: string) => cache.setTtl(seconds, source),
      put: async (proxies: readonly Proxy[]) => {
        if (this.#closing !== null) throw new ClosedError();
        await pieces.add(proxies);
      },
      flush: async () => {
        await pieces.end();
        return await cache.flush();
      },
    };
    try {
      return await warmCache(target, this.#parts.readList(path, options.signal), options);
    } finally {
      // What was reported as stored is, even when the rest cannot be read.
      await pieces.end();
    }
  }

  async *proxies(): AsyncGenerator<Proxy> {
    await this.#loading;
    for await (const { withheld, proxy } of this.#cache?.entries() ?? []) if (!withheld) yield proxy;
  }

  /** What was kept of sources by `keepSources`; never rejects. */
  async recallSources(): Promise<unknown> {
    const notes = await this.#sourceFile?.read();
    await this.#loading;
    return notes ?? {};
  }

  /** Keeps when each source was asked last, after the proxies that it gave. */
  keepSources(notes: Readonly<Record<string, SourceNote>>): void {
    const at = this.#parts.now();
    const isQueued = this.#notes !== null;
    this.#notes = { at, notes };
    if (isQueued) return;
    void this.#write().then(() =>
      this.#inTurn(async () => {
        const kept = this.#notes;
        this.#notes = null;
        if (kept !== null) await this.#sourceFile?.write(kept.notes, kept.at);
      }),
    );
  }

  /** The time to live of these starts anew, since their source still names them. */
  renew(source: string, ids: readonly string[]): void {
    const { rotator, settings, clock, sourceTtlSeconds = {} } = this.#parts;
    const ttlSeconds = sourceTtlSeconds[source] ?? settings.ttlSeconds;
    const now = clock.now();
    // A quarter of it is not worth writing a whole list.
    if (ids.length === 0 || now - (this.#renewedAt.get(source) ?? -Infinity) < ttlSeconds * 250) return;
    this.#renewedAt.set(source, now);
    void this.#inTurn((cache) =>
      this.#put(
        cache,
        // What left because it kept failing is not brought back by a list that nobody checked.
        ids.flatMap((id) => (this.#failed.has(id) ? [] : (rotator.pool.get(id)?.proxy ?? []))),
      ),
    );
  }

  /** Writes all that was learned so far. False when a tier could not take it yet. */
  async flush(): Promise<boolean> {
    await this.#loading;
    await this.#write();
    return this.#closing !== null || ((await this.#cache?.flush()) ?? false);
  }

  /** Writes what is left and closes the tiers; bounded in time. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { timers } = this.#parts;
    for (const timer of [this.#timer, this.#urgent, this.#renewal]) timers.clearTimeout(timer);
    const work = async (): Promise<true> => {
      await this.#loading;
      this.#changes.stop();
      await this.#write();
      // What was learned is worth its time to live from the end of the run on, not from its beginning.
      await this.#inTurn((cache) => this.#put(cache, this.#listed()));
      await this.#cache?.close();
      return true;
    };
    if ((await within(timers, CLOSE_MS, work())) === undefined)
      this.#events.emit('degraded', { tier: 'close', error: late('close', CLOSE_MS) });
  }

  async #load(): Promise<void> {
    const { timers, now, settings } = this.#parts;
    try {
      const cache = await this.#open();
      const isOver = (): boolean => this.#isLoaded || this.#closing !== null;
      // What the cache brings back is not stored anew: its time to live would never end.
      const given = this.#members();
      const soon = now() + (settings.ttlSeconds * 1000) / 2;
      const found = await within(timers, LOAD_MS, readFound(cache.entries(), this.#ring, timers, isOver));
      if (found === undefined) throw late('load', LOAD_MS);
      const { rotator } = this.#parts;
      const loaded = await restoreFound(found, { rotator, changes: this.#changes, now, timers });
      this.#events.emit('loaded', loaded);
      const lasts = new Set(
        found.flatMap(({ entry: { key, expiresAt } }) => (expiresAt > soon ? [key] : [])),
      );
      void this.#inTurn((open) =>
        this.#put(
          open,
          given.filter(({ id }) => !lasts.has(id)),
        ),
      );
    } catch (error) {
      this.#events.emit('degraded', { tier: 'load', error: error as Error });
    } finally {
      this.#isLoaded = true;
      this.#armRenewal();
    }
  }

  async #open(): Promise<TieredCache> {
    const { ring, cache } = await openEngineCache(this.#parts, (event, payload) => {
      if (event === 'evicted' || event === 'stored') this.#noteFailed(payload as FailedNote);
      this.#events.emit(event, payload);
    });
    this.#ring = ring;
    this.#cache = cache;
    return cache;
  }

  #arm(urgent: boolean): void {
    const { timers } = this.#parts;
    if (this.#closing !== null) return;
    const write = (): void => void this.#write();
    // What is urgent is written even when the process has nothing else to do.
    if (urgent) this.#urgent ??= timers.setTimeout(write, 0);
    else if (this.#timer === undefined) {
      this.#timer = timers.setTimeout(write, WRITE_BEHIND_MS);
      this.#timer.unref?.();
    }
  }

  #armRenewal(): void {
    const { timers, settings } = this.#parts;
    if (this.#closing !== null) return;
    this.#renewal = timers.setTimeout(
      () => {
        void this.#inTurn((cache) => this.#put(cache, this.#listed()));
        this.#armRenewal();
      },
      Math.min(settings.ttlSeconds * 500, LONGEST_TIMER_MS),
    );
    this.#renewal.unref?.();
  }

  /** Writes what has changed, after the writes before. */
  async #write(): Promise<void> {
    await this.#loading;
    await this.#inTurn((cache) => this.#writeChanges(cache));
  }

  async #writeChanges(cache: TieredCache): Promise<void> {
    const { timers, rotator } = this.#parts;
    for (const timer of [this.#timer, this.#urgent]) timers.clearTimeout(timer);
    this.#timer = undefined;
    this.#urgent = undefined;
    const { learned, added, removed, tallies } = this.#changes.take();
    if (removed.size > 0) await cache.delete([...removed]);
    await this.#put(
      cache,
      [...added].flatMap((id) => rotator.pool.get(id)?.proxy ?? []),
    );
    for (const [id, { succeeded, faults }] of tallies) {
      if (succeeded) await cache.invalidateByHealth(id, 'success');
      for (let left = faults; left > 0; left--) await cache.invalidateByHealth(id, 'proxy');
    }
    const lost = await this.#learn(cache, learned);
    // A record that is gone, by its time to live or for want of room, is made anew while its proxy is listed.
    const listed = lost.flatMap((id) => rotator.pool.get(id)?.proxy ?? []).filter(isListed);
    await this.#put(cache, listed);
    await this.#learn(cache, new Set(listed.map(({ id }) => id)));
    await cache.flush();
  }

  /** Resolves with those that have no record. */
  async #learn(cache: TieredCache, ids: ReadonlySet<string>): Promise<string[]> {
    const lost: string[] = [];
    await inBatches([...ids], this.#parts.timers, async (batch) => {
      const records = [...recordsOf(this.#parts.rotator.snapshot(new Set(batch)))];
      const at = this.#parts.now();
      await Promise.all(
        records.map(async ([id, record]) => {
          if ((await cache.learn(id, keepRecord(id, { record, at }, this.#ring))) === null) lost.push(id);
        }),
      );
    });
    return lost;
  }

  /** Into the cache, and into the pool, which then has nothing to write. */
  async #warm(cache: TieredCache, proxies: readonly Proxy[]): Promise<void> {
    const added = this.#parts.rotator.pool.add(...proxies);
    this.#changes.fromCache(added.map(({ id }) => id));
    await cache.note(proxies);
    await cache.flush();
  }

  #noteFailed({ key, cause }: FailedNote): void {
    if (cause === undefined) this.#failed.delete(key);
    else if (cause === 'health') this.#failed.add(key);
  }

  async #put(cache: TieredCache, proxies: readonly Proxy[]): Promise<void> {
    await inBatches(proxies, this.#parts.timers, (batch) => cache.put(batch));
  }

  /** One after the other, and none of them fails: the cache's own events say what went wrong. */
  #inTurn(work: (cache: TieredCache) => Promise<unknown>): Promise<void> {
    this.#writing = this.#writing.then(() => this.#told(work));
    return this.#writing;
  }

  async #told(work: (cache: TieredCache) => Promise<unknown>): Promise<void> {
    if (this.#cache === null) return;
    try {
      await work(this.#cache);
    } catch (error) {
      const { message } = error as Error;
      this.#events.emit('warning', { message, error: error as Error });
    }
  }

  #members(): Proxy[] {
    return this.#parts.rotator.pool.list().map(({ proxy }) => proxy);
  }

  #listed(): Proxy[] {
    return this.#members().filter(isListed);
  }
}

/** That an entry was stored, or why it was evicted. */
type FailedNote = CacheEvents['stored'] & Partial<CacheEvents['evicted']>;
