import type { Clock, Timer, Timers } from '../core/clock.js';
import type { LatencyRecord } from './latency-record.js';
import { RetryBudget } from './retry-budget.js';

const MIN_DELAY_MS = 50;
/** Hedges per request. */
const SHARE = 0.05;
/** Long enough for a share of 5 % to be a whole request where there is one request every few seconds. */
const WINDOW_MS = 60_000;

/**
 * When a request that takes long may be sent through a second proxy as well ("The Tail at Scale", Dean and Barroso,
 * 2013): after the time in which 95 of 100 answers come, so that few are, and for 5 of 100 requests at most, so that
 * a pool that becomes slow as a whole is not asked twice as much.
 */
export class Hedging {
  readonly #latencies: LatencyRecord;
  readonly #suspended: () => boolean;
  readonly #budget: RetryBudget;

  /** @param suspended whether nothing may be added to the load now */
  constructor(clock: Clock, latencies: LatencyRecord, suspended: () => boolean) {
    this.#latencies = latencies;
    this.#suspended = suspended;
    this.#budget = new RetryBudget(clock, { ratio: SHARE, perSecond: 0, windowMs: WINDOW_MS });
  }

  /** Counts a request. */
  begin(): void {
    this.#budget.deposit();
  }

  /** How long to wait for this proxy alone, in ms; null = for as long as it takes, as nothing is known of latencies. */
  delayMs(proxyId: string): number | null {
    const usual = this.#latencies.p95(proxyId);
    return usual === null ? null : Math.max(MIN_DELAY_MS, usual);
  }

  /** Whether one more hedge is allowed; then it is counted. */
  withdraw(): boolean {
    return !this.#suspended() && this.#budget.withdraw();
  }
}

/** An attempt under way. */
export interface Flight<T> {
  readonly landed: Promise<T>;
  /** Called when the other one has answered. */
  lose(): void;
}

/** What {@link firstAnswer} needs to know of flights. */
export interface HedgeParts<T> {
  readonly timers: Timers;
  readonly delayMs: number;
  /** Begins the second one; null = there is to be none. */
  readonly second: () => Flight<T> | null;
  readonly isAnswer: (landed: T) => boolean;
  /** Gets the failure of the one that failed while the other was under way. */
  readonly failed: (landed: T) => void;
}

/** The first answer of a flight and of the one that is sent after it when it takes long; without any, the last failure. */
export async function firstAnswer<T>(first: Flight<T>, parts: HedgeParts<T>): Promise<T> {
  const { timers, delayMs, second, isAnswer, failed } = parts;
  let timer: Timer | undefined;
  const late = new Promise<null>((resolve) => {
    timer = timers.setTimeout(() => resolve(null), delayMs);
  });
  const early = await Promise.race([first.landed, late]).finally(() => timers.clearTimeout(timer));
  if (early !== null) return early;
  const hedge = second();
  if (hedge === null) return first.landed;
  const { landed, other } = await Promise.race([
    first.landed.then((landed) => ({ landed, other: hedge })),
    hedge.landed.then((landed) => ({ landed, other: first })),
  ]);
  if (isAnswer(landed)) other.lose();
  else failed(landed);
  return isAnswer(landed) ? landed : other.landed;
}
