import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlotSet } from '../../src/core/slot-set.js';

/** What a slot set means: a sorted array of numbers. */
class Model {
  slots: number[] = [];

  add(slot: number): boolean {
    if (this.slots.includes(slot)) return false;
    this.slots = [...this.slots, slot].sort((a, b) => a - b);
    return true;
  }

  delete(slot: number): boolean {
    const before = this.slots.length;
    this.slots = this.slots.filter((other) => other !== slot);
    return this.slots.length < before;
  }

  after(slot: number): number {
    return this.slots.find((other) => other > slot) ?? this.slots[0] ?? -1;
  }
}

/** Neighbours, borders of words (32), of levels (1024, 32768), and of the first capacity (64). */
const slot = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 140 }) },
  fc.constantFrom(31, 32, 63, 64, 1023, 1024, 1025, 2047, 2048, 32_767, 32_768, 32_769),
  fc.nat({ max: 70_000 }),
);
const command = fc.record({ name: fc.constantFrom('add', 'add', 'delete', 'after'), slot });

describe('SlotSet', () => {
  it('does what a sorted array does, whatever is added and deleted in whatever order', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120, size: 'max' }), (commands) => {
        const set = new SlotSet();
        const model = new Model();
        for (const { name, slot } of commands) {
          if (name === 'add') expect(set.add(slot)).toBe(model.add(slot));
          else if (name === 'delete') expect(set.delete(slot)).toBe(model.delete(slot));
          expect(set.after(slot)).toBe(model.after(slot));
          expect(set.has(slot)).toBe(model.slots.includes(slot));
          expect(set.size).toBe(model.slots.length);
        }
        const dense = Array.from({ length: set.size }, (_, index) => set.at(index));
        expect(dense.sort((a, b) => a - b)).toEqual(model.slots);
        const walked: number[] = [];
        for (let at = -1; walked.length < set.size; walked.push(at)) at = set.after(at);
        expect(walked).toEqual(model.slots);
      }),
      { numRuns: 400 },
    );
  });

  it('is empty at first and knows no slot, not even far outside', () => {
    const set = new SlotSet();
    expect([set.size, set.after(-1), set.after(1e6)]).toEqual([0, -1, -1]);
    expect([set.has(0), set.has(-1), set.has(1e6), set.delete(1e6)]).toEqual([false, false, false, false]);
  });

  it('wraps from the last member to the first, from beyond the capacity too', () => {
    const set = new SlotSet();
    set.add(3);
    set.add(62);
    expect([set.after(62), set.after(63), set.after(1e6), set.after(3)]).toEqual([3, 3, 3, 62]);
  });

  it('keeps its members when it grows by several levels at once', () => {
    const set = new SlotSet();
    for (const slot of [0, 5, 63]) set.add(slot);
    set.add(1_000_000);
    expect([set.after(-1), set.after(0), set.after(5), set.after(63), set.after(1_000_000)]).toEqual([
      0, 5, 63, 1_000_000, 0,
    ]);
  });

  it('finds the next of two members a million slots apart without walking between them', () => {
    const set = new SlotSet();
    for (let slot = 0; slot < 1_000_000; slot++) set.add(slot);
    for (let slot = 1; slot < 999_999; slot++) set.delete(slot);
    // A walk would take 5 * 10^10 steps here.
    let at = 0;
    for (let round = 0; round < 50_000; round++) at = set.after(at === 0 ? 1 : 999_999);
    expect([set.size, set.after(0), set.after(999_999), at === 0 || at === 999_999]).toEqual([
      2,
      999_999,
      0,
      true,
    ]);
  });
});
