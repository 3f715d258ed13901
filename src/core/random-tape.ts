import type { Random } from './clock.js';

/**
 * A random generator whose next numbers can be looked at: what a trial run draws is put back, so that the real run
 * after it draws the same.
 */
export class RandomTape {
  readonly #source: Random;
  /** Numbers that were drawn in trials and wait for their real use. */
  #ahead: number[] = [];

  constructor(source: Random) {
    this.#source = source;
  }

  readonly next: Random = () => this.#ahead.shift() ?? this.#source();

  /** Runs `trial` and returns its result with the numbers that it drew; they will be drawn again. */
  rehearse<T>(trial: (random: Random) => T): { readonly result: T; readonly drawn: readonly number[] } {
    const drawn: number[] = [];
    try {
      const result = trial(() => {
        const number = this.next();
        drawn.push(number);
        return number;
      });
      return { result, drawn };
    } finally {
      this.#ahead = [...drawn, ...this.#ahead];
    }
  }
}
