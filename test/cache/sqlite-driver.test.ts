import { describe, expect, it } from 'vitest';
import { loadSqlDriver, sqlFault } from '../../src/cache/sqlite-driver.js';

describe('K-03 the SQLite library', () => {
  it('is better-sqlite3 where it works, and really opens a database', async () => {
    const driver = await loadSqlDriver();
    expect(driver.name).toBe('better-sqlite3');
    const db = driver.open(':memory:');
    expect(db.prepare('SELECT ? AS n').get(7)).toEqual({ n: 7 });
    db.close();
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
