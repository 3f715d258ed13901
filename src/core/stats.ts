/**
 * What is known of one proxy: counters, the EMA of its latency, and a sliding window of started requests.
 * Born with the proxy, kept by any change of the list that keeps the proxy, gone with it.
 */

const BUCKET_MS = 60_000;

/** How statistics are kept. */
export interface StatsSettings {
  /** Weight of the newest latency in the EMA, 0 < emaAlpha < 1. */
  readonly emaAlpha: number;
  /** Length of the sliding window in seconds, at most 86,400. */
  readonly windowSeconds: number;
}

/** A copy of the figures, for tables, metrics and snapshots. */
export interface StatsFigures {
  readonly started: number;
  readonly completed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly active: number;
  /** EMA of the latency of successes in ms; null until the first success. */
  readonly emaLatencyMs: number | null;
  /** Requests started within the window. */
  readonly windowCount: number;
}

/** What a strategy may read of a proxy. */
export interface ProxyFigures {
  readonly started: number;
  readonly completed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly active: number;
  readonly emaLatencyMs: number | null;
  windowCount(now: number): number;
}

export class ProxyStats implements ProxyFigures {
  started = 0;
  completed = 0;
  succeeded = 0;
  failed = 0;
  emaLatencyMs: number | null = null;
  readonly #settings: StatsSettings;
  #window: SlidingWindow | null = null;

  constructor(settings: StatsSettings) {
    this.#settings = settings;
  }

  /** Derived, so that it cannot disagree with the counters. */
  get active(): number {
    return this.started - this.completed;
  }

  windowCount(now: number): number {
    return this.#window?.count(now) ?? 0;
  }

  start(now: number): void {
    this.started += 1;
    this.#window ??= new SlidingWindow(this.#settings.windowSeconds);
    this.#window.add(now);
  }

  /** Ends one request. Latency in ms is learned from successes only: a fast refusal is not a fast proxy. */
  finish(result: 'succeeded' | 'failed' | 'neutral', latencyMs?: number): void {
    this.completed += 1;
    if (result === 'neutral') return;
    this[result] += 1;
    if (result !== 'succeeded' || latencyMs === undefined || !Number.isFinite(latencyMs) || latencyMs < 0)
      return;
    const { emaAlpha } = this.#settings;
    this.emaLatencyMs =
      this.emaLatencyMs === null ? latencyMs : emaAlpha * latencyMs + (1 - emaAlpha) * this.emaLatencyMs;
  }

  /** Forgets what was learned; requests in flight stay counted. */
  reset(): void {
    this.started = this.active;
    this.completed = 0;
    this.succeeded = 0;
    this.failed = 0;
    this.emaLatencyMs = null;
    this.#window = null;
  }

  figures(now: number): StatsFigures {
    const { started, completed, succeeded, failed, active, emaLatencyMs } = this;
    return {
      started,
      completed,
      succeeded,
      failed,
      active,
      emaLatencyMs,
      windowCount: this.windowCount(now),
    };
  }
}

/**
 * Counts of the last `windowSeconds` in one-minute buckets, pruned when touched. It slides by a minute at a time
 * (never a tumbling reset) and holds at most window / 60 + 1 numbers. Made at the first request of a proxy:
 * most of a million proxies never have one.
 */
class SlidingWindow {
  readonly #buckets: Uint32Array;
  #newest = 0;
  #total = 0;

  constructor(windowSeconds: number) {
    this.#buckets = new Uint32Array(Math.ceil(windowSeconds / 60) + 1);
  }

  add(now: number): void {
    this.#slide(now);
    const at = this.#newest % this.#buckets.length;
    this.#buckets[at] = (this.#buckets[at] as number) + 1;
    this.#total += 1;
  }

  count(now: number): number {
    this.#slide(now);
    return this.#total;
  }

  #slide(now: number): void {
    const minute = Math.floor(now / BUCKET_MS);
    if (minute <= this.#newest) return;
    const length = this.#buckets.length;
    const steps = Math.min(minute - this.#newest, length);
    for (let step = 0; step < steps; step++) {
      const at = (minute - step) % length;
      this.#total -= this.#buckets[at] as number;
      this.#buckets[at] = 0;
    }
    this.#newest = minute;
  }
}
