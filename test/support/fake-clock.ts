import type { Clock } from '../../src/core/clock.js';

/** Time that passes only when a test says so. Starts at 1000: lru-cache takes 0 for "not set". */
export class FakeClock implements Clock {
  #now = 1000;

  now(): number {
    return this.#now;
  }

  /** Lets `ms` pass; time never goes back. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError('Time does not go back.');
    this.#now += ms;
  }
}
