/**
 * A set of integers below a fixed capacity that knows its smallest member at or above a number, in
 * O(log32 capacity): a bit for each, and above that a bit for each word that is not zero, up to a single word.
 */
export class BitLadder {
  readonly #levels: Int32Array[] = [];

  constructor(capacity: number) {
    let words = capacity;
    do {
      words = Math.ceil(words / 32);
      this.#levels.push(new Int32Array(words));
    } while (words > 1);
  }

  add(index: number): void {
    let at = index;
    for (const level of this.#levels) {
      const word = at >>> 5;
      const before = level[word] as number;
      level[word] = before | (1 << (at & 31));
      if (before !== 0) return;
      at = word;
    }
  }

  delete(index: number): void {
    let at = index;
    for (const level of this.#levels) {
      const word = at >>> 5;
      const after = (level[word] as number) & ~(1 << (at & 31));
      level[word] = after;
      if (after !== 0) return;
      at = word;
    }
  }

  /** The smallest member that is `start` or more; -1 when there is none. */
  from(start: number): number {
    let at = start;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const level = this.#levels[depth] as Int32Array;
      const word = at >>> 5;
      if (word >= level.length) return -1;
      const rest = (level[word] as number) & (-1 << (at & 31));
      if (rest !== 0) return this.#descend(depth, (word << 5) + lowestBit(rest));
      at = word + 1;
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
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
