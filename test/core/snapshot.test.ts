import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BreakerState } from '../../src/core/health.js';
import { histories, live, places, strategies, tryAcquire } from '../support/engine-history.js';
import { learnedEngine, overJson } from '../support/learned-engine.js';
import { ban, teach } from '../support/teaching.js';
import { blame, proxyLine, proxyLines, record, type TestEngine, testEngine } from '../support/test-engine.js';

/** Figures and breakers, with times from now. */
function learned({ rotator, clock }: TestEngine): unknown {
  const { size: _, ...figures } = rotator.stats();
  const now = clock.now();
  return JSON.parse(
    JSON.stringify([
      figures,
      rotator.pool
        .list()
        .map(({ id, breaker, lastSuccessAt }) => [id, fromNow(breaker, now), now - lastSuccessAt]),
      Array.from(rotator.sessions.list(), ({ createdAt, lastUsedAt, expiresAt, ...session }) => ({
        ...session,
        times: [createdAt, lastUsedAt, expiresAt].map((time) => time - now),
      })),
    ]),
  );
}

function fromNow(breaker: BreakerState, now: number): unknown {
  return {
    ...breaker,
    ...('until' in breaker && { until: breaker.until - now }),
    ...('since' in breaker && breaker.opens > 0 && { since: breaker.since - now }),
  };
}

