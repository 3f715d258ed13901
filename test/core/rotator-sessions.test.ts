import { describe, expect, it } from 'vitest';
import { SessionIdError } from '../../src/errors.js';
import { blame, constantly, proxyLine, record, testEngine } from '../support/test-engine.js';

describe('sessions', () => {
  it('R-39 thousands at once keep their proxies for every request', () => {
    const { rotator } = testEngine(50, { strategy: 'random' });
    const first = Array.from({ length: 3000 }, (_, i) => rotator.acquire({ sessionId: `s${i}` }).proxy.id);
    for (let round = 0; round < 3; round++) {
      const again = first.map((_, i) => {
        const lease = rotator.acquire({ sessionId: `s${i}` });
        lease.succeed();
        return lease.proxy.id;
      });
      expect(again).toEqual(first);
    }
    expect(new Set(first).size).toBe(50);
    expect(rotator.stats().sessions).toBe(3000);
  });

  it('R-40 an unknown one is bound through the strategy, an expired one anew', () => {
    const { rotator, ids, clock } = testEngine(3);
    const events = record(rotator, 'session');
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[0]);
    clock.advance(1_800_000);
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[1]);
    expect(events).toMatchObject([
      { proxyId: ids[0], previousProxyId: null, reason: 'bound' },
      { proxyId: ids[1], previousProxyId: null, reason: 'bound' },
    ]);
  });

  it('R-40 one whose proxy has gone bad is moved, keeps its id and age, and an event tells', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b] = ids as [string, string];
    rotator.acquire({ sessionId: 's' }).succeed();
    const events = record(rotator, 'session');
    blame(rotator, a, 5);
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(b);
    expect(events).toMatchObject([{ proxyId: b, previousProxyId: a, reason: 'moved' }]);
    expect(rotator.sessions.get('s')).toMatchObject({ createdAt: 1000, requestCount: 2, proxyId: b });
  });

  it.each(['proxy', 'auth'] as const)('C-04 leaves a proxy at the first %s fault', (verdict) => {
    const { rotator } = testEngine(3);
    const lease = rotator.acquire({ sessionId: 's' });
    lease.settle({ verdict });
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).not.toBe(lease.proxy.id);
  });

  it.each(['success', 'target', 'ambiguous', 'local', 'neutral', 'banned'] as const)(
    'R-39 stays with its proxy after %s without a host',
    (verdict) => {
      const { rotator } = testEngine(3);
      const lease = rotator.acquire({ sessionId: 's' });
      lease.settle({ verdict });
      expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(lease.proxy.id);
    },
  );

  it('stays where it is now when a late fault tells of the proxy that it left', () => {
    const { rotator, ids } = testEngine(3);
    const [first, late] = [rotator.acquire({ sessionId: 's' }), rotator.acquire({ sessionId: 's' })];
    first.fail({ verdict: 'proxy' });
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[1]);
    late.fail({ verdict: 'proxy' });
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[1]);
  });

  it('moves when the host has banned its proxy, or the request excludes or avoids it', () => {
    const url = 'https://a.test/';
    const { rotator, ids } = testEngine(4);
    const [a, b, c, d] = ids as [string, string, string, string];
    const pick = (more: object = {}): string => rotator.acquire({ sessionId: 's', url, ...more }).proxy.id;
    rotator.acquire({ sessionId: 's', url }).settle({ verdict: 'banned' });
    expect(rotator.sessions.get('s').proxyId).toBe(a);
    expect(pick()).toBe(b);
    expect(pick({ exclude: [b] })).toBe(c);
    expect(pick({ avoid: [c] })).toBe(d);
    expect(pick()).toBe(d);
  });

  it('R-12 moves when its proxy is removed, and returns to nobody by itself', () => {
    const { rotator, ids } = testEngine(2);
    const [a, b] = ids as [string, string];
    rotator.acquire({ sessionId: 's' });
    rotator.pool.remove(a);
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(b);
    rotator.pool.add(proxyLine(0));
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(b);
  });

  it('goes back to the proxy that failed it when there is no other, without an event of a move', () => {
    const { rotator, ids } = testEngine(1);
    const events = record(rotator, 'session');
    rotator.acquire({ sessionId: 's' }).fail({ verdict: 'proxy' });
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[0]);
    expect(events).toHaveLength(1);
  });

  it('R-11 an id that breaks the rule is refused before anything is counted', () => {
    const { rotator } = testEngine(1);
    expect(() => rotator.acquire({ sessionId: 'not allowed' })).toThrow(SessionIdError);
    expect(() => rotator.session('not allowed')).toThrow(SessionIdError);
    expect(rotator.stats()).toMatchObject({ started: 0, sessions: 0 });
  });
});

describe('rotator.session()', () => {
  it('R-42 all requests inside use one proxy', () => {
    const { rotator } = testEngine(10);
    const session = rotator.session('mine');
    const picks = Array.from({ length: 20 }, () => {
      rotator.acquire().release();
      return session.acquire().proxy.id;
    });
    expect(new Set(picks).size).toBe(1);
    expect(rotator.sessions.get('mine').requestCount).toBe(20);
  });

  it('R-11 makes up an id that keeps the rule, and another one each time', () => {
    const { rotator } = testEngine(1);
    const ids = Array.from({ length: 500 }, () => rotator.session().id);
    expect(new Set(ids).size).toBe(500);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9._~-]{1,128}$/);
    expect(testEngine(1, { random: constantly(0) }).rotator.session().id).not.toBe('');
  });

  it('R-42 adds its context to each request, and close ends it', () => {
    const { rotator, ids } = testEngine(2);
    const session = rotator.session('mine', { exclude: [ids[0] as string], url: 'https://a.test/' });
    expect(session.acquire()).toMatchObject({ sessionId: 'mine', host: 'a.test', proxy: { id: ids[1] } });
    expect(session.acquire({ url: 'https://b.test/' }).host).toBe('b.test');
    session.close();
    expect(rotator.sessions.find('mine')).toBeUndefined();
  });
});
