import { chmodSync, rmSync } from 'node:fs';
import { rowAt, rowColumns, type StoredRow, supersedes } from './row-seal.js';
import {
  type SqlDatabase,
  type SqlDriver,
  type SqlStatement,
  type SqlValue,
  sqlFault,
} from './sqlite-driver.js';
import { currentFile, nextFile, publish, setFileAside } from './sqlite-files.js';
import { configure, isSound, migrate, NewerSchema } from './sqlite-schema.js';

/** A record with its place in the table. */
export interface PlacedRow {
  readonly rowid: number;
  readonly row: StoredRow;
}

export interface PutRows {
  readonly rows: Iterable<StoredRow>;
  /** Records of other keys are neither written nor deleted. */
  readonly keyIds: readonly string[];
  readonly maxEntries: number | null;
  readonly now: number;
}

export interface StoreSettings {
  /** Name of the first file; see {@link currentFile}. */
  readonly path: string;
  /** How long a write waits for another process, in ms. */
  readonly busyTimeoutMs: number;
}

/** Most records that are set aside; older ones go. */
const MAX_REJECTED = 1000;

const columns = rowColumns.join(', ');
const insert = `INSERT INTO entries (${columns}) VALUES (${rowColumns.map(() => '?').join(', ')}) ON CONFLICT (key)`;
const insertNew = `${insert} DO NOTHING`;
const upsert = `${insert} DO UPDATE SET ${rowColumns.map((name) => `${name} = excluded.${name}`).join(', ')}`;

/** Finds one record by its key. */
export const entryByKey: string = `SELECT rowid, ${columns} FROM entries WHERE key = ?`;

/** The table of records over one connection: synchronous, meant for a worker. Knows nothing of keys and secrets. */
export class SqliteStore {
  readonly #driver: SqlDriver;
  /** How many records there are, until another connection changes something: counting reads all of them. */
  #counted: { readonly version: number; readonly size: number } | null = null;
  readonly #settings: StoreSettings;
  #db: SqlDatabase;
  #statements = new Map<string, SqlStatement>();
  #file: string;
  /** Files that turned out to be damaged since this store was opened. */
  #rebuilt = 0;

