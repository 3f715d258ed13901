/** What the cache needs of an SQLite library: the seam behind which they differ. */

export type SqlValue = string | number | null;

export interface SqlStatement {
  run(...values: SqlValue[]): unknown;
  /** The first row by column name, undefined when there is none. */
  get(...values: SqlValue[]): Readonly<Record<string, SqlValue>> | undefined;
  all(...values: SqlValue[]): Readonly<Record<string, SqlValue>>[];
  /** The same statement with rows as arrays, which is faster. Not in every library. */
  raw?(): { get(...values: SqlValue[]): readonly SqlValue[] | undefined };
  iterate(...values: SqlValue[]): Iterable<Readonly<Record<string, SqlValue>>>;
}

export interface SqlDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqlStatement;
  close(): unknown;
}

export interface SqlDriver {
  readonly name: 'better-sqlite3' | 'node:sqlite';
  open(path: string, access?: 'read'): SqlDatabase;
}

/**
 * The first SQLite library that really opens a database: better-sqlite3, then Node's own.
 * @throws Error that names the fix when there is none
 */
export async function loadSqlDriver(nodeVersion: string = process.versions.node): Promise<SqlDriver> {
  const failures: string[] = [];
  for (const load of [betterSqlite, nodeSqlite]) {
    try {
      const driver = await load(nodeVersion);
      // A native part that does not fit this Node shows only when it is used.
      driver.open(':memory:').close();
      return driver;
    } catch (error) {
      failures.push(error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unknown');
    }
  }
  throw new Error(
    `no SQLite library works here; install better-sqlite3 with its build step, or use Node 22.13 or newer (${failures.join('; ')})`,
  );
}

async function betterSqlite(nodeVersion: string): Promise<SqlDriver> {
  // Version 13 ends a process of Node 20 with a segmentation fault as soon as it is loaded.
  const { default: manifest } = (await import('better-sqlite3/package.json', {
    with: { type: 'json' },
  })) as { default: { version: string } };
  if (major(nodeVersion) < 22 && major(manifest.version) > 12)
    throw new Error('better-sqlite3 13 does not run on Node 20; install version 12');
  const { default: Database } = await import('better-sqlite3');
  return {
    name: 'better-sqlite3',
    open: (path, access) => new Database(path, { readonly: access === 'read' }) as unknown as SqlDatabase,
  };
}

async function nodeSqlite(): Promise<SqlDriver> {
  // Not by import(): the types of Node 20 do not know this module.
  const found = process.getBuiltinModule('node:sqlite') as
    | { DatabaseSync: new (path: string, options: { readOnly: boolean }) => SqlDatabase }
    | undefined;
  if (found === undefined) throw new Error('this Node has no SQLite of its own');
  return {
    name: 'node:sqlite',
    open: (path, access) => new found.DatabaseSync(path, { readOnly: access === 'read' }),
  };
}

function major(version: string): number {
  return Number(version.split('.')[0]);
}

export type SqlFault = 'corrupt' | 'busy' | 'constraint' | 'other';

const faults: readonly [SqlFault, string, number][] = [
  ['corrupt', 'SQLITE_CORRUPT', 11],
  ['corrupt', 'SQLITE_NOTADB', 26],
  ['busy', 'SQLITE_BUSY', 5],
  ['busy', 'SQLITE_LOCKED', 6],
  ['constraint', 'SQLITE_CONSTRAINT', 19],
];

/** What went wrong, in the words of either library. */
export function sqlFault(error: unknown): SqlFault {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const found = faults.find(
    ([, name, number]) =>
      (typeof code === 'string' && code.startsWith(name)) || Number(errcode) % 256 === number,
  );
  return found?.[0] ?? 'other';
}
