import type { Clock } from '../../src/core/clock.js';

const BEAT_MS = 5;
/** A beat may be late by as much as that without counting as a stall, in ms. */
const LATE_MS = 5;

/** What makes the beats; those of Node unless told. */
export interface BeatTimers {
  setInterval(beat: () => void, ms: number): unknown;
  clearInterval(timer: unknown): void;
}

const nodeTimers: BeatTimers = {
  // It keeps no process alive.
  setInterval: (beat, ms) => setInterval(beat, ms).unref(),
  clearInterval: (timer) => clearInterval(timer as NodeJS.Timeout),
};

/**
 * A stopwatch that stands still while the event loop does: a machine that is busy with others stretches the time of the
 * wall, and no timer could have been in time then. What was waited for counts in full.
 * Gives back what stops it and tells the ms.
 */
export function loopTime(
  clock: Clock = { now: () => performance.now() },
  timers: BeatTimers = nodeTimers,
): () => number {
  let counted = 0;
  let last = clock.now();
  const count = (): void => {
    const gap = clock.now() - last;
    counted += gap > BEAT_MS + LATE_MS ? BEAT_MS : gap;
    last += gap;
  };
  const beats = timers.setInterval(count, BEAT_MS);
  return () => {
    timers.clearInterval(beats);
    count();
    return counted;
  };
}
