import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { median, usedBytes } from './measure.js';
import type { Figure } from './report.js';
import { type EngineWorld, engineWorld, makeProxies } from './world.js';

const SIZE = 10_000;
const CONCURRENT = 100_000;
const MB = 1e6;

/** 100,000 requests at once: acquire, await, settle. And the same without an engine: what the waiting itself costs. */
export async function loadRows(rounds: number): Promise<Figure[]> {
  const idle = await concurrently(rounds, () => nextTurn());
  const { rotator, flips } = engineWorld(makeProxies(SIZE));
  const { ms, pauseMs } = await concurrently(rounds, async () => {
    const lease = rotator.acquire();
    flips.afterSelection();
    await nextTurn();
    lease.succeed({ latencyMs: 100 });
  });
  const row = '100k concurrent acquire-await-settle';
  return [
    figure(row, ms, 'ms', 1000),
    figure(`${row}, longest GC pause`, pauseMs, 'ms', 20),
    figure(`${row}, left in flight`, rotator.stats().active, 'leases', 0),
    figure('100k concurrent awaits of nothing', idle.ms, 'ms', null),
    figure('100k concurrent awaits of nothing, longest GC pause', idle.pauseMs, 'ms', null),
  ];
}

/** Median time of all together, and the longest pause of the collector. */
async function concurrently(
  rounds: number,
  request: () => Promise<void>,
): Promise<{ readonly ms: number; readonly pauseMs: number }> {
  const pauses: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.push(duration);
  });
  const times: number[] = [];
  usedBytes();
  observer.observe({ entryTypes: ['gc'] });
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await Promise.all(Array.from({ length: CONCURRENT }, request));
    times.push(performance.now() - start);
  }
  await nextTurn(); // The observer is told in a turn of its own.
  observer.disconnect();
  return { ms: median(times), pauseMs: Math.max(0, ...pauses) };
}

/** Requests one after the other for long: what is in use must not grow with their number. */
export function cycleRows(cycles: number): Figure[] {
  const world = engineWorld(makeProxies(SIZE));
  cycle(world, cycles / 10); // Fills what is bounded: windows, sets, compiled code.
  const before = usedBytes();
  cycle(world, cycles);
  const grown = Math.max(0, usedBytes() - before) / MB;
  return [figure(`growth over ${cycles / 1e6}M cycles`, grown, 'MB', 1)];
}

function cycle({ rotator, flips }: EngineWorld, times: number): void {
  for (let i = 0; i < times; i++) {
    rotator.acquire({ url: 'https://shop.example/p' }).succeed({ latencyMs: 100 + (i & 255) });
    flips.afterSelection();
  }
}

function figure(row: string, value: number, unit: Figure['unit'], goal: number | null): Figure {
  return { row, size: SIZE, value, unit, ratio: null, goal };
}
