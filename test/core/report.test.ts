import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { histories, live, places } from '../support/engine-history.js';
import { blame, testEngine } from '../support/test-engine.js';

describe('stats()', () => {
  it('has a line per proxy, in the order of the pool, with its figures as of now', () => {
    const { rotator, clock } = testEngine(2, { random: () => 0 });
    rotator.acquire({ sessionId: 's' }).succeed({ latencyMs: 120, bytes: 70 });
    const open = rotator.acquire();
    blame(rotator, open.proxy.id, 5);
    const expected = {
      strategy: 'round-robin',
      size: 2,
      sessions: 1,
      started: 7,
      succeeded: 1,
      failed: 5,
      active: 1,
      bytesUp: 0,
      bytesDown: 70,
      budgets: [],
      proxies: [
        {
          proxyId: rotator.pool.list()[0]?.id,
          url: 'http://192.0.2.1:8000',
          health: 'closed',
          started: 1,
          completed: 1,
          succeeded: 1,
          failed: 0,
          active: 0,
          emaLatencyMs: 120,
          windowCount: 1,
          bytesUp: 0,
          bytesDown: 70,
        },
        {
          proxyId: open.proxy.id,
          url: 'http://192.0.2.2:8000',
          health: 'open',
          started: 6,
          completed: 5,
          succeeded: 0,
          failed: 5,
          active: 1,
          emaLatencyMs: null,
          windowCount: 6,
          bytesUp: 0,
          bytesDown: 0,
        },
      ],
    };
    expect(rotator.stats()).toEqual(expected);
    clock.advance(4_000_000);
    expect(rotator.stats().proxies.map(({ health, windowCount }) => [health, windowCount])).toEqual([
      ['closed', 0],
      ['half-open', 0],
    ]);
  });

  it('R-01 sums are those of the lines, and R-24 JSON of it is all there is', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const engine = testEngine(0, { proxies: places, breaker: { threshold: 2 } });
        live(engine, history);
        const stats = engine.rotator.stats();
        for (const figure of ['started', 'succeeded', 'failed', 'active'] as const) {
          expect(stats[figure]).toBe(stats.proxies.reduce((sum, line) => sum + line[figure], 0));
        }
        expect(JSON.parse(JSON.stringify(stats))).toEqual(stats);
      }),
      { numRuns: 200 },
    );
  });

  it('is empty for an empty pool, and names the strategy in use', () => {
    const { rotator } = testEngine(0);
    rotator.setStrategy('random');
    expect(rotator.stats()).toEqual({
      strategy: 'random',
      size: 0,
      sessions: 0,
      started: 0,
      succeeded: 0,
      failed: 0,
      active: 0,
      bytesUp: 0,
      bytesDown: 0,
      budgets: [],
      proxies: [],
    });
  });

  it('R-24 shows addresses without credentials', () => {
    const { rotator } = testEngine(0, { proxies: ['http://canary-user:canary-password@192.0.2.1:80'] });
    expect(JSON.stringify(rotator.stats())).not.toContain('canary');
  });
});
