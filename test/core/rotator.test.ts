import { describe, expect, it } from 'vitest';
import type { Rotator } from '../../src/core/rotator.js';
import { ClosedError, NoCandidateError } from '../../src/errors.js';
import type { Strategy } from '../../src/strategies/index.js';
import { blame, proxyLine, record, testEngine } from '../support/test-engine.js';

function figures(rotator: Rotator): object[] {
  return rotator.stats().proxies.map(({ started, completed, active }) => ({ started, completed, active }));
}

describe('acquire', () => {
  it('R-02 has counted the choice when it returns', () => {
    const { rotator } = testEngine(2);
    const lease = rotator.acquire();
    expect(lease).not.toBeInstanceOf(Promise);
    expect(rotator.pool.get(lease.proxy.id)?.stats).toMatchObject({ started: 1, active: 1 });
    lease.succeed();
    expect(rotator.pool.get(lease.proxy.id)?.stats).toMatchObject({ completed: 1, active: 0 });
  });

  it('R-28 10,000 concurrent acquisitions: no lost count, no deadlock', async () => {
    const { rotator, ids } = testEngine(100);
    let highest = 0;
    const verdicts = ['success', 'proxy', 'target', 'neutral'] as const;
    await Promise.all(
      Array.from({ length: 10_000 }, async (_, i) => {
        await null;
        const lease = rotator.acquire({ url: 'https://a.test/' });
        highest = Math.max(highest, rotator.pool.get(lease.proxy.id)?.stats.active ?? 0);
        for (let turn = 0; turn < i % 7; turn++) await null;
        // Each proxy sees successes often enough to stay closed: this is about counting.
        lease.settle({ verdict: verdicts[Math.floor(i / 100) % 4] ?? 'success' });
      }),
    );
    const { started, succeeded, failed, active, proxies } = rotator.stats();
    expect({ started, succeeded, failed, active }).toEqual({
      started: 10_000,
      succeeded: 2500,
      failed: 2500,
      active: 0,
    });
    expect(proxies.map(({ completed }) => completed).reduce((a, b) => a + b)).toBe(10_000);
    expect(highest).toBeGreaterThan(1);
    expect(ids).toHaveLength(100);
  });

  it('a lease that is forgotten stays visible as an active request', () => {
    const { rotator } = testEngine(2);
    rotator.acquire();
    rotator.acquire().release();
    expect(rotator.stats().active).toBe(1);
    expect(figures(rotator)).toEqual([
      { started: 1, completed: 0, active: 1 },
      { started: 1, completed: 1, active: 0 },
    ]);
  });

  it.each([
    { verdict: 'success', succeeded: 1, failed: 0 },
    { verdict: 'proxy', succeeded: 0, failed: 1 },
    { verdict: 'auth', succeeded: 0, failed: 1 },
    { verdict: 'banned', succeeded: 0, failed: 0 },
    { verdict: 'target', succeeded: 0, failed: 0 },
    { verdict: 'ambiguous', succeeded: 0, failed: 1 },
    { verdict: 'local', succeeded: 0, failed: 0 },
    { verdict: 'neutral', succeeded: 0, failed: 0 },
  ] as const)('R-01 counts $verdict', ({ verdict, succeeded, failed }) => {
    const { rotator } = testEngine(1);
    rotator.acquire().settle({ verdict });
    expect(rotator.stats()).toMatchObject({ started: 1, active: 0, succeeded, failed });
  });

  it('R-03 learns latency from what the lease reports, of successes only', () => {
    const { rotator } = testEngine(1);
    rotator.acquire().succeed({ latencyMs: 300 });
    rotator.acquire().settle({ verdict: 'target', latencyMs: 1 });
    rotator.acquire().settle({ verdict: 'proxy', latencyMs: 1 });
    expect(rotator.stats().proxies[0]?.emaLatencyMs).toBe(300);
  });

  it('R-21 never takes an excluded proxy, though it is the only healthy one', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids as [string, string, string];
    blame(rotator, c, 5);
    expect(rotator.acquire({ exclude: [a] }).proxy.id).toBe(b);
    expect(() => rotator.acquire({ exclude: new Set([a, b]) })).toThrow(NoCandidateError);
  });

  it('R-21 reads what is excluded once, so that a one-shot iterator holds for sessions too', () => {
    const { rotator, ids } = testEngine(3);
    const [bound, next, last] = ids as [string, string, string];
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(bound);
    function* once(): Generator<string> {
      yield bound;
      yield next;
    }
    expect(rotator.acquire({ sessionId: 's', exclude: once() }).proxy.id).toBe(last);
  });

  it('R-09 uses a proxy that is to be avoided only when no other is left', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids as [string, string, string];
    const picks = (avoid: string[]): Set<string> =>
      new Set(Array.from({ length: 6 }, () => rotator.acquire({ avoid }).proxy.id));
    expect(picks([a, c])).toEqual(new Set([b]));
    expect(picks([a, b, c])).toEqual(new Set(ids));
  });

  it('C-05 fails after close, and leases that are out may still be settled', () => {
    const { rotator } = testEngine(1);
    const lease = rotator.acquire();
    rotator.close();
    expect(() => rotator.acquire()).toThrow(ClosedError);
    expect(rotator.acquireCarrier(lease.proxy.id)).toBeUndefined();
    lease.succeed();
    expect(rotator.stats().succeeded).toBe(1);
  });
});

