import type { Timer, Timers } from '../../src/core/clock.js';
import type { FakeClock } from './fake-clock.js';

interface FakeTimer extends Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Timers of a {@link FakeClock}: they go off, in order, when a test lets time pass. */
export class FakeTimers implements Timers {
  readonly #clock: FakeClock;
  /** The latest first; of those due together, the one that was set last is the first. */
  readonly #queue: FakeTimer[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get pending(): number {
    return this.#queue.length;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const timer: FakeTimer = { at: this.#clock.now() + Math.max(0, ms), callback };
    let place = this.#queue.length;
    while (place > 0 && (this.#queue[place - 1] as FakeTimer).at <= timer.at) place -= 1;
    this.#queue.splice(place, 0, timer);
    return timer;
  }

  clearTimeout(timer: Timer | undefined): void {
    const place = this.#queue.indexOf(timer as FakeTimer);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  /** Lets the time pass until the next timer goes off; false when there is none. */
  fireNext(): boolean {
    const timer = this.#queue.pop();
    if (timer === undefined) return false;
    this.#clock.advance(timer.at - this.#clock.now());
    timer.callback();
    return true;
  }

  /** Fires timers until all is done, or none is left; between two of them, everything runs that waits for no timer. */
  async runUntil(done: () => boolean): Promise<void> {
    do await quiet();
    while (!done() && this.fireNext());
  }
}

/** Promises and streams need no time, but several turns of the event loop. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
