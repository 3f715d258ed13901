import { setMaxListeners } from 'node:events';
import type { Clock, Timer, Timers } from '../core/clock.js';
import { nodeTimers } from './node-timers.js';

/** Why a call was cut. */
export type CutReason = 'deadline' | 'aborted';

/**
 * One wall-clock limit over everything that a call does, and the caller's own signal. Idle timers would let a proxy
 * that drips a byte now and then hold a call for ever.
 */
export class Deadline {
  /** For all that is waited for within it. */
  readonly timers: Timers;
  readonly #clock: Clock;
  readonly #endsAt: number;
  readonly #controller = new AbortController();
  readonly #timer: Timer;
  readonly #caller: AbortSignal | undefined;
  #reason: CutReason | null = null;

  constructor(clock: Clock, ms: number, caller?: AbortSignal | null, timers: Timers = nodeTimers) {
    this.timers = timers;
    this.#clock = clock;
    this.#endsAt = clock.now() + ms;
    this.#timer = timers.setTimeout(() => this.#cut('deadline'), ms);
    this.#caller = caller ?? undefined;
    // Node warns of the eleventh listener, while one signal may well cut a hundred calls; each takes its own off.
    if (this.#caller instanceof EventTarget) setMaxListeners(0, this.#caller);
    this.#caller?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#caller?.aborted === true) this.#onAbort();
  }

  /** Aborted by the time or by the caller. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Null while the call may go on. */
  get reason(): CutReason | null {
    return this.#reason;
  }

  /** What the caller's signal was aborted with. */
  get callerReason(): unknown {
    return this.#caller?.reason;
  }

  /** In ms, never negative. */
  get left(): number {
    return Math.max(0, this.#endsAt - this.#clock.now());
  }

  /** An answer that nobody reads must not keep a process alive that has nothing else to do. */
  unref(): void {
    this.#timer.unref?.();
  }

  /** Ends with the call: neither the timer nor the listener on the caller's signal stays behind. */
  end(): void {
    this.timers.clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }

  /** The value of `coming`, or a rejection as soon as the call is cut; `late` gets a value that nobody waits for. */
  race<T>(coming: Promise<T>, late: (value: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const cut = (): void => {
        reject(signal.reason);
        coming.then(late, () => {});
      };
      if (signal.aborted) return cut();
      signal.addEventListener('abort', cut, { once: true });
      const settled = (): void => signal.removeEventListener('abort', cut);
      coming.then(resolve, reject).finally(settled);
    });
  }

  /** Waits; rejects as soon as the call is cut. */
  async sleep(ms: number): Promise<void> {
    let timer: Timer | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = this.timers.setTimeout(resolve, ms);
    });
    try {
      await this.race(slept, () => {});
    } finally {
      this.timers.clearTimeout(timer);
    }
  }

  readonly #onAbort = (): void => this.#cut('aborted');

  #cut(reason: CutReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.end();
    this.#controller.abort();
  }
}
