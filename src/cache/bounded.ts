import type { Timer, Timers } from '../core/clock.js';
import { CacheStorageError } from '../errors.js';

/** The result of `work`, or undefined when it takes longer than `ms`. */
export async function within<T>(timers: Timers, ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = timers.setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timers.clearTimeout(timer);
  }
}

/** What to tell of work that {@link within} gave up. */
export function late(what: string, ms: number): CacheStorageError {
  return new CacheStorageError('tiered', `${what} took more than ${ms} ms`);
}
