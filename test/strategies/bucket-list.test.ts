import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BucketList } from '../../src/strategies/bucket-list.js';
import { IdCells, idPrefix } from '../../src/strategies/id-cells.js';
import { SlotNumbers } from '../../src/strategies/slot-numbers.js';
import { LowestIdBucket, RandomBucket } from '../../src/strategies/tie-break.js';
import { chiSquare, criticalChiSquare } from '../support/chi-square.js';
import { seededRandom } from '../support/seeded-random.js';

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 });
/** Ids as the pool makes them, many with the same beginning, and texts of any other form. */
const id = fc.oneof(
  { weight: 3, arbitrary: hex.map((digits) => `px_${digits}`) },
  { weight: 2, arbitrary: hex.map((digits) => `px_00000${digits.slice(5)}`) },
  fc.string({ unit: fc.constantFrom(...'px_0a9fgz:Z'), maxLength: 10 }),
);

function lists(ids: readonly string[], capacity: number): { cells: IdCells; list: BucketList } {
  const cells = new IdCells(capacity, (slot) => ids[slot] as string);
  const owners = new SlotNumbers();
  let made = 0;
  return { cells, list: new BucketList(() => new LowestIdBucket(++made, cells, owners)) };
}

describe('bucket list', () => {
  it('R-36 holds the order by key and then by id text under any moves', () => {
    const move = fc.record({ slot: fc.nat(29), key: fc.option(fc.nat(6), { freq: 5 }) });
    const all = fc.uniqueArray(id, { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(
        all,
        fc.array(move, { maxLength: 120, size: 'max' }),
        fc.nat(200),
        (ids, moves, capacity) => {
          const { cells, list } = lists(ids, capacity);
          const model = new Map<number, number>();
          for (const { slot, key } of moves) {
            if (key === null) {
              list.remove(slot);
              if (model.delete(slot)) cells.delete(slot);
            } else {
              if (!model.has(slot)) cells.add(slot);
              list.place(slot, key);
              model.set(slot, key);
            }
            const text = (at: number): string => ids[at] as string;
            const wanted = [...model]
              .sort(([a, p], [b, q]) => p - q || (text(a) < text(b) ? -1 : 1))
              .map(([at]) => at);
            expect([...list].flatMap((bucket) => [...bucket])).toEqual(wanted);
            expect(list.front?.first(() => 0)).toBe(wanted[0]);
            expect(list.keyOf(slot)).toBe(model.get(slot) ?? Number.NaN);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives no greater text a smaller number', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(idPrefix(low)).toBeLessThanOrEqual(idPrefix(high));
      }),
      { numRuns: 2000 },
    );
    expect(idPrefix('px_0000000000000000')).toBe(0);
    expect(idPrefix('px_ffffff0000000000')).toBe(2 ** 24 - 1);
  });

  it('R-36 gives each slot of a random bucket the same chance, also after moves', () => {
    const places = new SlotNumbers();
    const list = new BucketList(() => new RandomBucket(places));
    for (let slot = 0; slot < 40; slot++) list.place(slot, slot % 2);
    for (let slot = 1; slot < 40; slot += 4) list.place(slot, 0);
    for (let slot = 0; slot < 20; slot += 2) list.remove(slot);
    const random = seededRandom(3);
    const counts = new Map<number, number>();
    for (let i = 0; i < 4000; i++) {
      const slot = list.front?.first(random) ?? -1;
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([...(list.front ?? [])].sort((a, b) => a - b));
    expect(counts.size).toBe(20);
    expect(chiSquare([...counts.values()])).toBeLessThan(criticalChiSquare(20));
  });

  it('takes slots far beyond those that it has seen', () => {
    const ids = Array.from({ length: 5001 }, (_, slot) => `px_${slot.toString(16).padStart(16, '0')}`);
    const { cells, list } = lists(ids, 1);
    for (const slot of [5000, 3, 4000]) {
      cells.add(slot);
      list.place(slot, 7);
    }
    expect([...(list.front ?? [])]).toEqual([3, 4000, 5000]);
  });
});
