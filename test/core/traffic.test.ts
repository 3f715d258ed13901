import { describe, expect, it } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { testEngine } from '../support/test-engine.js';

describe('bytes of a proxy', () => {
  it('R-01 are counted both ways, in stats() by proxy and as a sum, and in explain()', () => {
    const { rotator, ids } = testEngine(2);
    const [a, b] = rotator.pool.list().map(({ proxy }) => proxy);
    if (a === undefined || b === undefined) throw new Error('The pool holds two');
    rotator.carried(a, 100, 2_000);
    rotator.carried(b, 1, 2);
    rotator.carried(a, 10, 0);
    expect(rotator.stats()).toMatchObject({
      bytesUp: 111,
      bytesDown: 2_002,
      proxies: [
        { proxyId: ids[0], bytesUp: 110, bytesDown: 2_000 },
        { proxyId: ids[1], bytesUp: 1, bytesDown: 2 },
      ],
    });
    expect(rotator.explain().proxies.map(({ bytes }) => bytes)).toEqual([2_110, 3]);
  });

  it('come from the outcome where the connection is none of ours', () => {
    const { rotator } = testEngine(1);
    rotator.acquire({ sessionId: 's' }).succeed({ bytes: 500 });
    rotator.acquire({ sessionId: 's' }).settle({ verdict: 'proxy', bytes: 20 });
    rotator.acquire().release();
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 520 });
    expect(rotator.sessions.get('s').bytes).toBe(520);
  });

  it('are no bytes where what a caller says of them is no count', () => {
    const { rotator } = testEngine(1);
    for (const bytes of [Number.NaN, -1, Number.POSITIVE_INFINITY]) rotator.acquire().succeed({ bytes });
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 0 });
  });

  it('of a proxy that left the pool still count for their session, and come back as none', () => {
    const { rotator, ids } = testEngine(2);
    const { proxy } = rotator.acquire({ sessionId: 's' });
    rotator.carried(proxy, 5, 5, 's');
    rotator.pool.remove(proxy.id);
    rotator.carried(proxy, 10, 10, 's');
    expect(rotator.sessions.get('s').bytes).toBe(30);
    rotator.pool.add(proxy);
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 0, size: ids.length });
  });

  it('R-12 start again with the counters', () => {
    const { rotator } = testEngine(1);
    rotator.acquire().succeed({ bytes: 7 });
    rotator.pool.resetStats();
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 0 });
  });

  it('R-33 survive in a snapshot, beside those of sessions, and are more than 32 bits', () => {
    const first = testEngine(1);
    const { proxy } = first.rotator.acquire({ sessionId: 's' });
    first.rotator.carried(proxy, 2 ** 40, 3, 's');
    const again = testEngine(1);
    again.rotator.restore(JSON.parse(JSON.stringify(first.rotator.snapshot())));
    expect(again.rotator.stats()).toMatchObject({ bytesUp: 2 ** 40, bytesDown: 3 });
    expect(again.rotator.sessions.get('s').bytes).toBe(2 ** 40 + 3);
  });

  it('R-33 are none in a snapshot of an earlier version, and a wrong number is refused', () => {
    const { rotator, ids } = testEngine(1);
    rotator.acquire({ sessionId: 's' }).succeed({ bytes: 9 });
    const snapshot = JSON.parse(JSON.stringify(rotator.snapshot()));
    const { stats } = snapshot.proxies[ids[0] as string];
    for (const [from, key] of [
      [stats, 'bytesUp'],
      [stats, 'bytesDown'],
      [snapshot.sessions[0], 'bytes'],
    ]) {
      const wrong = JSON.stringify(snapshot, (name, value) => (name === key ? -1 : value));
      expect(() => rotator.restore(JSON.parse(wrong)), key).toThrow(key);
      delete from[key];
    }
    rotator.restore(snapshot);
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 0 });
    expect(rotator.sessions.get('s').bytes).toBe(0);
  });

  it('of one that never was in the pool count for nobody', () => {
    const { rotator } = testEngine(1);
    rotator.carried(parseProxy('http://198.51.100.1:80'), 5, 5, 'nobody');
    expect(rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: 0, sessions: 0 });
  });
});
