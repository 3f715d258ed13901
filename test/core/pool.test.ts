import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Events, type PoolEvent } from '../../src/core/events.js';
import { type BreakerState, closed } from '../../src/core/health.js';
import { parseProxy } from '../../src/core/parse.js';
import { type Filter, type Member, Pool } from '../../src/core/pool.js';
import { ProxyParseError } from '../../src/errors.js';
import { chiSquare, criticalChiSquare } from '../support/chi-square.js';
import { seededRandom } from '../support/seeded-random.js';
import { constantly, proxyLine, proxyLines } from '../support/test-engine.js';

const open: BreakerState = { state: 'open', until: 5000, opens: 1 };

function poolOf(count: number): { pool: Pool; changes: PoolEvent[] } {
  const events = new Events();
  const changes: PoolEvent[] = [];
  events.on('pool', (change) => changes.push(change));
  const pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, events);
  pool.add(...proxyLines(count));
  return { pool, changes };
}

function member(pool: Pool, index: number): Member {
  const found = pool.get(parseProxy(proxyLine(index)).id);
  if (found === undefined) throw new Error(`proxy ${index} is not in the pool`);
  return found;
}

describe('membership', () => {
  it('R-12 adds lines and parsed proxies, and returns those that are new', () => {
    const { pool } = poolOf(2);
    const added = pool.add(proxyLine(1), parseProxy(proxyLine(2)), proxyLine(3), proxyLine(3));
    expect(added.map(({ proxy }) => proxy.url)).toEqual([proxyLine(2), proxyLine(3)]);
    expect(pool.size).toBe(4);
    expect(pool.list(({ proxy }) => proxy.host === '192.0.2.3')).toHaveLength(1);
  });

  it('R-12 changes nothing when one of the lines cannot be read', () => {
    const { pool, changes } = poolOf(2);
    expect(() => pool.add(proxyLine(7), 'not a proxy')).toThrow(ProxyParseError);
    expect(() => pool.replace([proxyLine(7), 'not a proxy'])).toThrow(ProxyParseError);
    expect([pool.size, changes.length, pool.list().some((m) => m.removed)]).toEqual([2, 2, false]);
  });

  it('R-07 keeps what is known of a proxy through any change that keeps the proxy', () => {
    const { pool } = poolOf(3);
    const [first, second] = [member(pool, 0), member(pool, 1)];
    second.stats.start(1000);
    second.stats.finish('succeeded', 80);
    pool.setBreaker(second, open);
    pool.add(proxyLine(1), proxyLine(9));
    pool.remove(first.id);
    pool.replace([proxyLine(5), proxyLine(1)]);
    expect(member(pool, 1)).toBe(second);
    expect(second).toMatchObject({
      removed: false,
      breaker: open,
      stats: { emaLatencyMs: 80, succeeded: 1 },
    });
    expect(pool.isServing(second)).toBe(false);
  });

  it('R-07 statistics die with the proxy: the same one added again starts from nothing', () => {
    const { pool } = poolOf(2);
    const before = member(pool, 0);
    before.stats.start(1000);
    pool.setBreaker(before, open);
    expect([pool.remove(before.id), pool.remove(before.id)]).toEqual([true, false]);
    pool.add(proxyLine(0));
    const after = member(pool, 0);
    expect(after).not.toBe(before);
    expect(after).toMatchObject({ breaker: closed, stats: { started: 0 } });
    expect([before.removed, pool.isServing(before), pool.isServing(after)]).toEqual([true, false, true]);
  });

  it('R-12 what a removed proxy still reports does not touch the one that has its place now', () => {
    const { pool } = poolOf(1);
    const old = member(pool, 0);
    pool.remove(old.id);
    pool.add(proxyLine(1));
    expect(member(pool, 1).slot).toBe(old.slot);
    pool.setBreaker(old, open);
    expect(pool.isServing(member(pool, 1))).toBe(true);
    pool.setBreaker(member(pool, 1), open);
    pool.setBreaker(old, closed);
    expect(pool.isServing(member(pool, 1))).toBe(false);
    expect(pool.candidates().empty).toBe(true);
  });

  it('R-24 tells each change once, with the id and nothing else', () => {
    const { pool, changes } = poolOf(0);
    const id = parseProxy('http://user:canary@192.0.2.1:8000').id;
    pool.add('http://user:canary@192.0.2.1:8000');
    pool.replace([proxyLine(4)]);
    expect(changes).toEqual([
      { proxyId: id, change: 'added' },
      { proxyId: id, change: 'removed' },
      { proxyId: member(pool, 4).id, change: 'added' },
    ]);
  });

  it('R-12 holds what a map of ids would hold, after any changes, and serves those with a closed breaker', () => {
    const index = fc.nat({ max: 8 });
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom('add' as const, 'remove' as const, 'open' as const, 'close' as const),
        index,
      }),
      fc.record({ kind: fc.constant('replace' as const), list: fc.array(index) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const { pool } = poolOf(0);
        let model = new Map<string, boolean>();
        const id = (at: number): string => parseProxy(proxyLine(at)).id;
        for (const step of steps) {
          if (step.kind === 'replace') {
            pool.replace(step.list.map(proxyLine));
            model = new Map(step.list.map((at) => [id(at), model.get(id(at)) ?? true]));
          } else if (step.kind === 'add') {
            pool.add(proxyLine(step.index));
            if (!model.has(id(step.index))) model.set(id(step.index), true);
          } else if (step.kind === 'remove') {
            expect(pool.remove(id(step.index))).toBe(model.delete(id(step.index)));
          } else if (model.has(id(step.index))) {
            pool.setBreaker(member(pool, step.index), step.kind === 'open' ? open : closed);
            model.set(id(step.index), step.kind === 'close');
          }
          expect(pool.size).toBe(model.size);
          expect(new Set(pool.list().map((m) => m.id))).toEqual(new Set(model.keys()));
          const serving = [...pool.candidates()].map(({ proxy }) => proxy.id);
          expect(serving.sort()).toEqual([...model.keys()].filter((key) => model.get(key)).sort());
          expect(new Set(pool.list().map((m) => m.slot)).size).toBe(pool.size);
        }
      }),
    );
  });
});

