/** When so large a part of what a proxy was asked for lately failed that its breaker opens. */
export interface FaultRateSettings {
  /** Share of the results, by weight, that must be faults; 0 = never. */
  readonly rateShare: number;
  /** How far back results count, in ms. */
  readonly rateWindowMs: number;
  /** Results that the share must rest on. */
  readonly rateResults: number;
}

/** Parts of the window; the oldest is dropped as a whole, so between five sixths and all of the window count. */
const PARTS = 6;
/** Windows that share one array. */
const PER_CHUNK = 1024;
/** A part that is full counts no more; its share stands. Faults are kept in halves, in 16 bits. */
const MAX_RESULTS = 32_767;

/**
 * Results and faults of the last seconds. A window takes 32 bytes: the number of its newest part, and two counts for
 * each part. Many share an array, because a typed array for each of 10,000 proxies costs as much again in headers.
 */
export class FaultRates {
  readonly #settings: FaultRateSettings;
  readonly #partMs: number;
  readonly #newest: Float64Array[] = [];
  readonly #counts: Uint16Array[] = [];
  readonly #free: number[] = [];
  #taken = 0;

  constructor(settings: FaultRateSettings) {
    this.#settings = settings;
    this.#partMs = settings.rateWindowMs / PARTS;
  }

  /** The number of an empty window, to be given back; -1 where no share is ever too high. */
  take(): number {
    if (this.#settings.rateShare === 0) return -1;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#taken % PER_CHUNK === 0) {
      this.#newest.push(new Float64Array(PER_CHUNK));
      this.#counts.push(new Uint16Array(PER_CHUNK * PARTS * 2));
    }
    return this.#taken++;
  }

  give(window: number): void {
    if (window < 0) return;
    const start = startOf(window);
    this.#countsOf(window).fill(0, start, start + PARTS * 2);
    this.#free.push(window);
  }

  /** One more result, with the weight of its fault: 0, 0.5 or 1. */
  add(window: number, weight: number, now: number): void {
    if (window < 0) return;
    const at = this.#slide(window, now);
    const counts = this.#countsOf(window);
    if (counts[at] === MAX_RESULTS) return;
    counts[at] = (counts[at] as number) + 1;
    counts[at + 1] = (counts[at + 1] as number) + 2 * weight;
  }

  /** Takes back faults that turned out to be somebody else's, the latest first; they count as if all had been well. */
  refund(window: number, weight: number, now: number): void {
    if (window < 0) return;
    const newest = this.#slide(window, now) - startOf(window);
    const counts = this.#countsOf(window);
    let left = 2 * weight;
    for (let ago = 0; ago < PARTS; ago++) {
      const at = startOf(window) + ((newest - 2 * ago + 2 * PARTS) % (2 * PARTS)) + 1;
      const taken = Math.min(left, counts[at] as number);
      counts[at] = (counts[at] as number) - taken;
      left -= taken;
    }
  }

  isTooHigh(window: number, now: number): boolean {
    if (window < 0) return false;
    this.#slide(window, now);
    const start = startOf(window);
    const counts = this.#countsOf(window);
    let [results, halves] = [0, 0];
    for (let at = start; at < start + PARTS * 2; at += 2) {
      results += counts[at] as number;
      halves += counts[at + 1] as number;
    }
    const { rateShare, rateResults } = this.#settings;
    return results >= rateResults && halves / 2 >= rateShare * results;
  }

  /** Empties the parts that are over; where the counts of the newest part are. */
  #slide(window: number, now: number): number {
    const newest = this.#newest[Math.floor(window / PER_CHUNK)] as Float64Array;
    const of = window % PER_CHUNK;
    const before = newest[of] as number;
    const part = Math.max(before, Math.floor(now / this.#partMs));
    const start = startOf(window);
    if (part > before) {
      const counts = this.#countsOf(window);
      for (let over = Math.max(before + 1, part - PARTS + 1); over <= part; over++) {
        const at = start + 2 * (over % PARTS);
        counts[at] = 0;
        counts[at + 1] = 0;
      }
      newest[of] = part;
    }
    return start + 2 * (part % PARTS);
  }

  #countsOf(window: number): Uint16Array {
    return this.#counts[Math.floor(window / PER_CHUNK)] as Uint16Array;
  }
}

function startOf(window: number): number {
  return (window % PER_CHUNK) * PARTS * 2;
}
