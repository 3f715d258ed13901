/** So many may open in a second and come back as they are due. */
const FREE = 20;
/** How far apart in ms the others come back, and after how many ms the next of them is put beside the first. */
const APART_MS = 40;
const ROUND_MS = 40_000;

/**
 * Keeps proxies that opened together from coming back together: chance alone spreads a thousand of them over five
 * seconds, and whatever failed them at once would get two hundred probes a second.
 */
export class Crowd {
  #since: number = Number.NEGATIVE_INFINITY;
  #size = 0;

  /** One more opens now; how much longer than the others it stays open, in ms. */
  join(now: number): number {
    if (now - this.#since >= 1000) {
      this.#since = now;
      this.#size = 0;
    }
    const before = this.#size++;
    return before < FREE ? 0 : ((before - FREE) * APART_MS) % ROUND_MS;
  }
}
