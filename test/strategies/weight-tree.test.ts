import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeightTree } from '../../src/strategies/weight-tree.js';
import { seededRandom } from '../support/seeded-random.js';

/** What a tree must do, the slow way. */
function modelPick(weights: ReadonlyMap<number, number>, r: number): number {
  let rest = r;
  for (const [slot, weight] of [...weights].sort(([a], [b]) => a - b)) {
    if (rest < weight) return slot;
    rest -= weight;
  }
  return -1;
}

describe('WeightTree', () => {
  it('is empty at first', () => {
    const tree = new WeightTree();
    expect([tree.total, tree.at(0), tree.at(1e6), tree.pick(0)]).toEqual([0, 0, 0, -1]);
  });

  it('does what a list of weights does, whole numbers being exact', () => {
    const change = fc.tuple(fc.nat(200), fc.oneof(fc.constant(0), fc.nat(1000)));
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 150 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (all, at) => {
          const tree = new WeightTree();
          const weights = new Map<number, number>();
          for (const [slot, weight] of all) {
            tree.set(slot, weight);
            weights.set(slot, weight);
            const total = [...weights.values()].reduce((sum, each) => sum + each, 0);
            expect(tree.total).toBe(total);
            expect(tree.at(slot)).toBe(weight);
            const r = Math.floor(at * total);
            if (r < total) expect(tree.pick(r)).toBe(modelPick(weights, r));
          }
        },
      ),
    );
  });

  it('never picks a slot without weight, however the weights and r are rounded', () => {
    const weight = fc.oneof(fc.constant(0), fc.double({ min: 1e-300, max: 1e12, noNaN: true }));
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), fc.nat(1000), (weights, seed) => {
        const tree = new WeightTree();
        for (const [slot, each] of weights.entries()) tree.set(slot, each);
        const random = seededRandom(seed);
        for (const r of [
          0,
          tree.total,
          tree.total * 2,
          ...Array.from({ length: 30 }, () => random() * tree.total),
        ]) {
          const slot = tree.pick(r);
          if (tree.total === 0) expect(slot).toBe(-1);
          else expect(weights[slot]).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does not drift: half a million updates, and nothing is left of a large weight that is gone', () => {
    const tree = new WeightTree();
    const random = seededRandom(4);
    const weights = new Float64Array(1000);
    for (let i = 0; i < 500_000; i++) {
      const slot = Math.floor(random() * weights.length);
      weights[slot] = random() < 0.1 ? 0 : 10 ** (random() * 24 - 12);
      tree.set(slot, weights[slot] as number);
    }
    for (let slot = 10; slot < weights.length; slot++) tree.set(slot, 0);
    for (let slot = 0; slot < 10; slot++) tree.set(slot, 0.125);
    expect(tree.total).toBe(1.25);
    for (let slot = 0; slot < 10; slot++) tree.set(slot, 0);
    expect([tree.total, tree.pick(0)]).toEqual([0, -1]);
  });

  it('grows to any slot and keeps what it has', () => {
    const tree = new WeightTree();
    tree.set(3, 1);
    tree.set(1_000_000, 2);
    expect([tree.total, tree.pick(0.5), tree.pick(1.5)]).toEqual([3, 3, 1_000_000]);
  });

  it('forgets everything when it is cleared, and can be filled again', () => {
    const tree = new WeightTree();
    for (let slot = 0; slot < 100; slot++) tree.set(slot, 1);
    tree.clear();
    expect([tree.total, tree.at(50), tree.pick(0)]).toEqual([0, 0, -1]);
    tree.clear();
    tree.set(7, 2);
    tree.set(500, 1);
    tree.set(7, 3);
    expect([tree.total, tree.pick(2.9), tree.pick(3.1)]).toEqual([4, 7, 500]);
  });
});
