import { expect, it } from 'vitest';
import { FakeClock } from './fake-clock.js';
import { loopTime } from './loop-time.js';

function watch(): { let: (...gaps: number[]) => void; stop: () => number; running: () => boolean } {
  const clock = new FakeClock();
  let beat: (() => void) | null = null;
  const stop = loopTime(clock, {
    setInterval: (callback) => {
      beat = callback;
    },
    clearInterval: () => {
      beat = null;
    },
  });
  const pass = (...gaps: number[]): void => {
    for (const ms of gaps) {
      clock.advance(ms);
      beat?.();
    }
  };
  return { let: pass, stop: (): number => stop(), running: () => beat !== null };
}

it('counts in full what passes while the loop turns', () => {
  const time = watch();
  time.let(...Array(100).fill(5), ...Array(100).fill(10));
  expect(time.stop()).toBe(1_500);
  expect(time.running()).toBe(false);
});

it('counts a beat for each time in which the loop stands still, the one at the end as well', () => {
  const clock = new FakeClock();
  const stop = loopTime(clock, { setInterval: () => 0, clearInterval: () => {} });
  clock.advance(10_000);
  expect(stop()).toBe(5);
  const time = watch();
  time.let(5, 200, 5, 11);
  expect(time.stop()).toBe(20);
});

it('runs on the timers of Node', async () => {
  const time = loopTime();
  const from = performance.now();
  while (performance.now() - from < 200);
  const blocked = time();
  const waited = loopTime();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  // Each of 20 waits was a turn of its own, so no stall swallows all of them.
  expect([blocked, waited() > 20]).toEqual([5, true]);
});
