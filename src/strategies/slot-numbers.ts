/** An integer per slot; grows as needed. A plain array that starts with a high slot would become a hash table. */
export class SlotNumbers {
  #of: Int32Array = new Int32Array(64);

  /** 0 for a slot that was never set. */
  get(slot: number): number {
    return this.#of[slot] ?? 0;
  }

  set(slot: number, value: number): void {
    if (slot >= this.#of.length) {
      const wider = new Int32Array(Math.max(slot + 1, this.#of.length * 2));
      wider.set(this.#of);
      this.#of = wider;
    }
    this.#of[slot] = value;
  }
}