describe('a snapshot', () => {
  it('R-14 brings figures, breakers, sessions and cooldowns back, on another clock and through JSON', () => {
    const old = learnedEngine();
    const fresh = testEngine(5, { random: () => 0 });
    fresh.clock.advance(987_654);
    fresh.rotator.restore(overJson(old.rotator));
    expect(learned(fresh)).toEqual(learned(old));
    expect(overJson(fresh.rotator)).toEqual(overJson(old.rotator));
    const [, b, , d] = fresh.ids as [string, string, string, string];
    const host = (name: string): unknown =>
      fresh.rotator.explain({ host: name }).proxies.find(({ proxyId }) => proxyId === d)?.reason;
    expect([host('a.test'), host('b.test'), host('c.test')]).toEqual(['cooldown', 'cooldown', null]);
    fresh.clock.advance(16_000);
    expect([host('a.test'), host('b.test')]).toEqual([null, 'cooldown']);
    expect(fresh.rotator.stats().proxies.find(({ proxyId }) => proxyId === b)?.health).toBe('half-open');
  });

  it('R-14 is the same after any history, and two engines that take it over pick the same from the same seed', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom(...strategies.keys()), fc.nat(), (history, at, seed) => {
        const engineOf = (clockAt: number): TestEngine => {
          const engine = testEngine(
            0,
            { proxies: places, strategy: strategies[at]?.[1]() ?? 'random', breaker: { threshold: 2 } },
            seed,
          );
          engine.clock.advance(clockAt);
          return engine;
        };
        const old = engineOf(0);
        live(
          old,
          history.filter((step) => step.do !== 'drain'),
        );
        const snapshot = overJson(old.rotator);
        const pair = [engineOf(old.clock.now()), engineOf(old.clock.now())];
        const [picks, other] = pair.map((engine) => {
          engine.rotator.restore(snapshot);
          expect(overJson(engine.rotator)).toEqual(snapshot);
          const outcome = { verdict: 'success' as const, latencyMs: 50 };
          return Array.from({ length: 15 }, (_, i) => {
            engine.clock.advance(700);
            const lease = tryAcquire(engine.rotator, i % 4 === 0 ? { sessionId: 's1' } : {});
            lease?.settle(outcome);
            return lease?.proxy.id;
          });
        });
        expect([strategies[at]?.[0], picks]).toEqual([strategies[at]?.[0], other]);
      }),
      { numRuns: 300 },
    );
  });

  it('R-14 the engine that takes over goes on as the old one would have', () => {
    const options = { strategy: 'random', breaker: { threshold: 2 } } as const;
    const old = testEngine(20, options, 5);
    for (let i = 0; i < 40; i++) old.rotator.acquire({ sessionId: `s${i % 7}` }).succeed({ latencyMs: 9 });
    const [fresh, same] = [testEngine(20, options, 6), testEngine(20, options, 6)];
    fresh.rotator.restore(overJson(old.rotator));
    same.rotator.restore(overJson(old.rotator));
    const picks = ({ rotator }: TestEngine): string[] =>
      Array.from({ length: 60 }, (_, i) => {
        const lease = rotator.acquire(i % 2 === 0 ? {} : { sessionId: `s${i % 7}` });
        lease.settle({ verdict: i % 5 === 0 ? 'proxy' : 'success', latencyMs: 9 });
        return lease.proxy.id;
      });
    const bound = Array.from(old.rotator.sessions.list(), ({ id, proxyId }) => [id, proxyId]);
    expect(Array.from(fresh.rotator.sessions.list(), ({ id, proxyId }) => [id, proxyId])).toEqual(bound);
    expect(picks(fresh)).toEqual(picks(same));
  });

  it('R-07 onto a changed list keeps what is known of those that stay and drops the rest', () => {
    const old = learnedEngine();
    const [a, b, c, d] = old.ids as [string, string, string, string];
    ban(old.rotator, a, 'a.test');
    const fresh = testEngine(0, { proxies: [proxyLine(7), proxyLine(1), proxyLine(3), proxyLine(8)] });
    fresh.rotator.restore(overJson(old.rotator));
    const kept = (id: string): unknown => old.rotator.snapshot().proxies[id];
    expect(fresh.rotator.snapshot().proxies).toEqual({ [b]: kept(b), [d]: kept(d) });
    expect(fresh.rotator.snapshot().cooldowns.map(({ proxyId }) => proxyId)).toEqual([d, d]);
    expect(fresh.rotator.sessions.size).toBe(0);
    expect(fresh.rotator.pool.get(a) ?? fresh.rotator.pool.get(c)).toBeUndefined();
    expect(fresh.rotator.stats()).toMatchObject({ size: 4, active: 0 });
  });

  it('R-07 a list refresh before and after restoring forgets nothing of those that stay', () => {
    const old = learnedEngine();
    const fresh = testEngine(5, { random: () => 0 });
    fresh.rotator.restore(overJson(old.rotator));
    fresh.rotator.pool.replace([proxyLine(30), ...proxyLines(5), proxyLine(31)]);
    expect(overJson(fresh.rotator)).toEqual(overJson(old.rotator));
  });

  it('keeps what the engine knows of proxies that the snapshot does not name', () => {
    const { rotator, ids } = testEngine(2);
    teach(rotator, String(ids[0]), { ok: 2, latencyMs: 70 });
    rotator.restore({ version: 1, proxies: {}, cooldowns: [], sessions: [] });
    expect(rotator.stats().succeeded).toBe(2);
  });

  it('runs times on by elapsedMs', () => {
    const old = learnedEngine();
    const [a, b, , d] = old.ids as [string, string, string, string];
    const { rotator, clock } = testEngine(5, { random: () => 0, sessionTimeoutSeconds: 100 });
    clock.advance(1_000_000);
    rotator.restore(overJson(old.rotator), 5000);
    const { cooldowns, proxies, sessions } = rotator.snapshot();
    expect(proxies[b]?.breaker).toEqual({ state: 'open', remainingMs: 1000, opens: 1 });
    expect(proxies[a]?.lastSuccessAgoMs).toBe(9000);
    expect(cooldowns.map(({ host, remainingMs }) => [host, remainingMs])).toEqual([
      ['a.test', 11_000],
      ['b.test', 51_000],
    ]);
    expect(sessions.map(({ id, idleMs, ageMs }) => [id, idleMs, ageMs])).toEqual([
      ['s1', 9000, 9000],
      ['s2', 9000, 9000],
    ]);
    clock.advance(1000);
    expect(rotator.stats().proxies[1]?.health).toBe('half-open');

    const late = testEngine(5, { sessionTimeoutSeconds: 100 });
    late.rotator.restore(overJson(old.rotator), 96_000);
    expect(late.rotator.sessions.find('s1')).toBeUndefined();
    expect(late.rotator.snapshot()).toMatchObject({ cooldowns: [], sessions: [] });
    expect(late.rotator.stats().proxies[1]?.health).toBe('half-open');
    expect(late.rotator.acquireCarrier(d, { host: 'a.test' })?.succeed()).toBe('success');
  });

  it('R-05 the window goes on sliding: what was old stays old', () => {
    const old = learnedEngine({ windowSeconds: 300 });
    const [a, b] = old.ids as [string, string];
    const counts = (elapsedMs: number): unknown[] => {
      const { rotator } = testEngine(5, { windowSeconds: 300 });
      rotator.restore(overJson(old.rotator), elapsedMs);
      return [a, b].map((id) => rotator.stats().proxies.find(({ proxyId }) => proxyId === id)?.windowCount);
    };
    expect([0, 120_000, 200_000, 230_000, 9e9].map(counts)).toEqual([
      [4, 5],
      [4, 5],
      [4, 5],
      [1, 5],
      [0, 0],
    ]);
  });

  it('R-14 a session that must leave its proxy leaves it after a restart, too', () => {
    const { rotator, ids } = testEngine(3);
    rotator.acquire({ sessionId: 's' }).fail({ verdict: 'proxy' });
    const fresh = testEngine(3);
    fresh.rotator.restore(overJson(rotator));
    const events = record(fresh.rotator, 'session');
    expect(fresh.rotator.acquire({ sessionId: 's' }).proxy.id).not.toBe(ids[0]);
    expect(events).toMatchObject([{ previousProxyId: ids[0], reason: 'moved' }]);
  });

  it('R-11 the least recently used session is still the first to end', () => {
    const { rotator } = testEngine(3, { maxSessions: 3 });
    for (const id of ['a', 'b', 'c', 'a']) rotator.acquire({ sessionId: id }).release();
    const fresh = testEngine(3, { maxSessions: 3 });
    fresh.rotator.restore(overJson(rotator));
    fresh.rotator.acquire({ sessionId: 'd' }).release();
    expect(Array.from(fresh.rotator.sessions.list(), ({ id }) => id).sort()).toEqual(['a', 'c', 'd']);
  });

  it('the oldest ban is still the first to be forgotten', () => {
    const { rotator, ids } = testEngine(3, { ban: { maxPairs: 3 } });
    for (const id of ids) ban(rotator, id, 'a.test');
    const fresh = testEngine(3, { ban: { maxPairs: 2 } });
    fresh.rotator.restore(overJson(rotator));
    expect(fresh.rotator.snapshot().cooldowns.map(({ proxyId }) => proxyId)).toEqual(ids.slice(1));
  });

  it('keeps the faults in a row when the counters were reset', () => {
    const { rotator, ids } = testEngine(2, { random: () => 0 });
    blame(rotator, String(ids[0]), 4);
    rotator.pool.resetStats();
    const fresh = testEngine(2, { random: () => 0 });
    fresh.rotator.restore(overJson(rotator));
    blame(fresh.rotator, String(ids[0]), 1);
    expect(fresh.rotator.pool.get(String(ids[0]))?.health).toBe('open');
  });

  it('leaves out those of which nothing is known', () => {
    const { rotator } = testEngine(100);
    rotator.acquire();
    expect(rotator.snapshot()).toEqual({ version: 1, proxies: {}, cooldowns: [], sessions: [] });
  });

  it('holds no credential and no address', () => {
    const canary = 'canary-password';
    const proxies = [1, 2, 3].map((at) => `http://user-${canary}:${canary}@192.0.2.${at}:8000`);
    const { rotator, ids } = testEngine(0, { proxies });
    for (const id of ids) {
      teach(rotator, id, { ok: 2 });
      ban(rotator, id, 'a.test');
      blame(rotator, id, 3);
    }
    rotator
      .acquire({ sessionId: 's', url: `https://u:${canary}@a.test/${canary}` })
      .settle({ verdict: 'banned' });
    const text = JSON.stringify(rotator.snapshot());
    expect(text).toContain('a.test');
    expect(text).not.toContain(canary);
    expect(text).not.toContain('192.0.2.');
  });
});

