/** Monotonic time. Only differences mean anything; `now()` is in ms and never goes back. */
export interface Clock {
  now(): number;
}

/** A uniform random number in [0, 1), as `Math.random` gives it. */
export type Random = () => number;
