import type { SqlDatabase } from './sqlite-driver.js';

/** One step per version of the schema: step n leads from version n to n + 1. Only ever appended to. */
const migrations: readonly string[] = [
  `CREATE TABLE entries (
    key TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    protocol TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    username TEXT,
    password TEXT,
    withheld INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    source TEXT,
    fetched_at INTEGER NOT NULL,
    last_accessed_at INTEGER NOT NULL,
    access_count INTEGER NOT NULL,
    ttl_seconds INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    health_status TEXT NOT NULL,
    failure_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    learned TEXT,
    mac TEXT NOT NULL
  ) STRICT;
  CREATE INDEX entries_expires_at ON entries (expires_at);
  CREATE INDEX entries_source ON entries (source);
  CREATE INDEX entries_health_status ON entries (health_status);
  CREATE INDEX entries_last_accessed_at ON entries (last_accessed_at);
  CREATE TABLE rejected (id INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT;`,
];

/** A file that a newer version of the package wrote: it is left alone. */
export class NewerSchema extends Error {}

/** What every connection sets. The journal survives the death of the process; NORMAL may lose the last
 * transactions in a power failure, but not the file. */
export function configure(db: SqlDatabase, busyTimeoutMs: number): void {
  db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  for (const pragma of [
    'journal_mode = WAL',
    'synchronous = NORMAL',
    'foreign_keys = ON',
    // Functions in a schema that somebody else wrote must not run.
    'trusted_schema = OFF',
    // Finds damage where it would be read past otherwise.
    'cell_size_check = ON',
    // No credential, not even a sealed one, in a temporary file elsewhere.
    'temp_store = MEMORY',
    // In KiB. Keys are hashes: each new one lands anywhere in their index, which has to fit in.
    'cache_size = -65536',
    // In pages. A page of that index is written once per checkpoint, and not once per thousand pages.
    'wal_autocheckpoint = 16000',
  ])
    db.exec(`PRAGMA ${pragma}`);
}

/** What a connection sets that only reads, and waits for nobody. */
export function configureReader(db: SqlDatabase): void {
  for (const pragma of ['busy_timeout = 0', 'trusted_schema = OFF', 'cell_size_check = ON'])
    db.exec(`PRAGMA ${pragma}`);
}

/**
 * Brings the schema to the newest version, in one transaction; another process may be doing the same.
 * @throws NewerSchema
 */
export function migrate(db: SqlDatabase): void {
  if (versionOf(db) === migrations.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(db);
    if (version > migrations.length) throw new NewerSchema('a newer version of the package wrote the file');
    for (const step of migrations.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

function versionOf(db: SqlDatabase): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version);
}

/** Whether the file is sound as far as SQLite can tell, and its schema the one that was written. */
export function isSound(db: SqlDatabase): boolean {
  const check = db.prepare('PRAGMA quick_check(1)').get();
  const table = db.prepare(`SELECT sql FROM sqlite_schema WHERE name = 'entries'`).get()?.sql;
  return Object.values(check ?? {})[0] === 'ok' && String(migrations[0]).startsWith(`${table};`);
}