describe('setStrategy', () => {
  it('R-47 the next selection uses it; leases in flight finish; an event says so', () => {
    const { rotator, ids } = testEngine(3);
    const swaps = record(rotator, 'strategy');
    const selected = record(rotator, 'selected');
    const inFlight = rotator.acquire();
    const last: Strategy = {
      name: 'last',
      choose: (candidates) => [...candidates].find(({ proxy }) => proxy.id === ids[2]),
    };
    rotator.setStrategy(last);
    expect(rotator.strategy).toBe(last);
    expect(rotator.acquire().proxy.id).toBe(ids[2]);
    inFlight.succeed({ latencyMs: 9 });
    expect(rotator.pool.get(inFlight.proxy.id)?.stats).toMatchObject({ succeeded: 1, active: 0 });
    rotator.setStrategy('random');
    expect(swaps).toEqual([
      { from: 'round-robin', to: 'last' },
      { from: 'last', to: 'random' },
    ]);
    expect(selected.map(({ strategy }) => strategy)).toEqual(['round-robin', 'last']);
  });

  it('R-47 a name that nobody knows leaves the old one in place', () => {
    const { rotator } = testEngine(2);
    const before = rotator.strategy;
    expect(() => rotator.setStrategy('no-such')).toThrow(/no-such/);
    expect(rotator.strategy).toBe(before);
    rotator.acquire();
  });
});

describe('events', () => {
  const credential = 'canary-password';
  const sessionId = 'session-of-somebody';

  it('R-24 tell each decision and result with proxy id, strategy and reason', () => {
    const { rotator, ids } = testEngine(1, { random: () => 0 });
    const selected = record(rotator, 'selected');
    const settled = record(rotator, 'settled');
    const breaker = record(rotator, 'breaker');
    const cooldown = record(rotator, 'cooldown');
    rotator.acquire({ url: 'https://a.test/x' }).succeed({ latencyMs: 7 });
    rotator.acquire({ url: 'https://a.test/x' }).settle({ verdict: 'banned', retryAfterMs: 2000 });
    const [proxyId] = ids as [string];
    const common = { proxyId, strategy: 'round-robin', host: 'a.test', session: null };
    expect(selected[0]).toEqual({ ...common, reason: 'strategy' });
    expect(settled).toEqual([
      { ...common, verdict: 'success', latencyMs: 7 },
      { ...common, verdict: 'banned', latencyMs: null },
    ]);
    expect(cooldown).toEqual([{ proxyId, host: 'a.test', cooldownMs: 2000 }]);
    blame(rotator, proxyId, 5);
    expect(breaker).toEqual([{ proxyId, from: 'closed', to: 'open', openMs: 10_000 }]);
  });

  it('R-24 name the reason of each choice', () => {
    const { rotator, ids, clock } = testEngine(1);
    const selected = record(rotator, 'selected');
    rotator.acquire({ sessionId }).release();
    rotator.acquire({ sessionId }).release();
    blame(rotator, ids[0] as string, 5);
    clock.advance(15_000);
    selected.length = 0;
    rotator.acquire().succeed();
    rotator.acquire({ sessionId }).release();
    expect(selected.map(({ reason }) => reason)).toEqual(['probe', 'session']);
  });

  it('R-24 carry no credential and no raw session id', () => {
    const { rotator, clock } = testEngine(0, {
      proxies: [`http://user:${credential}@192.0.2.1:8000`, `http://user2:${credential}@192.0.2.2:8000`],
    });
    const all = (['selected', 'settled', 'breaker', 'cooldown', 'session', 'pool', 'strategy'] as const).map(
      (name) => [name, record(rotator, name)] as const,
    );
    const use = (verdict: 'proxy' | 'banned'): void => {
      rotator.acquire({ sessionId, url: `https://u:${credential}@a.test/${credential}` }).settle({ verdict });
    };
    for (let i = 0; i < 12; i++) use(i < 4 ? 'banned' : 'proxy');
    clock.advance(15_000);
    use('proxy');
    rotator.pool.add(proxyLine(9));
    rotator.setStrategy('random');
    for (const [name, payloads] of all) expect([name, payloads.length > 0]).toEqual([name, true]);
    const text = JSON.stringify([all, rotator.stats()]);
    expect(text).not.toContain(credential);
    expect(text).not.toContain(sessionId);
  });

  it('a listener that throws does not break the request', () => {
    const { rotator } = testEngine(1);
    for (const name of ['selected', 'settled', 'session'] as const) {
      rotator.on(name, () => {
        throw new Error('of the listener');
      });
    }
    rotator.acquire({ sessionId }).succeed();
    expect(rotator.stats()).toMatchObject({ succeeded: 1, active: 0 });
  });
});
