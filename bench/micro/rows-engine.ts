import type { ProxyConfiguration } from '@crawlee/core';
import type { Proxy } from '../../src/core/proxy.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { performanceBased } from '../../src/strategies/performance-based.js';
import { random } from '../../src/strategies/random.js';
import { weighted } from '../../src/strategies/weighted.js';
import { compare, median, type Sample, whole } from './measure.js';
import { type Figure, noGoal } from './report.js';
import { newUrlOf } from './rows-crawlee.js';
import { type EngineWorld, engineWorld } from './world.js';

/** Leases that are out at once while results are recorded. */
const BATCH = 1000;

/** The whole path of one request, and its second half alone. */
export async function engineRows(
  proxies: readonly Proxy[],
  crawlee: ProxyConfiguration,
  rounds: number,
): Promise<Figure[]> {
  const world = engineWorld(proxies);
  const size = proxies.length;
  const figures: Figure[] = [];
  const add = async (row: string, sample: Sample, goal: number | null): Promise<void> => {
    const { ours: value, ratio } = await compare(rounds, sample, newUrlOf(crawlee));
    figures.push({ row, size, value, unit: 'ns/op', ratio, goal });
  };
  await add('acquire + settle: round-robin', acquiringAndSettling(world), noGoal(size));
  await add('record a result: round-robin', recording(world), recordGoal(size));
  world.rotator.setStrategy(performanceBased());
  await add('acquire + settle: performance-based', acquiringAndSettling(world), noGoal(size));
  return figures;
}

function recordGoal(size: number): number | null {
  if (size <= 1000) return 1.5;
  return size <= 100_000 ? 8 : null;
}

function acquiringAndSettling({ rotator, flips }: EngineWorld): Sample {
  return whole((iterations) => {
    for (let i = 0; i < iterations; i++) {
      rotator.acquire().succeed({ latencyMs: 100 + (i & 255) });
      flips.afterSelection();
    }
  });
}

/** The time of `lease.succeed()`; leases are acquired in batches between the measured stretches. */
function recording({ rotator, flips }: EngineWorld): Sample {
  return (iterations) => {
    let ms = 0;
    for (let done = 0; done < iterations; done += BATCH) {
      const leases = Array.from({ length: Math.min(BATCH, iterations - done) }, () => rotator.acquire());
      const start = performance.now();
      for (const lease of leases) {
        lease.succeed({ latencyMs: 120 });
        flips.afterSelection();
      }
      ms += performance.now() - start;
    }
    return ms;
  };
}

/** `setStrategy` on a pool in use, to each strategy that has an index to build. */
export function swapRows(proxies: readonly Proxy[], rounds: number): Figure[] {
  const { rotator } = engineWorld(proxies);
  for (let i = 0; i < proxies.length; i++) rotator.acquire().succeed({ latencyMs: 50 + (i % 500) });
  return [leastUsed, weighted, performanceBased].map((make) => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      rotator.setStrategy(random());
      const strategy = make();
      const start = performance.now();
      rotator.setStrategy(strategy);
      rotator.acquire().release();
      times.push(performance.now() - start);
    }
    const row = `hot swap and first choice: ${rotator.strategy.name}`;
    return { row, size: proxies.length, value: median(times), unit: 'ms', ratio: null, goal: 15 };
  });
}
