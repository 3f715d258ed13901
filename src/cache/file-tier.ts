import { appendFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheCorruptionError, CacheKeyError, CacheStorageError, ProxyWhirlError } from '../errors.js';
import { type KeyRing, NO_KEY } from './crypto.js';
import { type CacheEntry, clampTimes, isLive } from './entry.js';
import { FileLock, type HeldLock } from './file-lock.js';
import { makePrivateDirectory } from './private-directory.js';
import { rowAt, type StoredRow, supersedes } from './row-seal.js';
import { ShardLog } from './shard-log.js';
import { RowCodec } from './stored-row.js';
import {
  type CacheTier,
  type EvictionCause,
  TierCounts,
  type TierFigures,
  type TierOptions,
  type TierReport,
} from './tier.js';

export interface FileTierOptions extends TierOptions {
  /** The directory of the tier; made when it is not there. */
  readonly path: string;
  /** Null: credentials are not persisted. */
  readonly ring: KeyRing | null;
  /** A process that holds the lock and gave no sign of life for so many ms is taken for dead. */
  readonly staleMs: number;
  /** How long a call waits for other processes, in ms. */
  readonly busyTimeoutMs: number;
  readonly report: TierReport;
}

const SHARDS = 8;
/** What is set aside is for a human to look at; more than this is not kept, in bytes. */
const MAX_REJECTED_BYTES = 1_048_576;

/** Calls that are answered before the event loop gets a turn. */
const STEPS_PER_TURN = 128;

type Lines = Map<ShardLog, string[]>;

/** One call, in the order of the calls. One that only reads needs no lock. */
interface Step {
  readonly writes: boolean;
  /** The only key it reads; null when it reads all. */
  readonly key: string | null;
  readonly run: (lines: Lines) => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * L2: logs of JSON lines in a directory, shared by several processes under one lock. Each process replays them
 * into memory. Calls that wait for the lock are written together.
 */
export class FileTier implements CacheTier {
  readonly name = 'file';
  readonly persistent = true;
  readonly #options: FileTierOptions;
  readonly #codec: RowCodec;
  readonly #lock: FileLock;
  readonly #shards: readonly ShardLog[];
  readonly #counts = new TierCounts();
  readonly #reportedKeys = new Set<string>();
  #steps: Step[] = [];
  #running: Promise<void> | null = null;
  #prepared = false;
  #closed = false;

  constructor(options: FileTierOptions) {
    const { path, ring, staleMs, busyTimeoutMs } = options;
    this.#options = options;
    this.#codec = new RowCodec(this.name, ring);
    this.#lock = new FileLock(join(path, 'lock'), { staleMs, waitMs: busyTimeoutMs });
    this.#shards = Array.from(
      { length: SHARDS },
      (_, i) => new ShardLog(join(path, 'shards'), i, this.#codec),
    );
  }

  async get(key: string): Promise<CacheEntry | null> {
    const shard = this.#shardOf(key);
    const atOnce = this.#running === null && !this.#closed && isCurrent(shard);
    const row = atOnce ? shard.rows.get(key) : await this.#step(false, () => shard.rows.get(key), key);
    return this.#found(row);
  }

  async getMany(keys: readonly string[]): Promise<CacheEntry[]> {
    const rows = await this.#step(false, () => keys.map((key) => this.#shardOf(key).rows.get(key)));
    return rows.map((row) => this.#found(row)).filter((entry) => entry !== null);
  }

  #found(row: StoredRow | undefined): CacheEntry | null {
    const entry = row === undefined ? null : this.#read(row);
    return this.#counts.read(entry !== null && isLive(entry, this.#options.now()) ? entry : null);
  }

