import type { Clock } from '../core/clock.js';
import type { Rotator } from '../core/rotator.js';

/** Length of the window of {@link ApiTraffic.perSecond}, in seconds. */
const WINDOW_SECONDS = 60;

/** What the engine did since the app was made: requests of the last minute, and the last change of proxies. */
export class ApiTraffic {
  readonly #clock: Clock;
  readonly #madeAt: number;
  /** Requests that ended, by second; the second that a cell stands for is beside it. */
  readonly #ended = new Float64Array(WINDOW_SECONDS);
  readonly #seconds = new Float64Array(WINDOW_SECONDS).fill(-1);
  readonly #verdicts = new Map<string, number>();
  #lastProxy: string | null = null;
  #lastRotation: number | null = null;
  readonly #unsubscribe: () => void;

  /** @param now wall clock in ms */
  constructor(rotator: Rotator, now: () => number) {
    this.#clock = rotator.clock;
    this.#madeAt = rotator.clock.now();
    this.#unsubscribe = rotator.on('settled', ({ proxyId, verdict }) => {
      this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
      const second = this.#second();
      const cell = second % WINDOW_SECONDS;
      if (this.#seconds[cell] !== second) {
        this.#seconds[cell] = second;
        this.#ended[cell] = 0;
      }
      this.#ended[cell] = (this.#ended[cell] ?? 0) + 1;
      if (proxyId === this.#lastProxy) return;
      this.#lastProxy = proxyId;
      this.#lastRotation = now();
    });
  }

  get uptimeSeconds(): number {
    return (this.#clock.now() - this.#madeAt) / 1000;
  }

  /** Wall clock in ms when a request ended through another proxy than the one before it; null before the first. */
  get lastRotation(): number | null {
    return this.#lastRotation;
  }

  /** Requests that ended, by the verdict that was charged. */
  get verdicts(): ReadonlyMap<string, number> {
    return this.#verdicts;
  }

  /** Requests that ended per second, over the last minute or since the app was made. */
  get perSecond(): number {
    const oldest = this.#second() - WINDOW_SECONDS;
    let ended = 0;
    for (let cell = 0; cell < WINDOW_SECONDS; cell += 1)
      if ((this.#seconds[cell] ?? -1) > oldest) ended += this.#ended[cell] ?? 0;
    return ended / Math.max(1, Math.min(WINDOW_SECONDS, this.uptimeSeconds));
  }

  close(): void {
    this.#unsubscribe();
  }

  #second(): number {
    return Math.floor((this.#clock.now() - this.#madeAt) / 1000);
  }
}
