import { MinuteWindows } from './minute-windows.js';

/**
 * What is known of one proxy: counters, the EMA of its latency, and a sliding window of started requests.
 * Born with the proxy, kept by any change of the list that keeps the proxy, gone with it.
 */

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
  /** Sent to the proxy, all overhead of TCP's payload included: TLS, CONNECT, SOCKS. */
  readonly bytesUp: number;
  /** Received from the proxy; the same. */
  readonly bytesDown: number;
}

/** Figures that outlive the process. */
export interface LearnedStats {
  readonly completed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly emaLatencyMs: number | null;
  /** Requests started in each of the last minutes, the newest first. */
  readonly minutes: readonly number[];
  /** Absent = none. */
  readonly bytesUp?: number;
  /** Absent = none. */
  readonly bytesDown?: number;
}

/** What a strategy may read of a proxy. */
export interface ProxyFigures {
  readonly started: number;
  readonly completed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly active: number;
  readonly emaLatencyMs: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  windowCount(now: number): number;
}

export class ProxyStats implements ProxyFigures {
  started = 0;
  completed = 0;
  succeeded = 0;
  failed = 0;
  bytesUp = 0;
  bytesDown = 0;
  /** NaN before the first success: a field that is always a number is changed in place, without an allocation. */
  #ema: number = Number.NaN;
  readonly #emaAlpha: number;
  readonly #windows: MinuteWindows;
  /** -1 before the first request: most of a million proxies never have one. */
  #window = -1;

  /** @param windows where the window is kept; the proxies of a pool share it */
  constructor(settings: StatsSettings, windows: MinuteWindows = new MinuteWindows(settings.windowSeconds)) {
    this.#emaAlpha = settings.emaAlpha;
    this.#windows = windows;
  }

  get emaLatencyMs(): number | null {
    return Number.isNaN(this.#ema) ? null : this.#ema;
  }

  /** Derived, so that it cannot disagree with the counters. */
  get active(): number {
    return this.started - this.completed;
  }

  windowCount(now: number): number {
    return this.#window < 0 ? 0 : this.#windows.count(this.#window, now);
  }

  start(now: number): void {
    this.started += 1;
    if (this.#window < 0) this.#window = this.#windows.take();
    this.#windows.add(this.#window, now);
  }

  /** Ends one request. Latency in ms is learned from successes only: a fast refusal is not a fast proxy. */
  finish(result: 'succeeded' | 'failed' | 'neutral', latencyMs?: number): void {
    this.completed += 1;
    if (result === 'neutral') return;
    if (result === 'succeeded') this.succeeded += 1;
    else this.failed += 1;
    if (result !== 'succeeded' || latencyMs === undefined || !Number.isFinite(latencyMs) || latencyMs < 0)
      return;
    const alpha = this.#emaAlpha;
    this.#ema = Number.isNaN(this.#ema) ? latencyMs : alpha * latencyMs + (1 - alpha) * this.#ema;
  }

  /** Counts what a connection to the proxy has carried since it was counted last. */
  carry(bytesUp: number, bytesDown: number): void {
    this.bytesUp += bytesUp;
    this.bytesDown += bytesDown;
  }

  /** Forgets what was learned; requests in flight stay counted. */
  reset(): void {
    this.started = this.active;
    this.completed = 0;
    this.succeeded = 0;
    this.failed = 0;
    this.bytesUp = 0;
    this.bytesDown = 0;
    this.#ema = Number.NaN;
    this.forgetWindow();
  }

  /** Gives the window back; for a proxy that is gone, or starts anew. */
  forgetWindow(): void {
    if (this.#window >= 0) this.#windows.give(this.#window);
    this.#window = -1;
  }

  /** What is worth keeping; requests in flight are none of it, they end with the process. */
  learned(now: number): LearnedStats {
    const { succeeded, failed, emaLatencyMs, bytesUp, bytesDown } = this;
    return {
      completed: this.completed,
      succeeded,
      failed,
      emaLatencyMs,
      minutes: this.#window < 0 ? [] : this.#windows.counts(this.#window, now),
      ...(bytesUp + bytesDown > 0 && { bytesUp, bytesDown }),
    };
  }

  /** Takes over what was learned `elapsedMs` ago; requests in flight stay counted. */
  restore(learned: LearnedStats, elapsedMs: number, now: number): void {
    const { active } = this;
    this.completed = learned.completed;
    this.started = learned.completed + active;
    this.succeeded = learned.succeeded;
    this.failed = learned.failed;
    this.bytesUp = learned.bytesUp ?? 0;
    this.bytesDown = learned.bytesDown ?? 0;
    this.#ema = learned.emaLatencyMs ?? Number.NaN;
    this.forgetWindow();
    if (learned.minutes.length === 0) return;
    this.#window = this.#windows.take();
    this.#windows.restore(this.#window, learned.minutes, elapsedMs, now);
  }

  figures(now: number): StatsFigures {
    const { started, completed, succeeded, failed, active, emaLatencyMs, bytesUp, bytesDown } = this;
    return {
      started,
      completed,
      succeeded,
      failed,
      active,
      emaLatencyMs,
      windowCount: this.windowCount(now),
      bytesUp,
      bytesDown,
    };
  }
}