  async put(entries: readonly CacheEntry[]): Promise<void> {
    const now = this.#options.now();
    const rows = entries.map((entry) => this.#codec.encode(clampTimes(entry, now)));
    await this.#step(true, (lines) => {
      for (const row of rows) {
        const shard = this.#shardOf(String(row[rowAt.key]));
        const held = shard.rows.get(String(row[rowAt.key]));
        if (held === undefined || supersedes(row, held, this.#codec.keyIds, now))
          add(lines, shard, shard.put(row));
      }
      this.#evict(lines);
    });
  }

  async delete(keys: readonly string[], cause?: EvictionCause): Promise<number> {
    const deleted = await this.#step(true, (lines) => this.#deleteRows(lines, keys));
    if (cause !== undefined) this.#counts.evictions[cause] += deleted;
    return deleted;
  }

  async clear(): Promise<void> {
    await this.#step(true, (lines) => this.#deleteRows(lines, this.#ours().map(keyOf)));
  }

  async sweep(): Promise<number> {
    const swept = await this.#step(true, (lines) => {
      const now = this.#options.now();
      const expired = this.#ours().filter((row) => Number(row[rowAt.expires_at]) <= now);
      return this.#deleteRows(lines, expired.map(keyOf));
    });
    this.#counts.evictions.ttl += swept;
    return swept;
  }

  async *entries(): AsyncIterable<CacheEntry> {
    const rows = await this.#step(false, () => this.#shards.flatMap((shard) => [...shard.rows.values()]));
    for (const row of rows) {
      const entry = this.#read(row);
      if (entry !== null && isLive(entry, this.#options.now())) yield entry;
    }
  }

  figures(): TierFigures {
    return this.#counts.figures(this.#shards.reduce((sum, { rows }) => sum + rows.size, 0));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #shardOf(key: string): ShardLog {
    // The id of a proxy ends in hex digits of a hash: they spread evenly. What does not is damaged, and in any.
    return this.#shards[(Number.parseInt(key.slice(-1), 16) || 0) % SHARDS] as ShardLog;
  }

  #ours(): StoredRow[] {
    const { keyIds } = this.#codec;
    return this.#shards.flatMap(({ rows }) =>
      [...rows.values()].filter((row) => keyIds.includes(String(row[rowAt.key_id]))),
    );
  }

  #deleteRows(lines: Lines, keys: readonly string[]): number {
    let deleted = 0;
    for (const key of keys) {
      const shard = this.#shardOf(key);
      const held = shard.rows.get(key);
      if (held === undefined || !this.#codec.keyIds.includes(String(held[rowAt.key_id]))) continue;
      add(lines, shard, shard.delete(key));
      deleted += 1;
    }
    return deleted;
  }

  #evict(lines: Lines): void {
    const { maxEntries } = this.#options;
    const surplus = maxEntries === null ? 0 : this.figures().size - maxEntries;
    if (surplus <= 0) return;
    const oldest = leastRecentlyUsed(this.#ours(), surplus);
    this.#counts.evictions.lru += this.#deleteRows(lines, oldest.map(keyOf));
  }

  #read(row: StoredRow): CacheEntry | null {
    try {
      return this.#codec.decode(row);
    } catch (error) {
      if (error instanceof CacheKeyError) {
        this.#counts.locked += 1;
        const keyId = String(error.data.keyId ?? NO_KEY);
        if (!this.#reportedKeys.has(keyId)) this.#options.report(error);
        this.#reportedKeys.add(keyId);
        return null;
      }
      if (!(error instanceof CacheCorruptionError)) throw error;
      this.#damaged(1, 'a record');
      return null;
    }
  }

