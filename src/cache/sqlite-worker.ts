import { type KeyObject, randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { KeyRing } from './crypto.js';
import { type OpenRow, RowSeal, type StoredRow } from './row-seal.js';
import { loadSqlDriver, sqlFault } from './sqlite-driver.js';
import { type PlacedRow, type PutRows, SqliteStore, type StoreSettings } from './sqlite-store.js';

/**
 * Body of the thread that seals records and holds the database: neither the work nor a locked or slow file ever stops
 * the event loop of the engine.
 */

export interface SqliteThreadSettings extends StoreSettings {
  /** Name of the tier, which records are bound to. */
  readonly tier: string;
  /** Of the key ring, the one that seals first; empty without one. */
  readonly keys: readonly KeyObject[];
}

/** {@link PutRows} that the thread seals. */
export interface PutOpenRows extends Omit<PutRows, 'rows'> {
  readonly rows: readonly OpenRow[];
}

export type SqliteRequest =
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'getMany'; readonly keys: readonly string[] }
  | ({ readonly op: 'put' } & PutOpenRows)
  | { readonly op: 'delete'; readonly keys: readonly string[]; readonly keyIds: readonly string[] }
  | { readonly op: 'sweep'; readonly now: number; readonly keyIds: readonly string[] }
  | { readonly op: 'setAside'; readonly damaged: readonly PlacedRow[] }
  | { readonly op: 'page'; readonly after: number; readonly limit: number }
  | { readonly op: 'size' }
  | { readonly op: 'close' };

export interface SqliteReply {
  readonly id: number;
  readonly result?: unknown;
  readonly size: number;
  /** Damaged files that were replaced so far. */
  readonly rebuilt: number;
  /** The file that is open, null when there is none. */
  readonly file: string | null;
  /** Texts that were sealed by this request. */
  readonly seals: number;
  readonly failure?: string;
}

const port = parentPort;
if (port === null) throw new Error('sqlite-worker is the body of a worker thread');
const { tier, keys, ...settings } = workerData as SqliteThreadSettings;
const seal = new RowSeal(tier, keys.length === 0 ? null : new KeyRing(keys, randomBytes));
let store: SqliteStore | null = null;
/** Counted over all stores of this thread. */
let rebuilt = 0;
let size = 0;

async function answer(request: SqliteRequest, now: number): Promise<unknown> {
  if (request.op === 'close') {
    store?.close();
    store = null;
    return null;
  }
  if (store === null) {
    store = new SqliteStore(await loadSqlDriver(), settings, now);
    rebuilt += store.rebuilt;
    size = store.size;
  }
  store.follow();
  let result: unknown;
  try {
    result = run(store, request);
  } catch (error) {
    if (sqlFault(error) !== 'corrupt') throw error;
    const before = store.rebuilt;
    store.rebuild(now);
    rebuilt += store.rebuilt - before;
    result = run(store, request);
  }
  // Another process has replaced the file meanwhile, perhaps without what was just written to it.
  return store.follow() ? run(store, request) : result;
}

function run(open: SqliteStore, request: SqliteRequest): unknown {
  switch (request.op) {
    case 'get':
      return open.get(request.key);
    case 'getMany':
      return open.getMany(request.keys);
    case 'page':
      return open.page(request.after, request.limit);
    case 'size':
      return null;
    case 'put':
      return counted(open, open.put({ ...request, rows: sealed(request.rows) }));
    case 'delete':
      return counted(open, open.delete(request.keys, request.keyIds));
    case 'sweep':
      return counted(open, open.sweep(request.now, request.keyIds));
    case 'setAside':
      return counted(open, open.setAside(request.damaged));
    case 'close':
      return null;
  }
}

/** One by one: what all of them were sealed to would outlive several collections of garbage. */
function* sealed(rows: readonly OpenRow[]): Generator<StoredRow> {
  for (const row of rows) yield seal.seal(row);
}

function counted(open: SqliteStore, result: unknown): unknown {
  size = open.size;
  return result;
}

// One after the other: the first request waits for the library, and no other may overtake it.
let turn: Promise<void> = Promise.resolve();
port.on('message', ({ id, now, request }: { id: number; now: number; request: SqliteRequest }) => {
  turn = turn.then(async () => {
    const reply = await answer(request, now).then(
      (result): Partial<SqliteReply> => ({ result }),
      (error: unknown) => {
        const { code, message } = error as { code?: unknown; message?: unknown };
        return { failure: `${message}${typeof code === 'string' ? ` (${code})` : ''}` };
      },
    );
    const file = store?.file ?? null;
    port.postMessage({ id, size, rebuilt, file, seals: seal.takeSeals(), ...reply } satisfies SqliteReply);
    if (request.op === 'close') port.close();
  });
});
