import type { Random } from '../../src/core/clock.js';
import type { StrategySpec } from '../../src/strategies/strategy.js';
import { seededRandom } from './seeded-random.js';
import { testEngine } from './test-engine.js';

/** Spread of the median latencies over the proxies, and of the requests of one proxy around its median. */
const SIGMA = { proxies: 0.5, requests: 0.4 };
const MEDIAN_MS = 300;
const CONCURRENCY = 20;

export interface SimulatedPool {
  /** Sends so many requests and returns their mean latency in ms. */
  run(requests: number): number;
  /** From now on the fastest `share` of the proxies is `factor` times slower. */
  degradeFastest(share: number, factor: number): void;
}

/** Standard normal, by Box and Muller (1958). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * The real engine on a fake clock over the reference pool: log-normal median latencies, log-normal noise on each
 * request, 20 requests at once. The world depends on the seed alone, whatever the strategy does.
 */
export function simulatedPool(size: number, strategy: StrategySpec, seed: number): SimulatedPool {
  const { rotator, clock, ids } = testEngine(size, { strategy }, seed);
  const world = seededRandom(seed * 7919);
  const medians = new Map(ids.map((id) => [id, MEDIAN_MS * Math.exp(SIGMA.proxies * normal(world))]));

  return {
    run(requests) {
      const open: { endsAt: number; end: () => void }[] = [];
      let sum = 0;
      for (let i = 0; i < requests + CONCURRENCY; i++) {
        if (open.length === CONCURRENCY || i >= requests) {
          const next = open.reduce((first, each) => (each.endsAt < first.endsAt ? each : first));
          open.splice(open.indexOf(next), 1);
          clock.advance(next.endsAt - clock.now());
          next.end();
        }
        if (i >= requests) continue;
        const lease = rotator.acquire();
        const latencyMs = (medians.get(lease.proxy.id) ?? 0) * Math.exp(SIGMA.requests * normal(world));
        sum += latencyMs;
        open.push({ endsAt: clock.now() + latencyMs, end: () => void lease.succeed({ latencyMs }) });
      }
      return sum / requests;
    },
    degradeFastest(share, factor) {
      const byLatency = [...medians].sort(([, a], [, b]) => a - b);
      for (const [id, median] of byLatency.slice(0, Math.round(share * size)))
        medians.set(id, median * factor);
    },
  };
}
