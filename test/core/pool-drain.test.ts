import { describe, expect, it } from 'vitest';
import { NoCandidateError } from '../../src/errors.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { placed, teach } from '../support/teaching.js';
import { blame, proxyLine, proxyLines, record, testEngine } from '../support/test-engine.js';

describe('pool.drain', () => {
  it('sends nothing new to a proxy while its requests in flight finish and count', () => {
    const { rotator, ids } = testEngine(3);
    const lease = rotator.acquire();
    expect(rotator.pool.drain(lease.proxy.id)).toBe(true);
    const picks = Array.from({ length: 6 }, () => rotator.acquire().proxy.id);
    expect(new Set(picks)).toEqual(new Set(ids.slice(1)));
    lease.succeed({ latencyMs: 40 });
    expect(rotator.pool.get(lease.proxy.id)).toMatchObject({
      drained: true,
      health: 'closed',
      stats: { succeeded: 1, active: 0, emaLatencyMs: 40 },
    });
  });

  it('lets it serve again, and knows what was learned', () => {
    const { rotator, ids } = testEngine(2);
    const [a] = ids as [string];
    teach(rotator, a, { ok: 2, latencyMs: 50 });
    rotator.pool.drain(a);
    expect(rotator.pool.drain(a, false)).toBe(true);
    expect([rotator.acquire().proxy.id, rotator.acquire().proxy.id]).toEqual(ids);
    expect(rotator.pool.get(a)).toMatchObject({ drained: false, stats: { succeeded: 2 } });
  });

  it('is false for one that is not there', () => {
    const { rotator, ids } = testEngine(2);
    rotator.pool.remove(String(ids[0]));
    expect([rotator.pool.drain(String(ids[0])), rotator.pool.drain('px_none', false)]).toEqual([
      false,
      false,
    ]);
  });

  it('R-23 of everybody is named as the reason, and time alone does not change it', () => {
    const { rotator, ids } = testEngine(2);
    for (const id of ids) rotator.pool.drain(id);
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    expect(() => rotator.acquire()).toThrow(/2 by drained\.$/);
    rotator.pool.drain(String(ids[1]), false);
    expect(rotator.acquire().proxy.id).toBe(ids[1]);
  });

  it('R-40 moves the sessions of the proxy', () => {
    const { rotator, ids } = testEngine(2);
    const moves = record(rotator, 'session');
    rotator.acquire({ sessionId: 's' });
    rotator.pool.drain(String(ids[0]));
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[1]);
    expect(moves.at(-1)).toMatchObject({ previousProxyId: ids[0], reason: 'moved' });
  });

  it('R-21 outlasts the breaker: one that recovers stays drained, also for probes and for its country', () => {
    const { rotator, clock } = testEngine(0, {
      proxies: [placed(0, { geo: { countryCode: 'DE' } }), placed(1, {})],
    });
    const [drained, other] = rotator.pool.list().map(({ id }) => id) as [string, string];
    blame(rotator, drained, 5);
    rotator.pool.drain(drained);
    clock.advance(15_000);
    for (const priority of ['low', 'normal', 'high'] as const) {
      expect(rotator.acquire({ priority }).proxy.id).toBe(other);
    }
    expect(() => rotator.acquire({ country: 'DE' })).toThrow(/1 by drained/);
    rotator.pool.drain(drained, false);
    expect(rotator.acquire({ country: 'DE' }).proxy.id).toBe(drained);
  });

  it('R-07 R-12 stays through a list refresh, and ends with the proxy', () => {
    const { rotator, ids } = testEngine(2);
    const [a] = ids as [string];
    rotator.pool.drain(a);
    rotator.pool.replace(proxyLines(4));
    expect(rotator.pool.get(a)?.drained).toBe(true);
    rotator.pool.remove(a);
    rotator.pool.add(proxyLine(0));
    expect(rotator.pool.get(a)?.drained).toBe(false);
  });

  it('tells the index of a strategy', () => {
    const { rotator, ids } = testEngine(2, { strategy: leastUsed() });
    const fallbacks = record(rotator, 'fallback');
    rotator.pool.drain(String(ids[0]));
    for (let i = 0; i < 4; i++) expect(rotator.acquire().proxy.id).toBe(ids[1]);
    expect(fallbacks).toEqual([]);
  });
});

describe('pool.resetStats', () => {
  it('R-12 sets the counters of one proxy to zero and keeps what is in flight', () => {
    const { rotator, ids } = testEngine(2);
    const [a, b] = ids as [string, string];
    for (const id of ids) teach(rotator, id, { ok: 2, bad: 1, latencyMs: 70 });
    const lease = rotator.acquireCarrier(a);
    rotator.pool.resetStats(a);
    const zero = { completed: 0, succeeded: 0, failed: 0, emaLatencyMs: null };
    expect(rotator.pool.get(a)?.stats).toMatchObject({ ...zero, started: 1, active: 1 });
    expect(rotator.pool.get(b)?.stats).toMatchObject({
      completed: 3,
      succeeded: 2,
      failed: 1,
      emaLatencyMs: 70,
    });
    expect(rotator.stats().proxies.map(({ windowCount }) => windowCount)).toEqual([0, 3]);
    lease?.succeed({ latencyMs: 10 });
    expect(rotator.pool.get(a)?.stats).toMatchObject({ completed: 1, active: 0, emaLatencyMs: 10 });
  });

  it('R-12 sets those of all, and nothing but the counters', () => {
    const { rotator, ids } = testEngine(3);
    for (const id of ids) teach(rotator, id, { ok: 1, bad: 1 });
    blame(rotator, String(ids[0]), 5);
    rotator.pool.resetStats();
    expect(rotator.stats()).toMatchObject({ started: 0, succeeded: 0, failed: 0, active: 0, size: 3 });
    expect(rotator.pool.get(String(ids[0]))?.health).toBe('open');
  });

  it('R-12 does nothing for one that is not there', () => {
    const { rotator, ids } = testEngine(1);
    teach(rotator, String(ids[0]), { ok: 1 });
    rotator.pool.resetStats('px_none');
    expect(rotator.stats().succeeded).toBe(1);
  });

  it('tells the index of a strategy', () => {
    const { rotator, ids } = testEngine(2, { strategy: leastUsed() });
    const [low, high] = [...ids].sort() as [string, string];
    teach(rotator, low, { ok: 3 });
    teach(rotator, high, { ok: 1 });
    expect(rotator.explain().chosen).toBe(high);
    rotator.pool.resetStats();
    expect(rotator.explain().chosen).toBe(low);
  });
});