describe('candidates', () => {
  const even: Filter = ({ slot }) => slot % 2 === 0;

  it('are a view: what changes in the pool is seen at once', () => {
    const { pool } = poolOf(2);
    const view = pool.candidates();
    pool.setBreaker(member(pool, 0), open);
    pool.add(proxyLine(5));
    expect([...view]).toEqual([member(pool, 1), member(pool, 5)].sort((a, b) => a.slot - b.slot));
  });

  it('come in circular order, filtered or not', () => {
    const { pool } = poolOf(5);
    const slots = (filter?: Filter): (number | undefined)[] =>
      [-1, 0, 2, 4, 99].map((slot) => pool.candidates(filter).after(slot)?.slot);
    expect(slots()).toEqual([0, 1, 3, 0, 0]);
    expect(slots(even)).toEqual([0, 2, 4, 0, 0]);
  });

  it('are none when the filter hides everybody, by each way of asking', () => {
    const { pool } = poolOf(5);
    const view = pool.candidates(() => false);
    expect([view.empty, view.after(-1), view.sample(constantly(0.5)), [...view]]).toEqual([
      true,
      undefined,
      undefined,
      [],
    ]);
  });

  it('R-33 are sampled uniformly when the filter hides all but a few of many', () => {
    // 5 of 500: sixteen guesses miss them with a chance of 85 %, so that both ways of sampling are walked.
    const { pool } = poolOf(500);
    const view = pool.candidates(({ slot }) => slot % 100 === 7);
    const random = seededRandom(12_345);
    const counts = new Map<number, number>();
    for (let pick = 0; pick < 5000; pick++) {
      const slot = view.sample(random)?.slot ?? -1;
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([7, 107, 207, 307, 407]);
    expect(chiSquare([...counts.values()])).toBeLessThan(criticalChiSquare(5));
  });
});
