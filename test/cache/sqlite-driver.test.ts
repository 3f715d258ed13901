import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadSqlDriver, type SqlDatabase, sqlFault } from '../../src/cache/sqlite-driver.js';

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Whichever library is loaded here must keep them; `npm run test:node-sqlite` runs them over node:sqlite. */
describe('K-03 the SQLite library', () => {
  const place = (): string => {
    const dir = mkdtempSync(join(tmpdir(), 'pw-driver-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    return join(dir, 'x.db');
  };
  const opened = async (path: string, access?: 'read'): Promise<SqlDatabase> => {
    const db = (await loadSqlDriver()).open(path, access);
    onTestFinished(() => void db.close());
    return db;
  };
  const faultOf = (work: () => unknown): string => {
    try {
      work();
      return 'none';
    } catch (error) {
      return sqlFault(error);
    }
  };

  it('is better-sqlite3 where it is installed, else that of Node', async () => {
    const driver = await loadSqlDriver();
    expect(driver.name).toBe(isInstalled('better-sqlite3') ? 'better-sqlite3' : 'node:sqlite');
  });

  it('gives back what it was given, row by row', async () => {
    const db = await opened(place());
    db.exec('CREATE TABLE t (a TEXT, b INTEGER, c REAL) STRICT');
    const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?)');
    insert.run('ü😀', Number.MAX_SAFE_INTEGER, 0.5);
    insert.run(null, -1, null);
    // No text that is kept holds a NUL, at which Node 22 would cut it off.
    const rows = [
      { a: 'ü😀', b: Number.MAX_SAFE_INTEGER, c: 0.5 },
      { a: null, b: -1, c: null },
    ];
    const all = db.prepare('SELECT * FROM t ORDER BY rowid');
    expect(all.all().map((row) => ({ ...row }))).toEqual(rows);
    expect([...all.iterate()].map((row) => ({ ...row }))).toEqual(rows);
    expect({ ...all.get() }).toEqual(rows[0]);
    expect(db.prepare('SELECT 1 FROM t WHERE b = ?').get(7)).toBeUndefined();
    const raw = all.raw?.();
    expect(raw === undefined ? Object.values(rows[0] ?? {}) : raw.get()).toEqual(
      Object.values(rows[0] ?? {}),
    );
  });

  it('says in its errors what is wrong: damage, a lock, a constraint, a full disk', async () => {
    const path = place();
    const db = await opened(path);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY) STRICT');
    db.prepare('INSERT INTO t VALUES (?)').run('x');
    expect(faultOf(() => db.prepare('INSERT INTO t VALUES (?)').run('x'))).toBe('constraint');
    expect(faultOf(() => db.prepare('INSERT INTO t VALUES (?)').run(null))).toBe('constraint');

    const other = await opened(path);
    other.exec('PRAGMA busy_timeout = 0');
    db.exec('BEGIN IMMEDIATE');
    expect(faultOf(() => other.exec('BEGIN IMMEDIATE'))).toBe('busy');
    db.exec('COMMIT');

    const reader = await opened(path, 'read');
    expect(reader.prepare('SELECT count(*) AS n FROM t').get()?.n).toBe(1);
    expect(faultOf(() => reader.exec(`INSERT INTO t VALUES ('y')`))).toBe('other');

    db.exec('PRAGMA max_page_count = 4');
    expect(faultOf(() => db.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(100_000)))).toBe('other');

    const noise = place();
    writeFileSync(noise, 'This is no database. '.repeat(500));
    const damaged = await opened(noise);
    expect(faultOf(() => damaged.prepare('SELECT * FROM sqlite_schema').all())).toBe('corrupt');
    expect(faultOf(() => damaged.exec('PRAGMA journal_mode = WAL'))).toBe('corrupt');
  });

  it.each([
    [{ code: 'SQLITE_CORRUPT_INDEX' }, 'corrupt'],
    [{ code: 'SQLITE_NOTADB' }, 'corrupt'],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 267 }, 'corrupt'],
    [{ code: 'SQLITE_BUSY_SNAPSHOT' }, 'busy'],
    [{ code: 'SQLITE_CONSTRAINT_NOTNULL' }, 'constraint'],
    [{ code: 'SQLITE_FULL' }, 'other'],
    [new Error('x'), 'other'],
  ])('says what went wrong: %j', (error, fault) => {
    expect(sqlFault(error)).toBe(fault);
  });
});
