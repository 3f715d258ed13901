import type { Candidate } from './strategy.js';

/**
 * Candidates in no order, packed, found by slot: add, delete and the n-th one in O(1). A slot that was given to another
 * proxy is not mistaken for the old one.
 */
export class CandidateList {
  readonly #packed: Candidate[] = [];
  /** By slot: place in the packed list. */
  #places: Int32Array = new Int32Array(16);

  get size(): number {
    return this.#packed.length;
  }

  /** The i-th one, 0 <= i < size. */
  at(index: number): Candidate | undefined {
    return this.#packed[index];
  }

  /** The one that holds a slot. */
  bySlot(slot: number): Candidate | undefined {
    // Mostly empty in a pool that is known: one look into memory less.
    if (this.#packed.length === 0) return undefined;
    const found = this.#packed[this.#places[slot] ?? 0];
    return found?.slot === slot ? found : undefined;
  }

  has(candidate: Candidate): boolean {
    return this.bySlot(candidate.slot) === candidate;
  }

  /** Takes the place of whoever held the slot. */
  add(candidate: Candidate): void {
    const { slot } = candidate;
    if (this.bySlot(slot) !== undefined) {
      this.#packed[this.#places[slot] as number] = candidate;
      return;
    }
    if (slot >= this.#places.length) {
      const wider = new Int32Array(Math.max(slot + 1, this.#places.length * 2));
      wider.set(this.#places);
      this.#places = wider;
    }
    this.#places[slot] = this.#packed.length;
    this.#packed.push(candidate);
  }

  /** False when this very candidate is not in the list. */
  delete(candidate: Candidate): boolean {
    if (!this.has(candidate)) return false;
    const last = this.#packed.pop();
    if (last !== undefined && last !== candidate) {
      const hole = this.#places[candidate.slot] as number;
      this.#packed[hole] = last;
      this.#places[last.slot] = hole;
    }
    return true;
  }

  clear(): void {
    this.#packed.length = 0;
  }
}
