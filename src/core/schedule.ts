/**
 * What becomes due when: a binary heap over (time, value). The engine has no timers; it asks at each selection
 * whether something is due, which costs one comparison while nothing is.
 */
export class Schedule<T> {
  readonly #times: number[] = [];
  readonly #values: T[] = [];

  /** When the next value is due, Infinity when nothing is scheduled. */
  get next(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  add(time: number, value: T): void {
    let at = this.#times.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#times[parent] as number) <= time) break;
      this.#put(at, this.#times[parent] as number, this.#values[parent] as T);
      at = parent;
    }
    this.#put(at, time, value);
  }

  /** Takes out one value that is due at `now`, the earliest first; undefined when none is. */
  takeDue(now: number): T | undefined {
    if (this.next > now) return undefined;
    const due = this.#values[0] as T;
    const time = this.#times.pop() as number;
    const value = this.#values.pop() as T;
    const length = this.#times.length;
    if (length > 0) {
      let at = 0;
      for (let child = 1; child < length; child = 2 * at + 1) {
        if (child + 1 < length && (this.#times[child + 1] as number) < (this.#times[child] as number))
          child += 1;
        if ((this.#times[child] as number) >= time) break;
        this.#put(at, this.#times[child] as number, this.#values[child] as T);
        at = child;
      }
      this.#put(at, time, value);
    }
    return due;
  }

  #put(at: number, time: number, value: T): void {
    this.#times[at] = time;
    this.#values[at] = value;
  }
}
