const MINUTE_MS = 60_000;

/** Windows that share one array. */
const PER_CHUNK = 32;

/** Places of a window before its minutes: the newest minute that it knows, and the sum of all. */
const NEWEST = 0;
const TOTAL = 1;
const HEAD = 2;

/**
 * Sliding windows of counts in one-minute buckets, pruned when touched: never a tumbling reset, and at most
 * window / 60 + 1 numbers for each. Many share an array, because a typed array for each of 10,000 proxies costs as
 * much again in headers, and a collector's look at each of them.
 */
export class MinuteWindows {
  readonly #minutes: number;
  readonly #chunks: Uint32Array[] = [];
  readonly #free: number[] = [];
  #taken = 0;

  constructor(windowSeconds: number) {
    this.#minutes = Math.ceil(windowSeconds / 60) + 1;
  }

  /** The number of an empty window, to be given back. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#taken % PER_CHUNK === 0) this.#chunks.push(new Uint32Array(PER_CHUNK * (HEAD + this.#minutes)));
    return this.#taken++;
  }

  give(window: number): void {
    const start = this.#start(window);
    this.#chunk(window).fill(0, start, start + HEAD + this.#minutes);
    this.#free.push(window);
  }

  add(window: number, now: number): void {
    const chunk = this.#chunk(window);
    const start = this.#start(window);
    this.#slide(chunk, start, now);
    const at = start + HEAD + ((chunk[start + NEWEST] as number) % this.#minutes);
    chunk[at] = (chunk[at] as number) + 1;
    chunk[start + TOTAL] = (chunk[start + TOTAL] as number) + 1;
  }

  count(window: number, now: number): number {
    const chunk = this.#chunk(window);
    const start = this.#start(window);
    this.#slide(chunk, start, now);
    return chunk[start + TOTAL] as number;
  }

  /** Counts per minute, the newest first, without the empty end. */
  counts(window: number, now: number): number[] {
    const chunk = this.#chunk(window);
    const start = this.#start(window);
    this.#slide(chunk, start, now);
    const newest = chunk[start + NEWEST] as number;
    const counts = Array.from(
      { length: this.#minutes },
      (_, ago) => chunk[start + this.#place(newest - ago)] as number,
    );
    return counts.slice(0, counts.findLastIndex((count) => count > 0) + 1);
  }

  /** Fills an empty window with counts per minute, the newest first, that were taken `elapsedMs` ago. */
  restore(window: number, counts: readonly number[], elapsedMs: number, now: number): void {
    const chunk = this.#chunk(window);
    const start = this.#start(window);
    this.#slide(chunk, start, now);
    const newest = chunk[start + NEWEST] as number;
    const gone = Math.round(elapsedMs / MINUTE_MS);
    counts.slice(0, Math.max(0, this.#minutes - gone)).forEach((count, ago) => {
      chunk[start + this.#place(newest - ago - gone)] = count;
      chunk[start + TOTAL] = (chunk[start + TOTAL] as number) + count;
    });
  }

  #slide(chunk: Uint32Array, start: number, now: number): void {
    const minute = Math.floor(now / MINUTE_MS);
    const newest = chunk[start + NEWEST] as number;
    if (minute <= newest) return;
    const steps = Math.min(minute - newest, this.#minutes);
    for (let step = 0; step < steps && chunk[start + TOTAL] !== 0; step++) {
      const at = start + this.#place(minute - step);
      chunk[start + TOTAL] = (chunk[start + TOTAL] as number) - (chunk[at] as number);
      chunk[at] = 0;
    }
    chunk[start + NEWEST] = minute;
  }

  /** Where a minute is counted; it may lie before the clock's zero. */
  #place(minute: number): number {
    return HEAD + (((minute % this.#minutes) + this.#minutes) % this.#minutes);
  }

  #chunk(window: number): Uint32Array {
    return this.#chunks[Math.floor(window / PER_CHUNK)] as Uint32Array;
  }

  #start(window: number): number {
    return (window % PER_CHUNK) * (HEAD + this.#minutes);
  }
}
