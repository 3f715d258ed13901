import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { histories, live, places, strategies, tryAcquire } from '../support/engine-history.js';
import { teach } from '../support/teaching.js';
import { blame, proxyLine, proxyLines, record, testEngine } from '../support/test-engine.js';

const strategyAt = fc.constantFrom(...strategies.keys());

describe('known mistakes of other systems', () => {
  it('a breaker that stays half-open for ever: no probe that is lost keeps it so', () => {
    fc.assert(
      fc.property(histories, strategyAt, (history, at) => {
        const strategy = strategies[at]?.[1]() ?? 'random';
        const engine = testEngine(0, { proxies: places, strategy, breaker: { threshold: 1 } });
        live(engine, history);
        const { rotator, clock } = engine;
        for (const { id } of rotator.pool.list()) rotator.pool.drain(id, false);
        // Every lease from before is lost. Open times end, and so does the time of a probe.
        clock.advance(2 * 3_600_000);
        for (const { id } of rotator.pool.list()) {
          const exclude = rotator.pool.list((other) => other.id !== id).map((other) => other.id);
          expect(tryAcquire(rotator, { exclude })?.succeed({ latencyMs: 10 })).toBe('success');
          expect(rotator.pool.get(id)?.health).toBe('closed');
        }
      }),
      { numRuns: 200 },
    );
  });

  it('a breaker that stays half-open for ever: a probe that tells nothing leaves its place to the next', () => {
    const { rotator, ids, clock } = testEngine(1, { breaker: { threshold: 1 } });
    blame(rotator, String(ids[0]), 1);
    clock.advance(15_000);
    for (const verdict of ['neutral', 'local', 'target', 'banned'] as const) {
      rotator.acquire({ host: 'a.test' }).settle({ verdict });
      expect(rotator.pool.get(String(ids[0]))?.breaker).toMatchObject({ state: 'half-open', probe: null });
    }
    rotator.acquire().succeed();
    expect(rotator.pool.get(String(ids[0]))?.health).toBe('closed');
  });

  it('a breaker that stays half-open for ever: all of a pool come back under any strategy, probed by traffic alone', () => {
    for (const [name, make] of strategies) {
      const { rotator, ids, clock } = testEngine(12, { strategy: make() });
      for (const id of ids) blame(rotator, id, 5);
      clock.advance(15_000);
      for (let i = 0; i < 400; i++) {
        rotator.acquire({ priority: i % 4 === 0 ? 'low' : 'normal' }).succeed({ latencyMs: 50 });
        clock.advance(20);
      }
      expect([name, rotator.stats().proxies.filter(({ health }) => health !== 'closed')]).toEqual([name, []]);
    }
  });

  it('an unhealthy proxy that success never restores: one success is enough, and it starts from no faults', () => {
    const { rotator, ids, clock } = testEngine(1, { random: () => 0 });
    const [id] = ids as [string];
    for (let round = 0; round < 5; round++) blame(rotator, id, 5);
    clock.advance(10_000);
    const changes = record(rotator, 'breaker');
    rotator.acquire().succeed();
    expect(changes.map(({ to }) => to)).toEqual(['half-open', 'closed']);
    blame(rotator, id, 4);
    expect(rotator.pool.get(id)?.health).toBe('closed');
    blame(rotator, id, 1);
    expect(changes.at(-1)).toMatchObject({ to: 'open', openMs: 20_000 });
  });

  it('an unhealthy proxy that success never restores: it has its share of the requests again', () => {
    const { rotator, ids, clock } = testEngine(4);
    const [id] = ids as [string];
    blame(rotator, id, 5);
    clock.advance(15_000);
    const picks = Array.from({ length: 40 }, () => {
      const lease = rotator.acquire();
      lease.succeed({ latencyMs: 10 });
      return lease.proxy.id;
    });
    expect(picks.filter((pick) => pick === id)).toHaveLength(10);
  });

  it('R-07 a list refresh that forgets what was learned: figures, breakers, cooldowns, sessions, places', () => {
    fc.assert(
      fc.property(histories, strategyAt, fc.nat(), (history, at, seed) => {
        const [refreshed, left] = [0, 1].map(() => {
          const strategy = strategies[at]?.[1]() ?? 'random';
          return testEngine(0, { proxies: places, strategy, breaker: { threshold: 2 } }, seed);
        }) as [ReturnType<typeof testEngine>, ReturnType<typeof testEngine>];
        const refresh = (): void => refreshed.rotator.pool.replace([...places].reverse());
        expect(live(refreshed, history, refresh)).toEqual(live(left, history));
        expect(refreshed.rotator.snapshot()).toEqual(left.rotator.snapshot());
        expect(refreshed.rotator.stats()).toEqual(left.rotator.stats());
      }),
      { numRuns: 200 },
    );
  });

  it('R-07 a list refresh that forgets what was learned: newcomers and leavers change nothing for those that stay', () => {
    const { rotator, ids } = testEngine(4, { random: () => 0 });
    const [a, b, c] = ids as [string, string, string];
    teach(rotator, a, { ok: 3, latencyMs: 80 });
    blame(rotator, b, 5);
    rotator.acquireCarrier(c, { host: 'a.test' })?.settle({ verdict: 'banned' });
    rotator.acquire({ sessionId: 's', exclude: ids.slice(1) }).succeed({ latencyMs: 80 });
    const before = rotator.snapshot();
    rotator.pool.replace([proxyLine(20), ...proxyLines(3), proxyLine(21)]);
    expect(rotator.snapshot()).toEqual(before);
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(a);
    expect(
      rotator
        .explain({ host: 'a.test' })
        .proxies.map(({ reason }) => reason)
        .filter(Boolean)
        .sort(),
    ).toEqual(['breaker', 'cooldown']);
  });
});
