import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.js';

const WINDOW_MS = 60_000;
/** Clients that are remembered; beyond, the one that was quiet for longest is forgotten. */
const MAX_CLIENTS = 10_000;

interface Window {
  since: number;
  count: number;
  /** What was counted in the window before. */
  before: number;
}

/**
 * So many requests of each client in any minute, by the sliding window counter: what was counted in the minute before
 * weighs as much as of that minute lies within the last sixty seconds. Never more than the limit in one burst, also
 * where two windows meet, and two numbers of memory for each client.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #windows: LRUCache<string, Window>;

  constructor(clock: Clock, maxClients: number = MAX_CLIENTS) {
    this.#clock = clock;
    this.#windows = new LRUCache({ max: maxClients });
  }

  /** Clients that are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts a request; 0 when it may pass, else the ms until the next one may. One that may not pass is not counted. */
  take(client: string, limit: number): number {
    const window = this.#current(client);
    const wait = this.#wait(window, limit);
    if (wait === 0) window.count += 1;
    return wait;
  }

  /** What {@link take} would say, without counting. */
  peek(client: string, limit: number): number {
    return this.#windows.has(client) ? this.#wait(this.#current(client), limit) : 0;
  }

  #current(client: string): Window {
    const now = this.#clock.now();
    let window = this.#windows.get(client);
    if (window === undefined) {
      window = { since: now, count: 0, before: 0 };
      this.#windows.set(client, window);
    }
    const passed = Math.floor((now - window.since) / WINDOW_MS);
    if (passed > 0) {
      window.before = passed === 1 ? window.count : 0;
      window.count = 0;
      window.since += passed * WINDOW_MS;
    }
    return window;
  }

  #wait({ since, count, before }: Window, limit: number): number {
    const elapsed = this.#clock.now() - since;
    if (before * (1 - elapsed / WINDOW_MS) + count <= limit - 1) return 0;
    // Ms into this window, or into the next one, at which what counts has shrunk enough.
    const at =
      count <= limit - 1
        ? WINDOW_MS * (1 - (limit - 1 - count) / before)
        : WINDOW_MS + WINDOW_MS * (1 - (limit - 1) / count);
    return Math.max(1, at - elapsed);
  }
}
