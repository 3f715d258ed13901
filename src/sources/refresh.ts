import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Random, Timer, Timers } from '../core/clock.js';
import type { Proxy } from '../core/proxy.js';
import { ClosedError, OptionsError } from '../errors.js';
import { Feed } from './feed.js';
import { SourceEmitter, type SourceEvents } from './refresh-events.js';
import type { Source, SourceBatch, SourceValidator } from './source.js';
import { SourceError } from './source-error.js';

/** Where the proxies go: the pool of a rotator. */
export interface SourceSink {
  get(id: string): { readonly proxy: Proxy; readonly drained: boolean } | undefined;
  list(): readonly { readonly proxy: Proxy }[];
  /** Gives back those that are new. */
  add(...proxies: readonly Proxy[]): readonly { readonly id: string }[];
  remove(id: string): boolean;
  drain(id: string, drained?: boolean): boolean;
}

export interface SourceRefresherParts {
  readonly pool: SourceSink;
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Told after each load which proxies a source still names. */
  readonly onKept?: ((name: string, ids: readonly string[]) => void) | undefined;
}

/** What lets the next run of a job do without asking a source again. Plain JSON. */
export interface SourceState {
  /** Since the source was last heard, in ms. */
  readonly ageMs: number;
  /** Of the proxies that its list names. */
  readonly ids: readonly string[];
  readonly validator: SourceValidator | null;
  /** That of the source; null when it has none. */
  readonly fingerprint: string | null;
}

/** Before the first load after one that failed, in ms; twice as long after each further one. */
const FIRST_RETRY_MS = 30_000;
const LAST_RETRY_MS = 3_600_000;
/** Of a list of which less than this share came back, what is missing is worth a load before its time. */
const LEAST_LEFT = 0.5;
/** Added at a time: some ms, so that a long list keeps no request waiting. */
const ADDED_AT_ONCE = 500;

/** Schedule of one source. */
interface Place {
  readonly feed: Feed;
  running: Promise<void> | null;
  timer: Timer | undefined;
  expiry: Timer | undefined;
  unwatch: () => void;
  /** Changed while it was being loaded. */
  isStale: boolean;
  /** When the source was last heard, in ms; null before. */
  heardAt: number | null;
  /** Taken out since the last event. */
  removed: number;
}

/**
 * Keeps a pool at what its sources name. What is known of a proxy stays when a new list names it again, and a proxy
 * that somebody else put into the pool is never taken out. No timer of it keeps a process alive.
 */
export class SourceRefresher {
  readonly #parts: SourceRefresherParts;
  readonly #places = new Map<string, Place>();
  readonly #events = new SourceEmitter();
  readonly #stopping = new AbortController();
  /** Those that came to the pool through us. */
  readonly #own = new Set<string>();
  readonly #drained = new Set<string>();
  #started = false;

