import type { Random } from '../core/clock.js';

/** Slots of the same key. Walking it gives them in the order in which they are to be chosen. */
export interface Bucket extends Iterable<number> {
  readonly size: number;
  add(slot: number): void;
  delete(slot: number): void;
  /** The one to choose; the bucket is not empty. */
  first(random: Random): number;
}

/**
 * Slots in buckets by a number, in ascending order. Of a pool that is used evenly nearly all proxies share a few
 * keys, so finding a bucket and making one cost next to nothing, however many proxies there are.
 */
export class BucketList {
  readonly #make: () => Bucket;
  /** Keys of the buckets, ascending; none of the buckets is empty. */
  readonly #keys: number[] = [];
  readonly #buckets: Bucket[] = [];
  /** Empty ones for the next key: at an even load, each start and each result empties a bucket and fills another. */
  readonly #spare: Bucket[] = [];
  /** By slot; NaN where it is in no bucket. */
  #keyOf: Float64Array = new Float64Array(64).fill(Number.NaN);

  constructor(make: () => Bucket) {
    this.#make = make;
  }

  /** The bucket with the smallest key; undefined when there is none. */
  get front(): Bucket | undefined {
    return this.#buckets[0];
  }

  /** The key that a slot is filed under; NaN when it is in no bucket. */
  keyOf(slot: number): number {
    return this.#keyOf[slot] ?? Number.NaN;
  }

  /** Files a slot under a key, or moves it there. */
  place(slot: number, key: number): void {
    if (slot >= this.#keyOf.length) this.#widen(slot + 1);
    const before = this.#keyOf[slot] as number;
    if (before === key) return;
    if (!Number.isNaN(before)) this.#take(slot, before);
    this.#keyOf[slot] = key;
    const at = this.#find(key);
    if (this.#keys[at] !== key) {
      this.#keys.splice(at, 0, key);
      this.#buckets.splice(at, 0, this.#spare.pop() ?? this.#make());
    }
    (this.#buckets[at] as Bucket).add(slot);
  }

  remove(slot: number): void {
    const key = this.keyOf(slot);
    if (Number.isNaN(key)) return;
    this.#take(slot, key);
    this.#keyOf[slot] = Number.NaN;
  }

  /** The buckets, smallest key first. */
  [Symbol.iterator](): Iterator<Bucket> {
    return this.#buckets[Symbol.iterator]();
  }

  #take(slot: number, key: number): void {
    const at = this.#find(key);
    const bucket = this.#buckets[at] as Bucket;
    bucket.delete(slot);
    if (bucket.size > 0) return;
    this.#keys.splice(at, 1);
    this.#buckets.splice(at, 1);
    if (this.#spare.length < MAX_SPARE) this.#spare.push(bucket);
  }

  /** Index of the first key that is not smaller. */
  #find(key: number): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #widen(needed: number): void {
    const wider = new Float64Array(Math.max(needed, this.#keyOf.length * 2)).fill(Number.NaN);
    wider.set(this.#keyOf);
    this.#keyOf = wider;
  }
}

/** Enough for the buckets that come and go at an even load; one can hold a bit for each proxy of the pool. */
const MAX_SPARE = 16;
