import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Proxy } from '../../src/core/proxy.js';
import { createProxy } from '../../src/core/proxy.js';
import type { Rotator } from '../../src/core/rotator.js';
import type { BudgetOptions } from '../../src/options.js';
import { record, type TestEngine, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

const GB = 1e9;
const cheap = createProxy({ host: '192.0.2.1', port: 80, tags: ['dc'], cost: 0.5, source: 'list' });
const dear = createProxy({ host: '192.0.2.2', port: 80, tags: ['residential'], cost: 8, source: 'list' });
const plain = createProxy({ host: '192.0.2.3', port: 80 });
const proxies = [cheap, dear, plain];

const engine = (...budgets: BudgetOptions[]): TestEngine => testEngine(0, { proxies, budgets });

/** Who is chosen in turn, each once. */
function serving(rotator: Rotator): Proxy[] {
  const picked = new Set(proxies.map(() => rotator.acquire().proxy));
  return proxies.filter((proxy) => picked.has(proxy));
}

describe('a budget', () => {
  it.each<[string, BudgetOptions, readonly Proxy[]]>([
    ['of a tag', { bytes: 1000, tag: 'residential' }, [cheap, plain]],
    ['of a source', { bytes: 1000, source: 'list' }, [plain]],
    ['in cost, where 8 per GB spend it', { cost: 8 * (1000 / GB), tag: 'residential' }, [cheap, plain]],
  ])('%s, once used up, stops its own proxies and no other', (_name, budget, left) => {
    const { rotator } = engine(budget);
    rotator.carried(dear, 100, 899);
    expect(serving(rotator)).toEqual(proxies);
    rotator.carried(dear, 1, 0);
    expect(serving(rotator)).toEqual(left);
  });

  it('of the whole pool, used up, leaves nobody: the error names it as the reason', () => {
    const { rotator } = engine({ bytes: 1000 });
    rotator.carried(cheap, 400, 0);
    rotator.carried(plain, 0, 600);
    expect(thrownBy(() => rotator.acquire())).toMatchObject({
      code: 'PW_NO_CANDIDATE',
      removedBy: { budget: 3 },
      retryAfterMs: null,
    });
    expect(rotator.explain().proxies.map(({ reason }) => reason)).toEqual(['budget', 'budget', 'budget']);
  });

  it('is not touched by others: another tag, another source, a proxy without a cost', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' }, { cost: 1e-9 });
    rotator.carried(dear, 0, 0);
    rotator.carried(plain, 50, 50);
    expect(serving(rotator)).toEqual(proxies);
    expect(rotator.stats().budgets.map(({ used }) => used)).toEqual([0, 0]);
  });

  it('is told of at 80 % and at 100 %, each once, also when both pass in one step', () => {
    const { rotator } = engine({ bytes: 1000, tag: 'dc' }, { bytes: 10, source: 'list' });
    const told = record(rotator, 'budget');
    rotator.carried(cheap, 0, 799);
    rotator.carried(cheap, 0, 1);
    rotator.carried(cheap, 150, 0);
    rotator.carried(cheap, 150, 0);
    rotator.carried(cheap, 150, 0);
    expect(told.filter(({ budget }) => budget === 0)).toEqual([
      {
        budget: 0,
        tag: 'dc',
        source: null,
        unit: 'bytes',
        percent: 80,
        used: 800,
        limit: 1000,
        resetMs: null,
      },
      {
        budget: 0,
        tag: 'dc',
        source: null,
        unit: 'bytes',
        percent: 100,
        used: 1100,
        limit: 1000,
        resetMs: null,
      },
    ]);
    expect(told.filter(({ budget }) => budget === 1)).toMatchObject([
      { percent: 80, used: 799, source: 'list' },
      { percent: 100, used: 799, source: 'list' },
    ]);
  });

  it('with a window starts anew so long after its first byte, and tells when', () => {
    const { rotator, clock } = engine({ bytes: 1000, windowSeconds: 60 });
    const told = record(rotator, 'budget');
    clock.advance(500_000);
    rotator.carried(cheap, 0, 500);
    clock.advance(20_000);
    rotator.carried(cheap, 0, 500);
    expect(told.map(({ percent, resetMs }) => [percent, resetMs])).toEqual([
      [80, 40_000],
      [100, 40_000],
    ]);
    expect(thrownBy(() => rotator.acquire())).toMatchObject({
      removedBy: { budget: 3 },
      retryAfterMs: 40_000,
    });
    clock.advance(39_999);
    expect(() => rotator.acquire()).toThrow('budget');
    clock.advance(1);
    expect(serving(rotator)).toEqual(proxies);
    expect(rotator.stats().budgets).toMatchObject([{ used: 0, spent: false, resetMs: null }]);
    rotator.carried(cheap, 0, 1000);
    expect(told).toHaveLength(4);
  });

  it('with a window forgets what was carried before, even when nobody asked for a proxy in between', () => {
    const { rotator, clock } = engine({ bytes: 1000, windowSeconds: 60 });
    rotator.carried(cheap, 0, 999);
    clock.advance(60_000);
    rotator.carried(cheap, 0, 2);
    expect(serving(rotator)).toEqual(proxies);
    expect(rotator.stats().budgets).toMatchObject([{ used: 2, resetMs: 60_000 }]);
  });

  it('that is spent keeps a proxy out that another budget would let in, until both do', () => {
    const { rotator, clock } = engine(
      { bytes: 100, tag: 'dc', windowSeconds: 10 },
      { bytes: 100, source: 'list', windowSeconds: 30 },
    );
    rotator.carried(cheap, 0, 100);
    expect(serving(rotator)).toEqual([plain]);
    rotator.pool.remove(plain.id);
    expect(thrownBy(() => rotator.acquire())).toMatchObject({
      removedBy: { budget: 2 },
      retryAfterMs: 30_000,
    });
    clock.advance(10_000);
    expect(() => rotator.acquire()).toThrow('2 by budget');
    clock.advance(20_000);
    expect(rotator.acquire().proxy).toBe(cheap);
  });

  it('that is spent stops proxies that join later, too', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' });
    rotator.carried(cheap, 10, 0);
    const late = createProxy({ host: '192.0.2.9', port: 80, tags: ['dc'] });
    rotator.pool.replace([late, plain]);
    expect([rotator.acquire(), rotator.acquire()].map(({ proxy }) => proxy)).toEqual([plain, plain]);
  });

  it('goes by the tags that an operator has set', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' });
    const { proxy } = rotator.acquire();
    expect(proxy).toBe(cheap);
    rotator.pool.adjust(plain.id, { tags: ['dc'] });
    rotator.pool.adjust(cheap.id, { tags: ['other'] });
    // Handed out before, but it belongs to the other group now.
    rotator.carried(proxy, 10, 0);
    expect(rotator.stats().budgets).toMatchObject([{ used: 0 }]);
    rotator.carried(plain, 10, 0);
    expect([rotator.acquire(), rotator.acquire()].map(({ proxy: { id } }) => id).sort()).toEqual(
      [cheap.id, dear.id].sort(),
    );
    rotator.pool.adjust(dear.id, { tags: ['dc'] });
    rotator.pool.adjust(plain.id, { tags: [] });
    expect(rotator.explain().proxies.map(({ reason }) => reason)).toEqual([null, 'budget', null]);
  });

  it('counts what a connection carries to its end, also through a proxy that left the pool', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' });
    rotator.pool.remove(cheap.id);
    rotator.carried(cheap, 10, 0);
    expect(rotator.stats().budgets).toMatchObject([{ used: 10, spent: true }]);
  });

  it('that is spent moves sessions, and lets requests in flight end', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' });
    const lease = rotator.acquire({ sessionId: 's' });
    expect(lease.proxy).toBe(cheap);
    rotator.carried(cheap, 10, 0, 's');
    expect(rotator.acquire({ sessionId: 's' }).proxy).not.toBe(cheap);
    lease.succeed({ latencyMs: 5 });
    expect(rotator.pool.get(cheap.id)?.stats).toMatchObject({ succeeded: 1 });
  });

  it('that is spent outlasts drain, breaker and zeroed counters of its proxies', () => {
    const { rotator } = engine({ bytes: 10, tag: 'dc' });
    rotator.carried(cheap, 10, 0);
    rotator.pool.drain(cheap.id);
    rotator.pool.drain(cheap.id, false);
    rotator.pool.resetStats();
    rotator.acquireCarrier(cheap.id)?.succeed();
    expect(serving(rotator)).toEqual([dear, plain]);
  });

  it('R-33 survives in a snapshot, with what is left of its window, and its limit may be raised meanwhile', () => {
    const budgets: BudgetOptions[] = [{ bytes: 100, tag: 'dc', windowSeconds: 60 }, { cost: 1 }];
    const first = engine(...budgets);
    first.rotator.carried(cheap, 100, 0);
    first.clock.advance(10_000);
    const snapshot = JSON.parse(JSON.stringify(first.rotator.snapshot()));
    const again = engine(...[...budgets].reverse());
    const told = record(again.rotator, 'budget');
    again.rotator.restore(snapshot, 5_000);
    expect(again.rotator.stats().budgets).toMatchObject([
      { used: 0.5 * (100 / GB) },
      { used: 100, spent: true, resetMs: 45_000 },
    ]);
    expect([serving(again.rotator), told]).toEqual([[dear, plain], []]);
    const late = engine(...budgets);
    late.rotator.restore(snapshot, 50_000);
    expect(late.rotator.stats().budgets).toMatchObject([{ used: 0, spent: false }, { used: 5e-8 }]);
    const other = engine({ bytes: 101, tag: 'dc', windowSeconds: 60 });
    other.rotator.restore(snapshot);
    expect(other.rotator.stats().budgets).toMatchObject([{ used: 100, spent: false }]);
  });

  it('R-33 is refused where a snapshot says what is no amount', () => {
    const { rotator } = engine({ bytes: 100 });
    rotator.carried(cheap, 1, 1);
    for (const change of [
      { used: -1 },
      { ageMs: 'x' },
      { unit: 'euros' },
      { tag: 5 },
      { source: 5 },
      { windowSeconds: 'x' },
    ]) {
      const snapshot = JSON.parse(JSON.stringify(rotator.snapshot()));
      Object.assign(snapshot.budgets[0], change);
      expect(() => rotator.restore(snapshot)).toThrow(`budgets[0].${Object.keys(change)[0]}`);
    }
  });

  it('uses what was carried, whatever the steps', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(50), fc.nat(50))), (steps) => {
        const { rotator } = engine({ bytes: 500, source: 'list' }, { cost: 1e-6 });
        const told = record(rotator, 'budget');
        let [bytes, cost] = [0, 0];
        for (const [at, up, down] of steps) {
          const proxy = proxies[at] as Proxy;
          rotator.carried(proxy, up, down);
          if (proxy.source === 'list') bytes += up + down;
          cost += ((up + down) / GB) * (proxy.cost ?? 0);
        }
        const [first, second] = rotator.stats().budgets;
        expect([first?.used, first?.spent]).toEqual([bytes, bytes >= 500]);
        expect(second?.used).toBeCloseTo(cost, 12);
        expect(told.map(({ budget, percent }) => `${budget} ${percent}`)).toEqual([
          ...new Set(told.map(({ budget, percent }) => `${budget} ${percent}`)),
        ]);
        expect(told.some(({ budget, percent }) => budget === 0 && percent === 80)).toBe(bytes >= 400);
      }),
    );
  });
});
