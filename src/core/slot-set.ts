/**
 * Where each slot sits in the dense list of the set it is in. Sets of which no two hold the same slot can share one:
 * an index by country then costs one number per proxy, not one per proxy and country.
 */
export class Positions {
  #of: Int32Array = new Int32Array(64);

  get(slot: number): number {
    return this.#of[slot] ?? 0;
  }

  set(slot: number, position: number): void {
    if (slot >= this.#of.length) this.#of = widen(this.#of, slot + 1);
    this.#of[slot] = position;
  }
}

/**
 * A set of small integers ("slots") with O(1) add, delete and n-th member, and the next member in circular order
 * in O(log32 n). Random choice needs the dense list, round-robin the order; both at a million members without a
 * scan, whatever share of the slots is missing.
 */
export class SlotSet {
  /** Members in no order, packed: swap-remove keeps it dense. */
  #dense: Int32Array = new Int32Array(16);
  #size = 0;
  /** levels[0] has a bit per slot, levels[k] a bit per non-zero word of levels[k - 1]; the last has one word. */
  #levels: Int32Array[] = [new Int32Array(1)];
  readonly #positions: Positions;

  constructor(positions: Positions = new Positions()) {
    this.#positions = positions;
  }

  get size(): number {
    return this.#size;
  }

  has(slot: number): boolean {
    const position = this.#positions.get(slot);
    return position < this.#size && this.#dense[position] === slot;
  }

  /** The i-th member, 0 <= i < size, in no meaningful order. */
  at(index: number): number {
    return this.#dense[index] as number;
  }

  add(slot: number): boolean {
    if (this.has(slot)) return false;
    if (this.#size === this.#dense.length) this.#dense = widen(this.#dense, this.#size + 1);
    this.#positions.set(slot, this.#size);
    this.#dense[this.#size++] = slot;
    if (slot >>> 5 >= (this.#levels[0] as Int32Array).length) this.#raise(slot + 1);
    let index = slot;
    for (const level of this.#levels) {
      const word = index >>> 5;
      const before = level[word] as number;
      level[word] = before | (1 << (index & 31));
      if (before !== 0) break;
      index = word;
    }
    return true;
  }

  delete(slot: number): boolean {
    if (!this.has(slot)) return false;
    const hole = this.#positions.get(slot);
    const last = this.#dense[--this.#size] as number;
    this.#dense[hole] = last;
    this.#positions.set(last, hole);
    let index = slot;
    for (const level of this.#levels) {
      const word = index >>> 5;
      const after = (level[word] as number) & ~(1 << (index & 31));
      level[word] = after;
      if (after !== 0) break;
      index = word;
    }
    return true;
  }

  /** The first member after `slot` in ascending order, wrapping around; -1 when the set is empty. */
  after(slot: number): number {
    if (this.#size === 0) return -1;
    // Mostly it is in the same word, or in the next one.
    const words = this.#levels[0] as Int32Array;
    const word = (slot + 1) >>> 5;
    const rest = word < words.length ? (words[word] as number) & (-1 << ((slot + 1) & 31)) : 0;
    if (rest !== 0) return (word << 5) + lowestBit(rest);
    const found = this.#from(slot + 1);
    return found >= 0 ? found : this.#from(0);
  }

  /** The smallest member >= start, or -1. */
  #from(start: number): number {
    let index = start;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const level = this.#levels[depth] as Int32Array;
      const word = index >>> 5;
      if (word >= level.length) return -1;
      const rest = (level[word] as number) & (-1 << (index & 31));
      if (rest !== 0) return this.#descend(depth, (word << 5) + lowestBit(rest));
      index = word + 1;
    }
    return -1;
  }

  #descend(depth: number, index: number): number {
    let at = index;
    for (let level = depth - 1; level >= 0; level--) {
      at = (at << 5) + lowestBit((this.#levels[level] as Int32Array)[at] as number);
    }
    return at;
  }

  /** Makes room for slots below `needed`. */
  #raise(needed: number): void {
    let words = (this.#levels[0] as Int32Array).length;
    while (words * 32 < needed) words *= 2;
    const levels: Int32Array[] = [];
    for (let depth = 0; ; depth++, words = Math.ceil(words / 32)) {
      const level = new Int32Array(words);
      const old = this.#levels[depth];
      if (old !== undefined) level.set(old);
      else summarize(levels[depth - 1] as Int32Array, level);
      levels.push(level);
      if (words === 1) break;
    }
    this.#levels = levels;
  }
}

/** A level that did not exist starts as what the one below says. */
function summarize(below: Int32Array, level: Int32Array): void {
  below.forEach((word, i) => {
    if (word !== 0) level[i >>> 5] = (level[i >>> 5] as number) | (1 << (i & 31));
  });
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** A copy at least `length` long; doubling, so that growing one by one stays cheap. */
function widen(array: Int32Array, length: number): Int32Array {
  const wider = new Int32Array(Math.max(length, array.length * 2));
  wider.set(array);
  return wider;
}
