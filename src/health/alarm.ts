import type { Clock, Timer, Timers } from '../core/clock.js';
import { Schedule } from '../core/schedule.js';

/** Node fires a longer timer at once. */
const MAX_MS = 2 ** 31 - 1;

/** Rings for each id when its time has come, with one timer for all of them, which keeps nobody alive. */
export class Alarm {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #ring: (ids: readonly string[]) => void;
  #due = new Schedule<string>();
  #timer: Timer | undefined;
  /** When the timer goes off. */
  #at = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, timers: Timers, ring: (ids: readonly string[]) => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#ring = ring;
  }

  /** @param at monotonic ms; an id may have several times */
  set(id: string, at: number): void {
    this.#due.add(at, id);
    this.#wind();
  }

  clear(): void {
    this.#timers.clearTimeout(this.#timer);
    this.#at = Number.POSITIVE_INFINITY;
    this.#due = new Schedule();
  }

  #wind(): void {
    const { next } = this.#due;
    if (next >= this.#at) return;
    this.#timers.clearTimeout(this.#timer);
    this.#at = next;
    const ms = Math.min(Math.max(0, Math.ceil(next - this.#clock.now())), MAX_MS);
    this.#timer = this.#timers.setTimeout(() => this.#goOff(), ms);
    this.#timer.unref?.();
  }

  #goOff(): void {
    const now = this.#clock.now();
    this.#at = Number.POSITIVE_INFINITY;
    const ids = new Set<string>();
    for (let id = this.#due.takeDue(now); id !== undefined; id = this.#due.takeDue(now)) ids.add(id);
    if (ids.size > 0) this.#ring([...ids]);
    this.#wind();
  }
}
