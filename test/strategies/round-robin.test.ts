import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundRobin } from '../../src/strategies/round-robin.js';
import { blame, proxyLine, type TestEngine, testEngine } from '../support/test-engine.js';

/** Picks `count` times, settling each at once, and returns the ids. */
function pick({ rotator }: TestEngine, count: number): string[] {
  return Array.from({ length: count }, () => {
    const lease = rotator.acquire();
    lease.succeed();
    return lease.proxy.id;
  });
}

function spread(picks: readonly string[], ids: readonly string[]): number {
  const counts = ids.map((id) => picks.filter((pick) => pick === id).length);
  return Math.max(...counts) - Math.min(...counts);
}

describe('round-robin', () => {
  it('R-31 keeps strict circular order and wraps', () => {
    const engine = testEngine(4);
    const [a, b, c, d] = engine.ids;
    expect(pick(engine, 9)).toEqual([a, b, c, d, a, b, c, d, a]);
  });

  it('R-31 counts differ by at most 1 for any number of proxies and requests', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.nat({ max: 400 }), (proxies, requests) => {
        const engine = testEngine(proxies);
        expect(spread(pick(engine, requests), engine.ids)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });

  it('R-31 skips unhealthy proxies and takes them back in their old place', () => {
    const engine = testEngine(4);
    const [a, b, c, d] = engine.ids as [string, string, string, string];
    blame(engine.rotator, b, 5);
    expect(pick(engine, 6)).toEqual([a, c, d, a, c, d]);
    engine.clock.advance(15_000);
    expect(pick(engine, 4)).toEqual([a, b, c, d]);
  });

  it('R-31 stays fair while proxies come and go: those that stay differ by at most 1', () => {
    const stay = 6;
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('pick' as const) },
      fc.record({
        change: fc.constantFrom('add' as const, 'remove' as const),
        index: fc.integer({ min: stay, max: stay + 6 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const engine = testEngine(stay + 3);
        const idOf = new Map(engine.ids.map((id, index) => [index, id]));
        const picks: string[] = [];
        for (const step of steps) {
          if (step === 'pick') picks.push(...pick(engine, 1));
          else if (step.change === 'add') {
            for (const { id } of engine.rotator.pool.add(proxyLine(step.index))) idOf.set(step.index, id);
          } else engine.rotator.pool.remove(idOf.get(step.index) ?? '');
          expect(spread(picks, engine.ids.slice(0, stay))).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('R-31 keeps its place when the proxy that it chose last is removed', () => {
    const engine = testEngine(4);
    const [a, b, c, d] = engine.ids;
    expect(pick(engine, 2)).toEqual([a, b]);
    engine.rotator.pool.remove(b as string);
    expect(pick(engine, 4)).toEqual([c, d, a, c]);
  });

  it('R-31 requests that leave some out do not push the others past the same proxies', () => {
    const engine = testEngine(3);
    const [a, b, c] = engine.ids as [string, string, string];
    const plain: string[] = [];
    for (let i = 0; i < 300; i++) {
      plain.push(...pick(engine, 1));
      engine.rotator.acquire({ exclude: [a, c] }).release();
    }
    expect(spread(plain, [a, b, c])).toBe(0);
  });

  it('two of them keep two places', () => {
    const first = testEngine(3, { strategy: roundRobin() });
    const second = testEngine(3, { strategy: roundRobin() });
    pick(first, 2);
    expect(pick(second, 1)).toEqual([second.ids[0]]);
  });
});
