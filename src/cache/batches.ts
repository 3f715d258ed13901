import type { Timers } from '../core/clock.js';

/** Records that are worked on at a time: some ms, so that a large pool keeps no request waiting. */
export const BATCH = 250;

/** Works on a list piece by piece, and lets requests go on in between. */
export async function inBatches<T>(
  list: readonly T[],
  timers: Timers,
  work: (batch: readonly T[]) => unknown,
): Promise<void> {
  for (let at = 0; at < list.length; at += BATCH) {
    await work(list.slice(at, at + BATCH));
    await turn(timers);
  }
}

/** One turn of the event loop. */
export function turn(timers: Timers): Promise<void> {
  return new Promise((resolve) => void timers.setTimeout(resolve, 0));
}
