import { loadSqlDriver, type SqlDatabase } from './sqlite-driver.js';
import { configureReader } from './sqlite-schema.js';
import { entryByKey, type PlacedRow, placed } from './sqlite-store.js';

/**
 * Reads single records without the way to the thread and back, which takes longer than the read: 10 us against
 * 40 us, and 150 us one time in a hundred. It never waits for a lock and never writes; what it cannot read at
 * once, it leaves to the thread, which also deals with damage.
 */
export class SqliteReader {
  #file: string | null = null;
  #db: SqlDatabase | null = null;
  #find: ((key: string) => PlacedRow | null) | null = null;
  #opening: Promise<void> | null = null;

  /** Opens the file, which the thread has found to be sound, in the place of another one. Never rejects. */
  async open(file: string): Promise<void> {
    if (this.#file !== file) this.close();
    this.#file = file;
    this.#opening ??= this.#open(file, () => this.#opening === opening);
    const opening = this.#opening;
    await opening;
  }

  /** The record, null when there is none; undefined when the thread must be asked. */
  get(key: string): PlacedRow | null | undefined {
    try {
      return this.#find?.(key);
    } catch {
      return undefined;
    }
  }

  /** Until it is opened again. */
  close(): void {
    this.#opening = null;
    this.#file = null;
    this.#find = null;
    this.#db?.close();
    this.#db = null;
  }

  async #open(file: string, isWanted: () => boolean): Promise<void> {
    const driver = await loadSqlDriver().catch(() => null);
    if (driver === null || !isWanted()) return;
    try {
      this.#db = driver.open(file, 'read');
      configureReader(this.#db);
      this.#find = finder(this.#db);
    } catch {
      // The thread serves alone.
    }
  }
}

function finder(db: SqlDatabase): (key: string) => PlacedRow | null {
  const statement = db.prepare(entryByKey);
  const raw = statement.raw?.();
  if (raw === undefined) {
    return (key) => {
      const found = statement.get(key);
      return found === undefined ? null : placed(found);
    };
  }
  return (key) => {
    const found = raw.get(key);
    return found === undefined ? null : { rowid: Number(found[0]), row: found.slice(1) };
  };
}