  /** @throws NewerSchema, and what the library throws */
  constructor(driver: SqlDriver, settings: StoreSettings, now: number) {
    this.#driver = driver;
    this.#settings = settings;
    this.#file = currentFile(settings.path);
    try {
      this.#db = this.#connect();
      if (isSound(this.#db)) return;
    } catch (error) {
      // Damage to the schema shows as an error of a statement, not as a damaged file.
      const damaged = sqlFault(error) === 'corrupt' || (error as { code?: unknown }).code === 'SQLITE_ERROR';
      if (!damaged || error instanceof NewerSchema) throw error;
      this.#db = driver.open(this.#file);
    }
    this.rebuild(now);
  }

  /** How often a damaged file was replaced. */
  get rebuilt(): number {
    return this.#rebuilt;
  }

  /** The file that is open. */
  get file(): string {
    return this.#file;
  }

  /** Opens the file that another process has put in the place of a damaged one. True when there was one. */
  follow(): boolean {
    const file = currentFile(this.#settings.path);
    if (file === this.#file) return false;
    this.close();
    this.#file = file;
    this.#db = this.#connect();
    return true;
  }

  get size(): number {
    const version = Number(this.#sql('PRAGMA data_version').get()?.data_version);
    if (this.#counted?.version !== version) {
      const size = Number(this.#sql('SELECT count(*) AS size FROM entries').get()?.size);
      this.#counted = { version, size };
    }
    return this.#counted.size;
  }

  get(key: string): PlacedRow | null {
    const found = this.#sql(entryByKey).get(key);
    return found === undefined ? null : placed(found);
  }

  /** What there is of these, in any order. One statement: most keys of a list are new, and each call costs more than a search. */
  getMany(keys: readonly string[]): PlacedRow[] {
    return this.#sql(`SELECT rowid, ${columns} FROM entries WHERE key IN (SELECT value FROM json_each(?))`)
      .all(JSON.stringify(keys))
      .map(placed);
  }

  /** Stores the rows that supersede what is there, then lets the least recently used go. Returns how many went. */
  put({ rows, keyIds, maxEntries, now }: PutRows): number {
    return this.#transaction((counted) => {
      const before = this.size;
      const write = this.#sql(upsert);
      const add = this.#sql(insertNew);
      let added = 0;
      // Most rows are like the one before: of a list, all are new, and of statistics, none is.
      let isNew = true;
      for (const row of rows) {
        isNew &&= changesOf(add.run(...row)) > 0;
        const held: PlacedRow | null = isNew ? null : this.get(String(row[rowAt.key]));
        if (!isNew && (held === null || supersedes(row, held.row, keyIds, now))) write.run(...row);
        isNew ||= held === null;
        added += Number(isNew);
      }
      counted(before + added);
      const surplus = maxEntries === null ? 0 : before + added - maxEntries;
      if (surplus <= 0) return 0;
      this.#sql(
        `DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE key_id IN (${marks(keyIds)})
          ORDER BY last_accessed_at, rowid LIMIT ?)`,
      ).run(...keyIds, surplus);
      const gone = Number(this.#sql('SELECT changes() AS gone').get()?.gone);
      counted(before + added - gone);
      return gone;
    });
  }

  delete(keys: readonly string[], keyIds: readonly string[]): number {
    const ours = `key_id IN (${marks(keyIds)})`;
    return this.#transaction(() => {
      let deleted = 0;
      for (const key of keys) {
        if (this.#sql(`SELECT 1 FROM entries WHERE key = ? AND ${ours}`).get(key, ...keyIds) === undefined)
          continue;
        this.#sql('DELETE FROM entries WHERE key = ?').run(key);
        deleted += 1;
      }
      return deleted;
    });
  }

  /** Deletes all records of these keys that expired by `now`; Infinity deletes all. Returns how many. */
  sweep(now: number, keyIds: readonly string[]): number {
    return this.#transaction((counted) => {
      const before = this.size;
      const expired = Number.isFinite(now) ? now : Number.MAX_SAFE_INTEGER;
      this.#sql(`DELETE FROM entries WHERE expires_at <= ? AND key_id IN (${marks(keyIds)})`).run(
        expired,
        ...keyIds,
      );
      const gone = Number(this.#sql('SELECT changes() AS gone').get()?.gone);
      counted(before - gone);
      return gone;
    });
  }

  /** Moves damaged records out of the way, unless they were replaced since they were read. */
  setAside(damaged: readonly PlacedRow[]): void {
    this.#transaction(() => {
      for (const { rowid, row } of damaged) {
        const gone = this.#sql('DELETE FROM entries WHERE rowid = ? AND mac IS ? RETURNING 1').get(
          rowid,
          row[rowAt.mac] ?? null,
        );
        if (gone !== undefined) this.#sql('INSERT INTO rejected (row) VALUES (?)').run(JSON.stringify(row));
      }
      this.#sql('DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?').run(MAX_REJECTED);
    });
  }

  /** The next records in the order of their places. */
  page(after: number, limit: number): PlacedRow[] {
    const found = this.#sql(`SELECT rowid, ${columns} FROM entries WHERE rowid > ? ORDER BY rowid LIMIT ?`)
      .all(after, limit)
      .map(placed);
    // A damaged tree can lead in circles.
    if (found.some(({ rowid }, i) => rowid <= (found[i - 1]?.rowid ?? after)))
      throw Object.assign(new Error('places out of order'), { code: 'SQLITE_CORRUPT' });
    return found;
  }

  /** Replaces a damaged file by one with all records that can still be read; the old one stays beside it. */
  rebuild(now: number): void {
    this.#lockOut();
    if (this.follow()) return;
    const file = nextFile(this.#settings.path);
    const temporary = `${file}.tmp-${process.pid}`;
    rmSync(temporary, { force: true });
    const fresh = this.#driver.open(temporary);
    try {
      migrate(fresh);
      fresh.exec('BEGIN');
      const write = fresh.prepare(upsert);
      const reject = fresh.prepare('INSERT INTO rejected (row) VALUES (?)');
      for (const row of this.#salvage()) {
        try {
          write.run(...row);
        } catch (error) {
          // A damaged row can be one that no table takes.
          if (sqlFault(error) !== 'constraint') throw error;
          reject.run(JSON.stringify(row));
        }
      }
      fresh.exec('COMMIT');
    } finally {
      fresh.close();
    }
    chmodSync(temporary, 0o600);
    if (publish(temporary, file)) {
      setFileAside(this.#file, now);
      this.#rebuilt += 1;
    }
    this.follow();
  }

  /** Keeps other processes from writing to a damaged file while it is replaced, as far as it can be locked at all. */
  #lockOut(): void {
    try {
      this.#db.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      if (sqlFault(error) === 'busy') throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #connect(): SqlDatabase {
    const db = this.#driver.open(this.#file);
    this.#counted = null;
    this.#statements.clear();
    try {
      configure(db, this.#settings.busyTimeoutMs);
      migrate(db);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** All records that can still be reached, from either end of the tree; their MACs are checked when they are read. */
  #salvage(): StoredRow[] {
    const rows = new Map<SqlValue | undefined, StoredRow>();
    for (const order of ['ASC', 'DESC']) {
      try {
        const found = this.#db.prepare(
          `SELECT rowid, ${columns} FROM entries NOT INDEXED ORDER BY rowid ${order}`,
        );
        for (const record of found.iterate()) {
          const { row } = placed(record);
          if (row.every((value) => value !== undefined) && row[rowAt.key] !== null)
            rows.set(row[rowAt.key], row);
        }
      } catch {
        // What lies behind the damage is looked for from the other end.
      }
    }
    return [...rows.values()];
  }

  /** `work` says how many records there are after it; else they are counted anew. */
  #transaction<T>(work: (counted: (size: number) => void) => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    let size: number | undefined;
    try {
      const result = work((now) => {
        size = now;
      });
      const version = this.#counted?.version;
      this.#counted = null;
      this.#db.exec('COMMIT');
      if (version !== undefined && size !== undefined) this.#counted = { version, size };
      return result;
    } catch (error) {
      this.#counted = null;
      try {
        this.#db.exec('ROLLBACK');
      } catch {
        // Some failures, a full disk among them, have ended the transaction already.
      }
      throw error;
    }
  }

  #sql(text: string): SqlStatement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}

/** A row of the table as a record with its place. */
export function placed(record: Readonly<Record<string, SqlValue>>): PlacedRow {
  return { rowid: Number(record.rowid), row: rowColumns.map((name) => record[name] ?? null) };
}

/** How many rows a statement has changed. */
function changesOf(result: unknown): number {
  return Number((result as { readonly changes: number | bigint }).changes);
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ');
}
