import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { CacheCorruptionError, CacheKeyError, CacheStorageError } from '../errors.js';
import { countSeals, type KeyRing, keysOf } from './crypto.js';
import { type CacheEntry, clampTimes, isLive } from './entry.js';
import { makePrivateDirectory, makePrivateFile } from './private-directory.js';
import { currentFile } from './sqlite-files.js';
import { SqliteReader } from './sqlite-reader.js';
import type { PlacedRow } from './sqlite-store.js';
import { startSqliteThread } from './sqlite-thread.js';
import type { SqliteReply, SqliteRequest } from './sqlite-worker.js';
import { RowCodec } from './stored-row.js';
import {
  type CacheTier,
  type EvictionCause,
  TierCounts,
  type TierFigures,
  type TierOptions,
  type TierReport,
} from './tier.js';

export interface SqliteTierOptions extends TierOptions {
  /** The database file; its directory is made when it is not there. */
  readonly path: string;
  /** Null: credentials are not persisted. */
  readonly ring: KeyRing | null;
  /** How long a call waits for another process that writes, in ms. */
  readonly busyTimeoutMs: number;
  readonly report: TierReport;
}

interface Call {
  readonly resolve: (reply: SqliteReply) => void;
  readonly reject: (error: Error) => void;
}

const reads: ReadonlySet<SqliteRequest['op']> = new Set(['get', 'getMany', 'page']);

/** Records that one message carries when all of them are read. */
const PAGE = 500;

/** L3: all entries in one SQLite file, in a thread of its own. Opened by the first call that needs it. */
export class SqliteTier implements CacheTier {
  readonly name = 'sqlite';
  readonly persistent = true;
  /** A large transaction writes each page of the index of keys once, a small one as well. */
  readonly entriesPerPut = 4096;
  readonly #options: SqliteTierOptions;
  readonly #codec: RowCodec;
  readonly #counts = new TierCounts();
  readonly #reportedKeys = new Set<string>();
  readonly #calls = new Map<number, Call>();
  #worker: Promise<Worker> | null = null;
  #lastId = 0;
  #size = 0;
  #rebuilt = 0;
  /** Calls under way that may change something: what is read meanwhile must wait for them in the thread. */
  #changes = 0;
  readonly #reader = new SqliteReader();
  #closing: Promise<void> | null = null;

  constructor(options: SqliteTierOptions) {
    this.#options = options;
    this.#codec = new RowCodec(this.name, options.ring);
  }

