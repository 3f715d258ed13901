/** Room for the first sessions; it doubles when it is used up, so that an engine without sessions has next to none. */
const FIRST_CAPACITY = 16;

/** Index of the entry that joins both ends of the list: behind it is the oldest, before it the newest. */
const ENDS = 0;

/**
 * A bounded map from session id to a row of figures, in the order of last use. The figures are columns, not objects:
 * a session costs 53 bytes here, 30 to 60 in the map of ids and the text of its id, where an object with two times
 * in a map that keeps the order itself costs over 200. Nothing is reserved before it is needed.
 */
export class SessionTable {
  readonly #max: number;
  readonly #rowOf = new Map<string, number>();
  /** Next newer row; of a free row, the next free one. */
  #newer: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Next older row. */
  #older: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** First row that is free again, 0 when there is none. */
  #free = 0;
  /** Rows that were ever in use, the one that joins the ends included. */
  #used = 1;
  readonly #ids: string[] = [''];
  readonly #proxyIds: string[] = [''];
  #createdAt: Float64Array = new Float64Array(FIRST_CAPACITY);
  #lastUsedAt: Float64Array = new Float64Array(FIRST_CAPACITY);
  #requestCount: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #bytes: Float64Array = new Float64Array(FIRST_CAPACITY);
  #leaving: Uint8Array = new Uint8Array(FIRST_CAPACITY);

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#rowOf.size;
  }

  /** The row of a session, 0 when there is none. A row stays the same until its session is deleted. */
  find(id: string): number {
    return this.#rowOf.get(id) ?? 0;
  }

  /** The row that was used least recently, 0 when there is none. */
  get oldest(): number {
    return this.#newer[ENDS] as number;
  }

  /** The row that was used next after this one, 0 after the newest. */
  newerThan(row: number): number {
    return this.#newer[row] as number;
  }

  id(row: number): string {
    return this.#ids[row] as string;
  }

  proxyId(row: number): string {
    return this.#proxyIds[row] as string;
  }

  createdAt(row: number): number {
    return this.#createdAt[row] as number;
  }

  lastUsedAt(row: number): number {
    return this.#lastUsedAt[row] as number;
  }

  requestCount(row: number): number {
    return this.#requestCount[row] as number;
  }

  bytes(row: number): number {
    return this.#bytes[row] as number;
  }

  addBytes(row: number, bytes: number): void {
    this.#bytes[row] = this.bytes(row) + bytes;
  }

  isLeaving(row: number): boolean {
    return this.#leaving[row] === 1;
  }

  leave(row: number): void {
    this.#leaving[row] = 1;
  }

  /** Adds a session that is not there, as the newest; at the bound, the oldest makes way. Returns its row. */
  insert(id: string, proxyId: string, createdAt: number, lastUsedAt: number, requestCount: number): number {
    if (this.size >= this.#max) this.delete(this.oldest);
    const row = this.#takeRow();
    this.#rowOf.set(id, row);
    this.#ids[row] = id;
    this.#proxyIds[row] = proxyId;
    this.#createdAt[row] = createdAt;
    this.#lastUsedAt[row] = lastUsedAt;
    this.#requestCount[row] = requestCount;
    this.#bytes[row] = 0;
    this.#leaving[row] = 0;
    this.#append(row);
    return row;
  }

  /** Counts one use, on this proxy. */
  use(row: number, proxyId: string, now: number): void {
    this.#proxyIds[row] = proxyId;
    this.#leaving[row] = 0;
    this.#lastUsedAt[row] = now;
    this.#requestCount[row] = (this.#requestCount[row] as number) + 1;
    if (this.#older[ENDS] === row) return;
    this.#unlink(row);
    this.#append(row);
  }

  delete(row: number): void {
    this.#rowOf.delete(this.id(row));
    this.#unlink(row);
    this.#ids[row] = '';
    this.#proxyIds[row] = '';
    this.#newer[row] = this.#free;
    this.#free = row;
  }

  #append(row: number): void {
    const newest = this.#older[ENDS] as number;
    this.#newer[newest] = row;
    this.#older[row] = newest;
    this.#newer[row] = ENDS;
    this.#older[ENDS] = row;
  }

  #unlink(row: number): void {
    const older = this.#older[row] as number;
    const newer = this.#newer[row] as number;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  #takeRow(): number {
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.#newer[free] as number;
      return free;
    }
    if (this.#used === this.#newer.length) this.#widen(Math.min(this.#used * 2, this.#max + 1));
    return this.#used++;
  }

  #widen(capacity: number): void {
    this.#newer = widened(this.#newer, new Int32Array(capacity));
    this.#older = widened(this.#older, new Int32Array(capacity));
    this.#createdAt = widened(this.#createdAt, new Float64Array(capacity));
    this.#lastUsedAt = widened(this.#lastUsedAt, new Float64Array(capacity));
    this.#requestCount = widened(this.#requestCount, new Uint32Array(capacity));
    this.#bytes = widened(this.#bytes, new Float64Array(capacity));
    this.#leaving = widened(this.#leaving, new Uint8Array(capacity));
  }
}

function widened<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
