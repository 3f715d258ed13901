import { statSync } from 'node:fs';
import { link, open, readdir, rename, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheCorruptionError, CacheKeyError } from '../errors.js';
import { keylessMac } from './crypto.js';
import { readLines } from './line-reader.js';
import { rowAt, type StoredRow, type StoredValue } from './row-seal.js';
import type { RowCodec } from './stored-row.js';

/** First value of a line that says that a key was deleted. */
const DELETED = '-';
/** Dead lines that a shard may have beside as many as it has live ones. */
const DEAD_LINES = 64;

/** What a new holder of the lock found: how many lines are damaged, and the end that was cut off. */
export interface Prepared {
  readonly damaged: number;
  readonly tail: Buffer | null;
}

/**
 * One shard: a log of whole lines, each a record or the deletion of one, replayed into memory. Lines are only
 * ever appended; a log with too many dead lines is replaced by a new generation.
 *
 * The generation of a log is the token of the lock under which it was made, and the highest one counts. Who
 * takes over a lock that was not given back raises the generation first, so a holder that comes late and
 * replaces a log can only make one that is already outdated.
 */
export class ShardLog {
  readonly #dir: string;
  readonly #name: string;
  readonly #codec: RowCodec;
  #rows = new Map<string, StoredRow>();
  #generation = 0;
  #offset = 0;
  #lines = 0;
  /** Damaged lines of this generation; null stands for one that is too long to be kept. */
  #damaged: (string | null)[] = [];

  constructor(dir: string, number: number, codec: RowCodec) {
    this.#dir = dir;
    this.#name = String(number).padStart(2, '0');
    this.#codec = codec;
  }

