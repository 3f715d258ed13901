import { LRUCache } from 'lru-cache';

/** Fewer say nothing about a proxy. */
const MIN_SAMPLES = 3;
const MAX_SAMPLES = 40;
const MIN_TIMEOUT_MS = 1_000;
const DEVIATIONS = 3;
/** What one more request in flight adds to the time of each. */
const LOAD = 0.35;
const MAX_PROXIES = 10_000;
/** Below, the 95th percentile is hardly more than the slowest one that happened to be seen. */
const MIN_FOR_P95 = 10;
/** Of all proxies together. */
const MAX_SHARED = 400;

/**
 * The latencies of each proxy, and how long it is worth waiting for it. Latencies of proxies are close to log-normal:
 * mean and deviation are those of their logarithms.
 */
export class LatencyRecord {
  readonly #samples: LRUCache<string, number[]>;
  readonly #shared: number[] = [];

  /** @param maxProxies those unused for longest are forgotten first */
  constructor(maxProxies: number = MAX_PROXIES) {
    this.#samples = new LRUCache({ maxSize: maxProxies, sizeCalculation: () => 1 });
  }

  /** Time to the first byte of an answer, in ms; or the limit at which an attempt was cut, so that a proxy that became slower gets more time. */
  add(proxyId: string, latencyMs: number): void {
    const samples = this.#samples.get(proxyId) ?? [];
    const sample = Math.log(Math.max(latencyMs, 1));
    push(samples, sample, MAX_SAMPLES);
    push(this.#shared, sample, MAX_SHARED);
    this.#samples.set(proxyId, samples);
  }

  /**
   * In ms: max(1 s, exp(mean + 3 sd of the log-latency) x (1 + 0.35 x in flight)).
   * @param inFlight requests of this proxy that are under way besides this one
   * @returns null while there are fewer than 3 samples
   */
  timeoutFor(proxyId: string, inFlight = 0): number | null {
    const samples = this.#samples.get(proxyId);
    if (samples === undefined || samples.length < MIN_SAMPLES) return null;
    const mean = samples.reduce((total, value) => total + value, 0) / samples.length;
    const squares = samples.reduce((total, value) => total + (value - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / (samples.length - 1));
    return Math.max(MIN_TIMEOUT_MS, Math.exp(mean + DEVIATIONS * deviation) * (1 + LOAD * inFlight));
  }

  /**
   * In ms: what 95 of 100 answers of this proxy took at most, or those of all proxies while it has fewer than 10.
   * @returns null while nobody has 10 samples
   */
  p95(proxyId: string): number | null {
    const own = this.#samples.get(proxyId) ?? [];
    const samples = own.length < MIN_FOR_P95 ? this.#shared : own;
    if (samples.length < MIN_FOR_P95) return null;
    const sorted = Float64Array.from(samples).sort();
    return Math.exp(sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0);
  }

  /** For a proxy that was removed. */
  forget(proxyId: string): void {
    this.#samples.delete(proxyId);
  }
}

function push(samples: number[], sample: number, max: number): void {
  samples.push(sample);
  if (samples.length > max) samples.shift();
}
