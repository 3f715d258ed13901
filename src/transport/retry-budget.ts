import type { Clock } from '../core/clock.js';

/** How many retries are allowed. */
export interface RetryBudgetSettings {
  /** Retries per request, such as 0.2. */
  readonly ratio: number;
  /** Retries per second that are allowed on top, so that few requests can be retried at all. @default 10 */
  readonly perSecond?: number;
  /** How long a request counts, in ms. @default 10_000 */
  readonly windowMs?: number;
}

const SLOTS = 20;

/**
 * Bounds retries to a share of the requests of the last seconds: when everything fails, retries must not multiply the
 * load (Finagle's RetryBudget; Google's SRE book, "Handling Overload"). Requests count in the window that has just
 * passed, rounded down, and retries rounded up, so that no window of that length ever holds more than
 * `ratio x requests + perSecond x seconds` retries.
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #slotMs: number;
  /** One slot more than the window: the oldest one has passed in part. */
  readonly #requests = new Float64Array(SLOTS + 1);
  readonly #retries = new Float64Array(SLOTS + 1);
  #slot: number;

  constructor(clock: Clock, settings: RetryBudgetSettings) {
    const { ratio, perSecond = 10, windowMs = 10_000 } = settings;
    this.#clock = clock;
    this.#ratio = ratio;
    this.#reserve = (perSecond * windowMs) / 1000;
    this.#slotMs = windowMs / SLOTS;
    this.#slot = Math.floor(clock.now() / this.#slotMs);
  }

  /** Counts a request, not its retries. */
  deposit(): void {
    this.#count(this.#requests);
  }

  /** Whether one more retry is allowed; then it is counted. */
  withdraw(): boolean {
    const allowed = this.#allowed();
    if (sum(this.#retries) + 1 > allowed) return false;
    this.#count(this.#retries);
    return true;
  }

  /** Whether more than half of what the window allows is spent. */
  get strained(): boolean {
    const allowed = this.#allowed();
    return 2 * sum(this.#retries) > allowed;
  }

  /** Retries in the window that is now. */
  #allowed(): number {
    const now = this.#advance();
    const oldest = (now + 1) % this.#requests.length;
    return this.#ratio * (sum(this.#requests) - (this.#requests[oldest] ?? 0)) + this.#reserve;
  }

  #count(slots: Float64Array): void {
    const at = this.#advance() % slots.length;
    slots[at] = (slots[at] ?? 0) + 1;
  }

  /** Clears the slots that time has passed over. */
  #advance(): number {
    const now = Math.floor(this.#clock.now() / this.#slotMs);
    const { length } = this.#requests;
    for (let slot = Math.max(this.#slot + 1, now - length + 1); slot <= now; slot++) {
      this.#requests[slot % length] = 0;
      this.#retries[slot % length] = 0;
    }
    this.#slot = Math.max(this.#slot, now);
    return this.#slot;
  }
}

function sum(slots: Float64Array): number {
  let total = 0;
  for (const count of slots) total += count;
  return total;
}
