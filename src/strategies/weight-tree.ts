/**
 * Weights by slot: change one and draw one in proportion, both O(log n).
 *
 * A complete binary tree of sums. A Fenwick tree needs half the memory, but it adds differences, which drift away from
 * the truth with each update; here a sum is always made anew of its two halves, so it is off by at most the rounding
 * of log2(n) additions, for ever, and it is 0 exactly when all below are.
 */
export class WeightTree {
  /** Power of two. */
  #capacity = 16;
  /** Node 1 is the root, 2i and 2i + 1 are below i, the leaf of a slot is capacity + slot. */
  #sums: Float64Array = new Float64Array(32);
  /** Only the leaves are true: filling a tree costs O(n), not O(n log n). */
  #stale = false;

  /** Sum of all weights. */
  get total(): number {
    if (this.#stale) this.#sumUp();
    return this.#sums[1] as number;
  }

  /** The weight of a slot, 0 when none was set. */
  at(slot: number): number {
    return slot < this.#capacity ? (this.#sums[this.#capacity + slot] as number) : 0;
  }

  /** @param weight finite and not negative */
  set(slot: number, weight: number): void {
    if (this.at(slot) === weight) return;
    if (slot >= this.#capacity) this.#grow(slot + 1);
    const sums = this.#sums;
    let node = this.#capacity + slot;
    sums[node] = weight;
    if (this.#stale) return;
    while (node > 1) {
      node >>>= 1;
      sums[node] = (sums[2 * node] as number) + (sums[2 * node + 1] as number);
    }
  }

  /** Sets all weights to 0; what is set from here on is summed up at the next draw. */
  clear(): void {
    this.#sums.fill(0);
    this.#stale = true;
  }

  /**
   * The slot under the point `r` of the weights laid end to end, 0 <= r < total. Never one without weight, whatever
   * rounding did to `r`; -1 when all are 0.
   */
  pick(r: number): number {
    if (!(this.total > 0)) return -1;
    const sums = this.#sums;
    let rest = r;
    let node = 1;
    // Arithmetic instead of a branch, which the processor would guess wrong at every other level: twice as fast.
    while (node < this.#capacity) {
      node *= 2;
      const left = sums[node] as number;
      const right = Number(rest >= left);
      rest -= left * right;
      node += right;
    }
    const slot = node - this.#capacity;
    return (sums[node] as number) > 0 ? slot : this.#lastWeighted(slot);
  }

  /** The last slot with weight that is not above `slot`: where rounding pushed `r` past the end of all weights. */
  #lastWeighted(slot: number): number {
    let last = slot;
    while (last >= 0 && this.at(last) === 0) last -= 1;
    return last;
  }

  #grow(needed: number): void {
    const leaves = this.#sums.subarray(this.#capacity);
    while (this.#capacity < needed) this.#capacity *= 2;
    this.#sums = new Float64Array(2 * this.#capacity);
    this.#sums.set(leaves, this.#capacity);
    this.#stale = true;
  }

  #sumUp(): void {
    const sums = this.#sums;
    for (let node = this.#capacity - 1; node > 0; node--) {
      sums[node] = (sums[2 * node] as number) + (sums[2 * node + 1] as number);
    }
    this.#stale = false;
  }
}