  /** @throws OptionsError when two sources have one name */
  constructor(parts: SourceRefresherParts) {
    this.#parts = parts;
    for (const source of parts.sources) {
      if (this.#places.has(source.name))
        throw new OptionsError([{ path: 'sources', rule: `must have different names: ${source.name}` }]);
      this.#places.set(source.name, {
        feed: new Feed(source),
        running: null,
        timer: undefined,
        expiry: undefined,
        unwatch: () => {},
        isStale: false,
        heardAt: null,
        removed: 0,
      });
    }
  }

  /**
   * Loads all of them, and from now on whenever it is time. Resolves when each was loaded or has failed once. A source
   * that an earlier run asked is not asked before its time, when its proxies are in the pool already.
   * @param resume by the name of the source, what `state()` of an earlier run said; `ageMs` has grown since
   */
  async start(resume: Readonly<Record<string, SourceState>> = {}): Promise<void> {
    this.#refuseClosed();
    const places = [...this.#places.values()];
    const resumed = new Set<Place>();
    if (!this.#started) {
      const held = this.#heldBySource();
      for (const place of places) {
        const { name } = place.feed.source;
        const state = Object.hasOwn(resume, name) ? resume[name] : undefined;
        if (this.#resume(place, held.get(name) ?? [], state)) resumed.add(place);
      }
      this.#started = true;
      for (const place of places)
        place.unwatch = place.feed.source.watch?.(() => this.#onChange(place)) ?? place.unwatch;
    }
    await Promise.allSettled(places.map((place) => (resumed.has(place) ? null : this.#load(place))));
  }

  /** For `resume` of the next run; without the sources that were not heard. */
  state(): Record<string, SourceState> {
    const now = this.#parts.clock.now();
    return Object.fromEntries(
      [...this.#places].flatMap(([name, { feed, heardAt }]) =>
        heardAt === null
          ? []
          : [
              [
                name,
                {
                  ageMs: now - heardAt,
                  ids: [...feed.named],
                  validator: feed.validator,
                  fingerprint: feed.source.fingerprint ?? null,
                },
              ],
            ],
      ),
    );
  }

  /**
   * Loads a source now, or all of them. A load that is under way is waited for; there is never a second one.
   * @throws SourceError when it fails, also reported as an event; OptionsError when no source has this name
   */
  async refresh(name?: string): Promise<void> {
    this.#refuseClosed();
    if (name === undefined) {
      const results = await Promise.allSettled([...this.#places.values()].map((place) => this.#load(place)));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      return;
    }
    const place = this.#places.get(name);
    if (place === undefined) throw new OptionsError([{ path: 'name', rule: 'must be the name of a source' }]);
    await this.#load(place);
  }

  on<N extends keyof SourceEvents>(event: N, listener: (payload: SourceEvents[N]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** Ends all loads and watches. The proxies stay in the pool. */
  async close(): Promise<void> {
    this.#stopping.abort();
    const { timers } = this.#parts;
    for (const place of this.#places.values()) {
      timers.clearTimeout(place.timer);
      timers.clearTimeout(place.expiry);
      place.unwatch();
      place.unwatch = () => {};
    }
    await Promise.allSettled([...this.#places.values()].map(({ running }) => running));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #refuseClosed(): void {
    if (this.#stopping.signal.aborted) throw new ClosedError();
  }

  /** Ids in the pool by the name of the source that they came from. */
  #heldBySource(): Map<string, string[]> {
    const held = new Map<string, string[]>();
    for (const { proxy } of this.#parts.pool.list()) {
      if (proxy.source === undefined) continue;
      const ids = held.get(proxy.source) ?? [];
      ids.push(proxy.id);
      held.set(proxy.source, ids);
    }
    return held;
  }

  /** Whether the pool holds what the source gave an earlier run, and so it need not be asked now. */
  #resume(place: Place, held: readonly string[], given: SourceState | undefined): boolean {
    const { pool, clock } = this.#parts;
    const { settings, fingerprint = null } = place.feed.source;
    const now = clock.now();
    const state = given?.fingerprint === fingerprint ? given : undefined;
    const named = new Set(state?.ids.filter((id) => pool.get(id) !== undefined));
    for (const id of held) this.#own.add(id);
    const heardAt = now - (state?.ageMs ?? 0);
    place.feed.resume(
      named,
      held.filter((id) => !named.has(id)),
      heardAt,
    );
    const left = state === undefined || state.ids.length === 0 ? 0 : named.size / state.ids.length;
    // Some were lost since; a source that says "not changed" would not bring them back.
    if (left === 1) place.feed.trust(state?.validator ?? null);
    const restMs = (settings.intervalSeconds ?? 0) * 1000 - (state?.ageMs ?? 0);
    if (left < LEAST_LEFT || restMs <= 0) return false;
    place.heardAt = heardAt;
    this.#expire(place);
    this.#schedule(place, restMs);
    return true;
  }

  #onChange(place: Place): void {
    // What is being read may be what was there before.
    if (place.running !== null) place.isStale = true;
    else this.#load(place).catch(() => {});
  }

  #load(place: Place): Promise<void> {
    this.#parts.timers.clearTimeout(place.timer);
    place.running ??= this.#loadOnce(place).finally(() => {
      place.running = null;
      if (!place.isStale || this.#stopping.signal.aborted) return;
      place.isStale = false;
      this.#load(place).catch(() => {});
    });
    return place.running;
  }

  async #loadOnce(place: Place): Promise<void> {
    const { feed } = place;
    const { name, settings } = feed.source;
    const { signal } = this.#stopping;
    try {
      const batch = await this.#untilStopped(feed.source.load({ signal, validator: feed.validator }));
      await this.#apply(place, batch);
      feed.failures = 0;
      if (settings.intervalSeconds !== null) this.#schedule(place, settings.intervalSeconds * 1000);
    } catch (cause) {
      const error =
        cause instanceof SourceError ? cause : new SourceError(name, 'failed', 'it threw', { cause });
      feed.failures += 1;
      const retryInMs = this.#schedule(place, retryMs(feed), error.retryAfterMs ?? 0);
      if (retryInMs !== null)
        this.#events.emit('source-error', { name, error, failures: feed.failures, retryInMs });
      throw error;
    }
  }

  async #apply(place: Place, batch: SourceBatch): Promise<void> {
    const { feed } = place;
    const { pool, clock } = this.#parts;
    let added = 0;
    let kept: readonly string[] = [...feed.named];
    if (batch.changed) {
      const joining = feed.accept(batch, clock.now());
      kept = kept.filter((id) => feed.named.has(id));
      for (let at = 0; at < joining.length; at += ADDED_AT_ONCE) {
        if (at > 0) await this.#untilStopped(turn());
        const slice = joining.slice(at, at + ADDED_AT_ONCE);
        for (const { id } of slice) if (this.#drained.delete(id)) pool.drain(id, false);
        for (const { id } of pool.add(...slice)) {
          this.#own.add(id);
          added += 1;
        }
      }
    }
    place.heardAt = clock.now();
    this.#expire(place);
    this.#parts.onKept?.(feed.source.name, kept);
    const { removed } = place;
    place.removed = 0;
    this.#events.emit('source', {
      name: feed.source.name,
      changed: batch.changed,
      added,
      removed,
      kept: feed.named.size - added,
      rejected: batch.changed ? batch.rejectedCount : 0,
    });
  }

  /** Takes out those whose time is over, and waits for the next. */
  #expire(place: Place): void {
    const { feed } = place;
    const { clock, timers } = this.#parts;
    for (const id of feed.takeExpired(clock.now())) this.#letGo(place, id);
    timers.clearTimeout(place.expiry);
    const next = feed.nextExpiryAt;
    if (next === null) return;
    place.expiry = timers.setTimeout(() => this.#expire(place), Math.max(0, next - clock.now()));
    place.expiry.unref?.();
  }

  #letGo(place: Place, id: string): void {
    const { pool } = this.#parts;
    const { vanished } = place.feed.source.settings;
    if (vanished === 'keep' || !this.#own.has(id)) return;
    for (const { feed } of this.#places.values()) if (feed.holds(id)) return;
    if (vanished === 'drain') {
      // One that was drained already stays so when it comes back.
      if (pool.get(id)?.drained !== false) return;
      pool.drain(id);
      this.#drained.add(id);
    } else {
      this.#own.delete(id);
      this.#drained.delete(id);
      if (!pool.remove(id)) return;
    }
    place.removed += 1;
  }

  /** @param leastMs no sooner than that; an hour at most */
  #schedule(place: Place, ms: number, leastMs = 0): number | null {
    if (this.#stopping.signal.aborted) return null;
    const { timers, random } = this.#parts;
    // Engines that were started together must not ask together for ever.
    const spread = 0.4 * random();
    const least = leastMs > 0 ? Math.min(leastMs, LAST_RETRY_MS) * (1 + spread / 2) : 0;
    const delay = Math.max(ms * (0.8 + spread), least);
    place.timer = timers.setTimeout(() => void this.#load(place).catch(() => {}), delay);
    place.timer.unref?.();
    return delay;
  }

  /** A source of the user's own may never come back. */
  #untilStopped<T>(coming: Promise<T>): Promise<T> {
    const { signal } = this.#stopping;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    });
  }
}

/** Never less often than it would be loaded anyway, once it has failed for a while. */
function retryMs({ failures, source }: Feed): number {
  const { intervalSeconds } = source.settings;
  const most = intervalSeconds === null ? LAST_RETRY_MS : Math.max(intervalSeconds * 1000, FIRST_RETRY_MS);
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), most);
}