  /** Records by key, the one that was written longest ago first. */
  get rows(): ReadonlyMap<string, StoredRow> {
    return this.#rows;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether lines are damaged that were not set aside yet. */
  get isDamaged(): boolean {
    return this.#damaged.length > 0;
  }

  /**
   * Whether all that is in the log was read, and nothing of it is damaged. It asks the disk at once: that takes
   * 2 us, the way over the thread pool 30 us and, when the machine is busy, 2 ms.
   */
  isCurrent(): boolean {
    if (this.#generation === 0 || this.isDamaged) return false;
    return statSync(this.#path(this.#generation), { throwIfNoEntry: false })?.size === this.#offset;
  }

  /** Forgets what was read: the next refresh starts anew. */
  forget(): void {
    this.#rows = new Map();
    this.#generation = 0;
    this.#offset = 0;
    this.#lines = 0;
    this.#damaged = [];
  }

  /** Takes in what was appended, by this process or another one. Returns how many lines turned out to be damaged. */
  async refresh(): Promise<number> {
    for (;;) {
      if (this.#generation === 0) {
        const newest = (await this.#generations()).at(-1);
        if (newest === undefined) return 0;
        this.#generation = newest;
      }
      const path = this.#path(this.#generation);
      // Most of the time nothing was appended, and this is all.
      if ((await stat(path).catch(absent))?.size === this.#offset) return 0;
      const file = await open(path, 'r').catch(absent);
      if (file === null) {
        // Another process has replaced the log.
        this.forget();
        continue;
      }
      try {
        const { lines, offset } = await readLines(file, this.#offset);
        this.#offset = offset;
        return lines.filter((line) => !this.#replay(line)).length;
      } finally {
        await file.close();
      }
    }
  }

  /** First step of a holder of the lock: one current log, whole lines only. */
  async prepare(token: number, stolen: boolean): Promise<Prepared> {
    const generations = await this.#generations();
    const newest = generations.at(-1);
    const raise = stolen && newest !== undefined && newest < token;
    if (newest === undefined) {
      await (await open(this.#path(token), 'a', 0o600)).close();
    } else if (raise) {
      await link(this.#path(newest), this.#path(token));
    }
    const current = raise ? token : (newest ?? token);
    for (const old of generations) if (old < current) await unlink(this.#path(old)).catch(absent);
    if (this.#generation !== current) this.forget();
    return { damaged: await this.refresh(), tail: await this.#cutTail() };
  }

  async append(lines: readonly string[]): Promise<void> {
    const file = await open(this.#path(this.#generation), 'a', 0o600);
    try {
      const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const { bytesWritten } = await file.write(text);
      if (bytesWritten < text.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      this.#offset += text.length;
    } finally {
      await file.close();
    }
  }

  /** Takes the row in, and gives the line to append. */
  put(row: StoredRow): string {
    const key = String(row[rowAt.key]);
    this.#rows.delete(key);
    this.#rows.set(key, row);
    this.#lines += 1;
    return JSON.stringify(row);
  }

  /** Takes the row out, and gives the line to append. */
  delete(key: string): string {
    this.#rows.delete(key);
    this.#lines += 1;
    return JSON.stringify([DELETED, key, deletionMac(key)]);
  }

  /** Whether a new generation is due. Each holder makes at most one: its token is the name. */
  isDue(token: number): boolean {
    return this.#generation < token && (this.isDamaged || this.#lines > 2 * this.#rows.size + DEAD_LINES);
  }

  /** Writes the live lines into a new generation. Returns the damaged lines that it left out. */
  async compact(token: number): Promise<(string | null)[]> {
    const temporary = join(this.#dir, `${this.#name}.${token}.tmp`);
    const file = await open(temporary, 'w', 0o600);
    let size = 0;
    try {
      const text = Buffer.from([...this.#rows.values()].map((row) => `${JSON.stringify(row)}\n`).join(''));
      await file.writeFile(text);
      await file.sync();
      size = text.length;
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path(token));
    await unlink(this.#path(this.#generation)).catch(absent);
    const damaged = this.#damaged;
    this.#generation = token;
    this.#offset = size;
    this.#lines = this.#rows.size;
    this.#damaged = [];
    return damaged;
  }

  async #cutTail(): Promise<Buffer | null> {
    const path = this.#path(this.#generation);
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size <= this.#offset) return null;
      // Enough to see what it was; a whole line is never longer.
      const tail = Buffer.alloc(Math.min(size - this.#offset, 65_536));
      await file.read(tail, 0, tail.length, this.#offset);
      await truncate(path, this.#offset);
      return tail;
    } finally {
      await file.close();
    }
  }

  /** False when the line is damaged. */
  #replay(line: string | null): boolean {
    this.#lines += 1;
    const row = line === null ? null : parsed(line);
    if (row !== null && row[0] === DELETED && row[2] === deletionMac(String(row[1]))) {
      this.#rows.delete(String(row[1]));
      return true;
    }
    if (row !== null && row[0] !== DELETED && this.#isSound(row)) {
      const key = String(row[rowAt.key]);
      this.#rows.delete(key);
      this.#rows.set(key, row);
      return true;
    }
    this.#damaged.push(line);
    return false;
  }

  #isSound(row: StoredRow): boolean {
    try {
      this.#codec.verify(row);
      return true;
    } catch (error) {
      // Kept as it is: whoever has its key can check it.
      if (error instanceof CacheKeyError) return true;
      if (error instanceof CacheCorruptionError) return false;
      throw error;
    }
  }

  async #generations(): Promise<number[]> {
    const pattern = new RegExp(`^${this.#name}\\.(\\d{12})\\.jsonl$`);
    return (await readdir(this.#dir))
      .flatMap((name) => pattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  #path(generation: number): string {
    return join(this.#dir, `${this.#name}.${String(generation).padStart(12, '0')}.jsonl`);
  }
}

function parsed(line: string): StoredRow | null {
  try {
    const row: unknown = JSON.parse(line);
    return Array.isArray(row) && row.every(isStoredValue) ? row : null;
  } catch {
    return null;
  }
}

function isStoredValue(value: unknown): value is StoredValue {
  return value === null || typeof value === 'string' || typeof value === 'number';
}

function deletionMac(key: string): string {
  return keylessMac(`deleted:${key}`);
}

function absent(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
