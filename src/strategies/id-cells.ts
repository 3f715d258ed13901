import { SlotNumbers } from './slot-numbers.js';

/** Bits of an id that decide about its cell: 6 hex digits. */
const PREFIX_BITS = 24;

/**
 * Slots in the order of the ids of their proxies, without sorting: an id begins with a hash, so its first digits say
 * about where it belongs. Each slot hangs in a cell; the cells are in order, and within one, mostly of one or two, the
 * slots are. A newcomer finds its place in O(1), where a table of ranks would have to be numbered anew.
 */
export class IdCells {
  /** Number of cells, a power of two. */
  readonly count: number;
  readonly #shift: number;
  /** By cell: its first slot, or -1. */
  readonly #heads: Int32Array;
  /** By slot: the next one in its cell, or -1. */
  readonly #next: SlotNumbers = new SlotNumbers();
  /** By slot: its cell. */
  readonly #cells: SlotNumbers = new SlotNumbers();
  readonly #idOf: (slot: number) => string;

  /**
   * @param capacity slots that it is good for; it takes more, and gets slower
   * @param idOf the id of a slot that was added
   */
  constructor(capacity: number, idOf: (slot: number) => string) {
    this.#idOf = idOf;
    const bits = Math.min(PREFIX_BITS, Math.max(5, 32 - Math.clz32(Math.max(0, capacity - 1))));
    this.count = 2 ** bits;
    this.#shift = PREFIX_BITS - bits;
    this.#heads = new Int32Array(this.count).fill(-1);
  }

  /** The cell of a slot that was added. */
  cellOf(slot: number): number {
    return this.#cells.get(slot);
  }

  /** The first slot of a cell in the order of the ids; -1 when the cell is empty. */
  first(cell: number): number {
    return this.#heads[cell] as number;
  }

  /** The slot behind this one in the same cell; -1 when it is the last. */
  next(slot: number): number {
    return this.#next.get(slot);
  }

  add(slot: number): void {
    const id = this.#idOf(slot);
    const cell = idPrefix(id) >>> this.#shift;
    this.#cells.set(slot, cell);
    let before = -1;
    let after = this.first(cell);
    while (after >= 0 && this.#idOf(after) < id) {
      before = after;
      after = this.next(after);
    }
    this.#next.set(slot, after);
    if (before < 0) this.#heads[cell] = slot;
    else this.#next.set(before, slot);
  }

  delete(slot: number): void {
    const cell = this.cellOf(slot);
    const after = this.next(slot);
    let before = this.first(cell);
    if (before === slot) {
      this.#heads[cell] = after;
      return;
    }
    while (this.next(before) !== slot) before = this.next(before);
    this.#next.set(before, after);
  }
}

/**
 * The 6 hex digits behind `px_` as a number. For any two texts, the greater one has no smaller number, so that ids
 * of another form cost time, never the order.
 */
export function idPrefix(id: string): number {
  if (!id.startsWith('px_')) return id < 'px_' ? 0 : 2 ** PREFIX_BITS - 1;
  let value = 0;
  for (let at = 3, shift = PREFIX_BITS - 4; shift >= 0; at++, shift -= 4) {
    const code = id.charCodeAt(at);
    if (code >= 97 && code <= 102) value |= (code - 87) << shift;
    else if (code >= 48 && code <= 57) value |= (code - 48) << shift;
    // Above one digit and below the next one: the last number that begins with the lower digit.
    else if (code > 102) return value | ((16 << shift) - 1);
    else if (code > 57) return value | ((10 << shift) - 1);
    else return value;
  }
  return value;
}
