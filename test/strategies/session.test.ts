import { describe, expect, it } from 'vitest';
import { OptionsError } from '../../src/errors.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { random } from '../../src/strategies/random.js';
import { type SessionPersistenceSettings, sessionPersistence } from '../../src/strategies/session.js';
import type { Strategy } from '../../src/strategies/strategy.js';
import { describeStrategyContract } from '../contracts/strategy-contract.js';
import { seededRandom } from '../support/seeded-random.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { blame, record, type TestEngine, testEngine } from '../support/test-engine.js';

describeStrategyContract('session', () => sessionPersistence());
describeStrategyContract('session over least-used', () => sessionPersistence({ inner: leastUsed() }));

function sessionEngine(proxies: number, settings: SessionPersistenceSettings = {}): TestEngine {
  return testEngine(proxies, { strategy: sessionPersistence(settings), fallback: null });
}

/** Always the candidate with the highest slot. */
const last: Strategy = { name: 'last', choose: (candidates) => [...candidates].at(-1) };

describe('session', () => {
  it('R-39 the same proxy in 100 % of 100,000 requests of 1,000 sessions, interleaved', () => {
    const { rotator, clock } = sessionEngine(100, { inner: random() });
    const order = seededRandom(4);
    const first = new Map<string, string>();
    let same = 0;
    for (let i = 0; i < 100_000; i++) {
      const sessionId = `s${Math.floor(order() * 1000)}`;
      const lease = rotator.acquire({ sessionId });
      const { id } = lease.proxy;
      if (!first.has(sessionId)) first.set(sessionId, id);
      if (first.get(sessionId) === id) same += 1;
      // Targets fail as they do; the proxies are healthy.
      if (i % 20 === 0) lease.fail({ verdict: 'target' });
      else lease.succeed({ latencyMs: 20 });
      // The run takes 100 minutes, far more than the idle timeout of half an hour.
      clock.advance(60);
    }
    expect([first.size, same]).toEqual([1000, 100_000]);
    expect(new Set(first.values()).size).toBe(100);
  });

  it('R-40 an unknown session is bound through the inner strategy', () => {
    const { rotator, ids } = sessionEngine(4, { inner: last });
    const events = record(rotator, 'session');
    expect(rotator.acquire({ sessionId: 'a' }).proxy.id).toBe(ids[3]);
    expect(events).toMatchObject([{ proxyId: ids[3], previousProxyId: null, reason: 'bound' }]);
    const inTurn = sessionEngine(3);
    const bound = ['a', 'b', 'c', 'd'].map((sessionId) => inTurn.rotator.acquire({ sessionId }).proxy.id);
    expect(bound).toEqual([0, 1, 2, 0].map((i) => inTurn.ids[i]));
  });

  it('R-40 an expired session is bound anew', () => {
    const { rotator, ids, clock } = sessionEngine(3);
    rotator.acquire({ sessionId: 'a' });
    clock.advance(1_799_000);
    expect(rotator.acquire({ sessionId: 'a' }).proxy.id).toBe(ids[0]);
    clock.advance(1_800_000);
    expect(rotator.acquire({ sessionId: 'a' }).proxy.id).toBe(ids[1]);
    expect(rotator.sessions.get('a').requestCount).toBe(1);
  });

  it('R-40 one whose proxy has gone bad is moved through the inner strategy, the session kept, an event tells', () => {
    const { rotator, ids } = sessionEngine(4, { inner: last });
    rotator.acquire({ sessionId: 'a' }).succeed();
    const events = record(rotator, 'session');
    blame(rotator, ids[3] as string, 5);
    expect(rotator.acquire({ sessionId: 'a' }).proxy.id).toBe(ids[2]);
    expect(events).toMatchObject([{ proxyId: ids[2], previousProxyId: ids[3], reason: 'moved' }]);
    expect(rotator.sessions.get('a')).toMatchObject({ createdAt: 1000, requestCount: 2 });
  });

  it('R-42 all requests of a handle use one proxy, beside other traffic', () => {
    const { rotator } = sessionEngine(10);
    const session = rotator.session();
    const chosen = Array.from({ length: 50 }, () => {
      rotator.acquire().succeed();
      rotator.acquire({ sessionId: 'another' }).succeed();
      return session.acquire().proxy.id;
    });
    expect(new Set(chosen).size).toBe(1);
    expect(rotator.sessions.get(session.id).requestCount).toBe(50);
  });

  it('asks the inner strategy for requests without a session', () => {
    const { rotator, ids } = sessionEngine(3);
    expect(Array.from({ length: 4 }, () => rotator.acquire().proxy.id)).toEqual(
      [0, 1, 2, 0].map((i) => ids[i]),
    );
    const byName = sessionPersistence({ inner: 'last' }, () => last);
    expect(testEngine(3, { strategy: byName }).rotator.acquire().proxy.id).toBe(ids[2]);
  });

  it('keeps the indexes of the inner strategy true, and shows its score', () => {
    const { rotator, ids } = sessionEngine(3, { inner: leastUsed() });
    const [first] = [...ids].sort();
    blame(rotator, first as string, 5);
    expect(Array.from({ length: 4 }, () => rotator.acquire().proxy.id)).not.toContain(first);
    const harness = new StrategyHarness(sessionPersistence({ inner: leastUsed() }), 2);
    harness.start(harness.member(0));
    expect(harness.strategy.score?.(harness.member(0), {}, harness.engine)).toBe(-1.5);
    expect(sessionPersistence().score).toBeUndefined();
  });

  it.each([
    [{ inner: 3 }, 'inner: must be the name of a strategy'],
    [{ inner: 'random' }, 'inner.name: strategies have names only inside of a rotator'],
    [{ timeout: 3 }, 'timeout: is no setting'],
  ])('R-30 refuses %j', (settings, message) => {
    const make = (): unknown => sessionPersistence(settings as SessionPersistenceSettings);
    expect(make).toThrow(OptionsError);
    expect(make).toThrow(message);
  });
});