  async get(key: string): Promise<CacheEntry | null> {
    const read = this.#changes === 0 ? this.#reader.get(key) : undefined;
    const found = read === undefined ? ((await this.#ask({ op: 'get', key })) as PlacedRow | null) : read;
    return await this.#found(found);
  }

  async getMany(keys: readonly string[]): Promise<CacheEntry[]> {
    const rows = (await this.#ask({ op: 'getMany', keys })) as PlacedRow[];
    this.#counts.misses += keys.length - rows.length;
    const found: CacheEntry[] = [];
    for (const row of rows) {
      const entry = await this.#found(row);
      if (entry !== null) found.push(entry);
    }
    return found;
  }

  async #found(found: PlacedRow | null): Promise<CacheEntry | null> {
    const entry = found === null ? null : await this.#read(found);
    // An expired one is left to the sweep: by now, another call may have renewed it.
    return this.#counts.read(entry !== null && isLive(entry, this.#options.now()) ? entry : null);
  }

  async put(entries: readonly CacheEntry[]): Promise<void> {
    const now = this.#options.now();
    const rows = entries.map((entry) => this.#codec.openRow(clampTimes(entry, now)));
    const { maxEntries } = this.#options;
    const evicted = await this.#ask({ op: 'put', rows, keyIds: this.#codec.keyIds, maxEntries, now });
    this.#counts.evictions.lru += evicted as number;
  }

  async delete(keys: readonly string[], cause?: EvictionCause): Promise<number> {
    const deleted = (await this.#ask({ op: 'delete', keys, keyIds: this.#codec.keyIds })) as number;
    if (cause !== undefined) this.#counts.evictions[cause] += deleted;
    return deleted;
  }

  async clear(): Promise<void> {
    await this.#ask({ op: 'sweep', now: Number.POSITIVE_INFINITY, keyIds: this.#codec.keyIds });
  }

  async sweep(): Promise<number> {
    const swept = await this.#ask({ op: 'sweep', now: this.#options.now(), keyIds: this.#codec.keyIds });
    this.#counts.evictions.ttl += swept as number;
    return swept as number;
  }

  async *entries(): AsyncIterable<CacheEntry> {
    let page = await this.#page(Number.MIN_SAFE_INTEGER);
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      // The thread reads the next page while this one is opened.
      const next = this.#page(last.rowid);
      next.catch(() => undefined);
      for (const found of page) {
        const entry = await this.#read(found);
        if (entry !== null && isLive(entry, this.#options.now())) yield entry;
      }
      page = await next;
    }
  }

  async #page(after: number): Promise<PlacedRow[]> {
    return (await this.#ask({ op: 'page', after, limit: PAGE })) as PlacedRow[];
  }

  figures(): TierFigures {
    return this.#counts.figures(this.#size);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Before the thread: the last connection that closes tidies the journal up, and this one may not write.
    this.#reader.close();
    if (this.#worker === null) return;
    const worker = await this.#worker.catch(() => null);
    if (worker === null) return;
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    await this.#send(worker, { op: 'close' }).catch(() => undefined);
    await worker.terminate();
    await gone;
  }

  async #read(found: PlacedRow): Promise<CacheEntry | null> {
    try {
      return this.#codec.decode(found.row);
    } catch (error) {
      if (error instanceof CacheKeyError) {
        this.#counts.locked += 1;
        const keyId = String(error.data.keyId);
        if (!this.#reportedKeys.has(keyId)) this.#options.report(error);
        this.#reportedKeys.add(keyId);
        return null;
      }
      if (!(error instanceof CacheCorruptionError)) throw error;
      this.#counts.evictions.corruption += 1;
      this.#options.report(error);
      await this.#ask({ op: 'setAside', damaged: [found] });
      return null;
    }
  }

  async #ask(request: SqliteRequest): Promise<unknown> {
    if (this.#closing !== null) throw new CacheStorageError(this.name, 'it was closed');
    const changes = reads.has(request.op) ? 0 : 1;
    this.#changes += changes;
    this.#worker ??= this.#start();
    const reply = await this.#worker
      .then((worker) => this.#send(worker, request))
      .finally(() => {
        this.#changes -= changes;
      });
    this.#size = reply.size;
    if (this.#options.ring !== null) countSeals(this.#options.ring, reply.seals);
    if (reply.rebuilt > this.#rebuilt) {
      this.#rebuilt = reply.rebuilt;
      this.#options.report(new CacheCorruptionError(this.name, 'its file was damaged, and was replaced'));
    }
    if (reply.file !== null && this.#closing === null) await this.#reader.open(reply.file);
    if (reply.failure !== undefined) throw new CacheStorageError(this.name, reply.failure);
    return reply.result;
  }

  #send(worker: Worker, request: SqliteRequest): Promise<SqliteReply> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      // A call that is under way keeps the process alive, an idle database does not.
      worker.ref();
      worker.postMessage({ id, now: this.#options.now(), request });
    });
  }

  async #start(): Promise<Worker> {
    const { path, busyTimeoutMs, ring } = this.#options;
    try {
      await makePrivateDirectory(this.name, dirname(path));
      await makePrivateFile(this.name, currentFile(path));
    } catch (error) {
      this.#worker = null;
      if (error instanceof CacheStorageError) throw error;
      throw new CacheStorageError(this.name, 'its file cannot be opened', { cause: error });
    }
    const worker = startSqliteThread({
      path,
      busyTimeoutMs,
      tier: this.name,
      keys: ring === null ? [] : keysOf(ring),
    });
    worker.on('message', (reply: SqliteReply) => {
      const call = this.#calls.get(reply.id);
      this.#calls.delete(reply.id);
      if (this.#calls.size === 0) worker.unref();
      call?.resolve(reply);
    });
    worker.once('error', (cause) => this.#abandon(cause));
    worker.once('exit', () => this.#abandon(undefined));
    return worker;
  }

  /** The thread is gone: what was asked of it fails, and the next call starts another one. */
  #abandon(cause: unknown): void {
    this.#worker = null;
    this.#rebuilt = 0;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls)
      reject(
        new CacheStorageError(this.name, 'its thread ended', cause === undefined ? undefined : { cause }),
      );
  }
}