  #damaged(count: number, what: string): void {
    if (count === 0) return;
    this.#counts.evictions.corruption += count;
    this.#options.report(new CacheCorruptionError(this.name, what));
  }

  #step<T>(writes: boolean, run: (lines: Lines) => T, key: string | null = null): Promise<T> {
    if (this.#closed) return Promise.reject(new CacheStorageError(this.name, 'it was closed'));
    return new Promise<T>((resolve, reject) => {
      this.#steps.push({ writes, key, run, resolve, reject });
      this.#running ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    while (this.#steps.length > 0) {
      const steps = this.#steps;
      this.#steps = [];
      try {
        const results = await this.#together(steps);
        for (const [i, { resolve }] of steps.entries()) {
          resolve(results[i] as never);
          // Whoever waited for a record opens it now, which takes 20 us each.
          if (i % STEPS_PER_TURN === STEPS_PER_TURN - 1) await new Promise<void>((go) => setImmediate(go));
        }
      } catch (error) {
        // What is in memory may be more than what was written.
        for (const shard of this.#shards) shard.forget();
        const failure =
          error instanceof ProxyWhirlError
            ? error
            : new CacheStorageError(this.name, 'its files cannot be read or written', { cause: error });
        for (const { reject } of steps) reject(failure);
      }
    }
    this.#running = null;
  }

  async #together(steps: readonly Step[]): Promise<unknown[]> {
    if (!this.#prepared) {
      await makePrivateDirectory(this.name, this.#options.path);
      for (const part of ['lock', 'shards'])
        await makePrivateDirectory(this.name, join(this.#options.path, part));
      this.#prepared = true;
    }
    if (!steps.some(({ writes }) => writes)) {
      const wanted = new Set(steps.flatMap(({ key }) => (key === null ? this.#shards : this.#shardOf(key))));
      for (const shard of wanted) this.#damaged(await shard.refresh(), 'lines of a log');
      if (!this.#shards.some(({ isDamaged }) => isDamaged)) return steps.map(({ run }) => run(new Map()));
    }
    for (;;) {
      const lock = await this.#lock.acquire();
      try {
        const results = await this.#underLock(lock, steps);
        // Another one has taken over meanwhile: what was appended may be lost with an old log, so do it again.
        if (await lock.isOurs()) return results;
      } catch (error) {
        // Its files go away under a holder that was taken for dead.
        if (await lock.isOurs()) throw error;
      } finally {
        await lock.release();
      }
      for (const shard of this.#shards) shard.forget();
    }
  }

  async #underLock(lock: HeldLock, steps: readonly Step[]): Promise<unknown[]> {
    for (const shard of this.#shards) {
      const { damaged, tail } = await shard.prepare(lock.token, lock.stolen);
      this.#damaged(damaged, 'lines of a log');
      if (tail === null) continue;
      await this.#reject([tail.toString('utf8')]);
      this.#damaged(1, 'a line that was not written to its end');
    }
    const lines: Lines = new Map();
    const results = steps.map(({ run }) => run(lines));
    for (const [shard, added] of lines) await shard.append(added);
    for (const shard of this.#shards) {
      if (shard.isDue(lock.token) && (await lock.isOurs()))
        await this.#reject(await shard.compact(lock.token));
    }
    return results;
  }

  /** Keeps what was set aside. */
  async #reject(damaged: readonly (string | null)[]): Promise<void> {
    const path = join(this.#options.path, '.rejected');
    const { size } = await stat(path).catch(() => ({ size: 0 }));
    const text = damaged.map((line) => `${line ?? '(a line that was too long)'}\n`).join('');
    if (text.length > 0 && size + text.length <= MAX_REJECTED_BYTES)
      await appendFile(path, text, { mode: 0o600 });
  }
}

/** An error of the disk is that of the call that reads it anew. */
function isCurrent(shard: ShardLog): boolean {
  try {
    return shard.isCurrent();
  } catch {
    return false;
  }
}

/** The `count` rows that were used longest ago. Numbers sort many times faster than rows. */
function leastRecentlyUsed(rows: readonly StoredRow[], count: number): StoredRow[] {
  const last = Float64Array.from(rows, (row) => Number(row[rowAt.last_accessed_at])).sort()[count - 1];
  if (last === undefined) return [...rows];
  const earlier = rows.filter((row) => Number(row[rowAt.last_accessed_at]) < last);
  const same = rows.filter((row) => Number(row[rowAt.last_accessed_at]) === last);
  return [...earlier, ...same.slice(0, count - earlier.length)];
}

function keyOf(row: StoredRow): string {
  return String(row[rowAt.key]);
}

function add(lines: Lines, shard: ShardLog, line: string): void {
  const known = lines.get(shard);
  if (known === undefined) lines.set(shard, [line]);
  else known.push(line);
}