describe('restoring in the middle of work', () => {
  it('R-01 keeps requests in flight counted, before and after they end', () => {
    const { rotator, ids } = learnedEngine();
    const before = overJson(rotator);
    const [id] = ids as [string];
    const leases = [1, 2, 3].map(() => rotator.acquireCarrier(id));
    leases.pop()?.succeed({ latencyMs: 5 });
    rotator.restore(before);
    const figures = (): unknown => rotator.pool.get(id)?.stats;
    expect(figures()).toMatchObject({ started: 6, completed: 4, succeeded: 4, active: 2 });
    for (const lease of leases) lease?.succeed({ latencyMs: 5 });
    expect(figures()).toMatchObject({ started: 6, completed: 6, succeeded: 6, active: 0 });
  });

  it('a probe that was out has ended with its process: another one may go', () => {
    const { rotator, ids, clock } = testEngine(1, { random: () => 0, breaker: { threshold: 1 } });
    blame(rotator, String(ids[0]), 1);
    clock.advance(10_000);
    rotator.acquire();
    expect(() => rotator.acquire()).toThrow();
    const fresh = testEngine(1);
    fresh.rotator.restore(overJson(rotator));
    fresh.rotator.acquire().succeed();
    expect(fresh.rotator.pool.get(String(ids[0]))?.health).toBe('closed');
  });

  it('tells the breakers that it changes', () => {
    const { rotator, ids } = learnedEngine();
    const fresh = testEngine(5);
    const events = record(fresh.rotator, 'breaker');
    fresh.rotator.restore(overJson(rotator));
    expect(events).toEqual([{ proxyId: ids[1], from: 'closed', to: 'open', openMs: 6000 }]);
  });
});
