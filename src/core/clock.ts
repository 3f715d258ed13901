/** Monotonic time. Only differences mean anything; `now()` is in ms and never goes back. */
export interface Clock {
  now(): number;
}

/** A uniform random number in [0, 1), as `Math.random` gives it. */
export type Random = () => number;

/** A timer that was set, and that may let the process end. */
export interface Timer {
  unref?(): unknown;
}

/** `setTimeout` and `clearTimeout` of whoever runs the {@link Clock}; delays are in ms. */
export interface Timers {
  setTimeout(callback: () => void, ms: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
}
