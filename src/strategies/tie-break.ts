import type { Random } from '../core/clock.js';
import { BitLadder } from './bit-ladder.js';
import type { Bucket } from './bucket-list.js';
import type { IdCells } from './id-cells.js';
import type { SlotNumbers } from './slot-numbers.js';

/** A bucket whose slot with the smallest proxy id comes first. */
export class LowestIdBucket implements Bucket {
  readonly #cells: IdCells;
  readonly #number: number;
  /** By slot: number of the bucket that it is in; shared by all buckets over the same cells. */
  readonly #owners: SlotNumbers;
  /** Cells that hold one of this bucket. */
  readonly #used: BitLadder;
  size = 0;

  /** @param number another one for each bucket over the same cells */
  constructor(number: number, cells: IdCells, owners: SlotNumbers) {
    this.#number = number;
    this.#cells = cells;
    this.#owners = owners;
    this.#used = new BitLadder(cells.count);
  }

  add(slot: number): void {
    this.#owners.set(slot, this.#number);
    this.#used.add(this.#cells.cellOf(slot));
    this.size += 1;
  }

  delete(slot: number): void {
    this.size -= 1;
    const cell = this.#cells.cellOf(slot);
    for (let other = this.#cells.first(cell); other >= 0; other = this.#cells.next(other)) {
      if (other !== slot && this.#owners.get(other) === this.#number) return;
    }
    this.#used.delete(cell);
  }

  first(): number {
    let slot = this.#cells.first(this.#used.from(0));
    while (this.#owners.get(slot) !== this.#number) slot = this.#cells.next(slot);
    return slot;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let cell = this.#used.from(0); cell >= 0; cell = this.#used.from(cell + 1)) {
      for (let slot = this.#cells.first(cell); slot >= 0; slot = this.#cells.next(slot)) {
        if (this.#owners.get(slot) === this.#number) yield slot;
      }
    }
  }
}

/** A bucket in which each slot has the same chance to come first. */
export class RandomBucket implements Bucket {
  readonly #packed: number[] = [];
  /** By slot: place in the packed list; shared by all buckets, because a slot is in one of them only. */
  readonly #places: SlotNumbers;

  constructor(places: SlotNumbers) {
    this.#places = places;
  }

  get size(): number {
    return this.#packed.length;
  }

  add(slot: number): void {
    this.#places.set(slot, this.#packed.length);
    this.#packed.push(slot);
  }

  delete(slot: number): void {
    const last = this.#packed.pop() as number;
    if (last === slot) return;
    const hole = this.#places.get(slot);
    this.#packed[hole] = last;
    this.#places.set(last, hole);
  }

  first(random: Random): number {
    return this.#packed[Math.floor(random() * this.#packed.length)] as number;
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#packed[Symbol.iterator]();
  }
}
