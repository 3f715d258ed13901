import type { Member, Pool } from './pool.js';

/** When so many breakers open together that it is hardly the proxies' doing. */
export interface PanicSettings {
  /** Below this share of the pool that may serve (or below two proxies), there is panic; 0 = never. */
  readonly share: number;
  /** Time in ms within which half of the pool must have opened, without a success in between. */
  readonly windowMs: number;
}

/** Share of the pool that must have opened. */
const OPENED = 0.5;
/** A proxy that may serve nobody is tried once in so many ms while there is panic. */
export const PANIC_RETRY_MS = 1_000;

/**
 * Most of the pool failing at once is rather our own network than the proxies: nothing that it says of them is held
 * against them, and whoever failed least recently is tried, until one request comes through.
 */
export class Panic {
  readonly #settings: PanicSettings;
  /** Proxy id -> when it opened; the latest last, none from before the last success. */
  readonly #opened = new Map<string, number>();
  #on = false;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: PanicSettings) {
    this.#settings = settings;
  }

  get on(): boolean {
    return this.#on;
  }

  /** Whether what became of an attempt that started then says nothing about its proxy. */
  covers(startedAt: number): boolean {
    return this.#on || startedAt < this.#endedAt;
  }

  /**
   * A breaker opened by faults; true when this is where panic begins. One that serves and does so well proves that
   * the network works, however many of the others open between two of its successes.
   */
  opened(proxyId: string, now: number, pool: Pool): boolean {
    const { share, windowMs } = this.#settings;
    if (this.#on || share === 0) return false;
    this.#opened.delete(proxyId);
    this.#opened.set(proxyId, now);
    for (const [id, at] of this.#opened) {
      if (now - at <= windowMs) break;
      this.#opened.delete(id);
    }
    const { serving, size } = pool;
    if (serving >= Math.max(2, share * size) || this.#opened.size < OPENED * size) return false;
    this.#on = !pool.some(({ lastSuccessAt, lastFailedAt }) => {
      return lastSuccessAt > lastFailedAt && now - lastSuccessAt <= windowMs;
    });
    return this.#on;
  }

  /** True when panic ends by it. Costs a comparison while no breaker has opened lately. */
  success(now: number): boolean {
    if (this.#opened.size === 0) return false;
    this.#opened.clear();
    if (this.#on) this.#endedAt = now;
    const ended = this.#on;
    this.#on = false;
    return ended;
  }
}

/**
 * Whom to try in panic. Those whose breaker opened have one request in flight at most, because they are probed; of
 * the others, one without any is preferred.
 */
export function leastRecentlyFailed(candidates: Iterable<Member>): Member | undefined {
  let best: Member | undefined;
  for (const member of candidates) {
    if (isUntrusted(member)) continue;
    if (best === undefined || isBefore(member, best)) best = member;
  }
  return best;
}

/** Refused the password, or broke into the encryption: that is no matter of the network. */
export function isUntrusted({ breaker }: Member): boolean {
  return breaker.state === 'half-open' && breaker.refusals > 0;
}

function isBefore(a: Member, b: Member): boolean {
  const [aBusy, bBusy] = [a.stats.active > 0, b.stats.active > 0];
  return aBusy === bBusy ? a.lastFailedAt < b.lastFailedAt : bBusy;
}
