import type { Timers } from '../core/clock.js';
import type { Rotator } from '../core/rotator.js';
import { LatencyRecord } from '../transport/latency-record.js';

/** How long one attempt is worth waiting for. */
export interface Patience {
  /** Null while the proxy has too few answers to tell. */
  readonly ms: number | null;
  /** The answer is here, or the attempt is over. */
  stop(): void;
  /** How long the navigation took in ms, or the limit at which it was cut. */
  learn(proxyId: string, ms: number): void;
}

/** What Crawlee hands to a hook before the navigation: options of got, or of the browser's `goto`. */
interface NavigationOptions {
  timeout?: unknown;
  signal?: AbortSignal | undefined;
}

/**
 * Gives up on a proxy that takes much longer than it usually does. HTTP crawlers wait for the head of an answer,
 * browsers for the whole page to load, so that each has a record of its own. `whirl.fetch` has another one: it keeps
 * connections open, where Crawlee's client opens a new one each time.
 */
export class AdaptiveTimeouts {
  readonly #rotator: Rotator;
  readonly #timers: Timers;
  readonly #heads = new LatencyRecord();
  readonly #pages = new LatencyRecord();

  constructor(rotator: Rotator, timers: Timers) {
    this.#rotator = rotator;
    this.#timers = timers;
  }

  /** Sets the limit of a navigation that starts now; never above the one that Crawlee or the user has set. */
  limit(proxyId: string, options: NavigationOptions, isBrowser: boolean): Patience {
    const record = isBrowser ? this.#pages : this.#heads;
    const active = this.#rotator.pool.get(proxyId)?.stats.active ?? 1;
    const ms = record.timeoutFor(proxyId, Math.max(0, active - 1));
    const learn: Patience['learn'] = (id, took) => record.add(id, took);
    if (ms === null) return { ms, learn, stop: () => {} };
    if (isBrowser) {
      const { timeout } = options;
      // Playwright's 0 means none.
      const given = typeof timeout === 'number' && timeout > 0 ? timeout : Number.POSITIVE_INFINITY;
      options.timeout = Math.min(given, Math.ceil(ms));
      return { ms, learn, stop: () => {} };
    }
    // A signal, because got's own timeouts have no effect while got-scraping asks a proxy for its first tunnel.
    const cut = new AbortController();
    options.signal =
      options.signal === undefined ? cut.signal : AbortSignal.any([options.signal, cut.signal]);
    const timer = this.#timers.setTimeout(() => cut.abort(), Math.ceil(ms));
    timer.unref?.();
    return { ms, learn, stop: () => this.#timers.clearTimeout(timer) };
  }

  forget(proxyId: string): void {
    this.#heads.forget(proxyId);
    this.#pages.forget(proxyId);
  }
}
