import { describe, expect, it } from 'vitest';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { chiSquare, criticalChiSquare } from '../support/chi-square.js';
import { blame, type TestEngine, testEngine } from '../support/test-engine.js';

function counts(
  { rotator }: TestEngine,
  requests: number,
  context: AcquireContext = {},
): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < requests; i++) {
    const lease = rotator.acquire(context);
    lease.succeed();
    found.set(lease.proxy.id, (found.get(lease.proxy.id) ?? 0) + 1);
  }
  return found;
}

describe('random', () => {
  it.each([2, 10, 97, 1000])('R-33 is uniform over %s healthy proxies (chi-square, p > 0.001)', (proxies) => {
    const found = counts(testEngine(proxies, { strategy: 'random' }), proxies * 50);
    expect(found.size).toBe(proxies);
    expect(chiSquare([...found.values()])).toBeLessThan(criticalChiSquare(proxies));
  });

  it('R-33 is uniform over the rest when half of 100 are excluded', () => {
    const engine = testEngine(100, { strategy: 'random' });
    const found = counts(engine, 5000, { exclude: new Set(engine.ids.slice(0, 50)) });
    expect([...found.keys()].sort()).toEqual(engine.ids.slice(50).sort());
    expect(chiSquare([...found.values()])).toBeLessThan(criticalChiSquare(50));
  });

  it('R-33 is uniform over the healthy ones when some are down', () => {
    const engine = testEngine(20, { strategy: 'random' });
    for (const id of engine.ids.slice(0, 8)) blame(engine.rotator, id, 5);
    const found = counts(engine, 2400);
    expect([...found.keys()].sort()).toEqual(engine.ids.slice(8).sort());
    expect(chiSquare([...found.values()])).toBeLessThan(criticalChiSquare(12));
  });

  it('R-33 may repeat, and is no permutation in disguise', () => {
    const engine = testEngine(10, { strategy: 'random' });
    const picks = Array.from({ length: 200 }, () => {
      const lease = engine.rotator.acquire();
      lease.release();
      return lease.proxy.id;
    });
    // A tenth of 199 pairs repeats on average, with a standard deviation of 4.2.
    const repeats = picks.filter((id, i) => i > 0 && id === picks[i - 1]).length;
    expect(repeats).toBeGreaterThan(5);
    expect(repeats).toBeLessThan(37);
  });

  it('R-33 gives the same picks for the same seed, and others for another', () => {
    const picks = (seed: number): string[] => {
      const { rotator } = testEngine(50, { strategy: 'random' }, seed);
      return Array.from({ length: 30 }, () => rotator.acquire().proxy.id);
    };
    expect(picks(1)).toEqual(picks(1));
    expect(picks(1)).not.toEqual(picks(2));
  });
});

describe('the bound of these tests', () => {
  it.each([
    [4, 16.27],
    [11, 29.59],
    [101, 149.45],
  ])('is that of the tables for %s cells', (cells, table) => {
    expect(Math.abs(criticalChiSquare(cells) / table - 1)).toBeLessThan(0.02);
  });

  it('turns red on a bias of one proxy in ten', () => {
    expect(chiSquare([150, ...Array.from({ length: 9 }, () => 94)])).toBeGreaterThan(criticalChiSquare(10));
  });
});
