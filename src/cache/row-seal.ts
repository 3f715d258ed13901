import { CacheCorruptionError, CacheKeyError } from '../errors.js';
import { type KeyRing, keylessMac, NO_KEY, type SealedPlace } from './crypto.js';

/** Version of the record format; part of what the sealed texts are bound to. */
export const ROW_VERSION = 2;

export type StoredValue = string | number | null;

/** The columns of a record as it is persisted, in this order; SQLite's columns have these names. */
export const rowColumns = [
  'key',
  'version',
  'key_id',
  'protocol',
  'host',
  'port',
  'username',
  'password',
  'withheld',
  'metadata',
  'source',
  'fetched_at',
  'last_accessed_at',
  'access_count',
  'ttl_seconds',
  'expires_at',
  'health_status',
  'failure_count',
  'created_at',
  'updated_at',
  'learned',
  'mac',
] as const;

/**
 * Values in the order of {@link rowColumns}. The last one proves that all others are as they were written: with
 * credentials it is their sealed text, whose tag covers the whole record, without any it is a MAC. The columns of the
 * credentials are null.
 */
export type StoredRow = readonly StoredValue[];

/** A record before it is sealed: the credentials are there in the clear. It leaves no thread but for another one. */
export type OpenRow = readonly StoredValue[];

/** Both credentials of a record. */
export interface Credentials {
  readonly username: string | null;
  readonly password: string | null;
}

const at = Object.fromEntries(rowColumns.map((name, i) => [name, i])) as Record<
  (typeof rowColumns)[number],
  number
>;

/** Where the columns lie that a tier reads without opening the record. */
export const rowAt: Readonly<typeof at> = at;

const SEALED = /^pw1\./;

/** Seals records and opens them again. Knows keys and columns, and nothing of proxies: it runs in any thread. */
export class RowSeal {
  readonly #tier: string;
  readonly #ring: KeyRing | null;
  #seals = 0;

  constructor(tier: string, ring: KeyRing | null) {
    this.#tier = tier;
    this.#ring = ring;
  }

  /** Seals the credentials, or leaves them out where there is no key, which the record says already. */
  seal(open: OpenRow): StoredRow {
    const row = [...open];
    const username = row[at.username];
    const password = row[at.password];
    row[at.username] = null;
    row[at.password] = null;
    row[at.mac] = null;
    if ((username === null && password === null) || this.#ring === null) {
      row[at.mac] = this.#mac(row, String(row[at.key_id]));
      return row;
    }
    row[at.mac] = this.#ring.seal(JSON.stringify([username, password]), this.#place(row));
    this.#seals += 1;
    return row;
  }

  /** How many records were sealed since it was asked last. */
  takeSeals(): number {
    const seals = this.#seals;
    this.#seals = 0;
    return seals;
  }

  /**
   * The credentials of a record that is what was written.
   * @throws CacheKeyError when the record was written with a key that is not there: it is no damage.
   * @throws CacheCorruptionError when the record is not what was written.
   */
  open(row: StoredRow): Credentials {
    const keyId = row[at.key_id];
    const proof = row[at.mac];
    if (row.length !== rowColumns.length || typeof keyId !== 'string' || typeof proof !== 'string')
      throw new CacheCorruptionError(this.#tier, 'a record has no known form');
    if (keyId !== NO_KEY && !this.#ring?.has(keyId)) {
      // A flipped byte can hit the key id itself; what is no key id at all was not written by us.
      if (!/^[0-9a-f]{8}$/.test(keyId))
        throw new CacheCorruptionError(this.#tier, 'a record has no known form');
      throw new CacheKeyError(`The key ${keyId} is not in the key ring; its records are kept unread.`, keyId);
    }
    const credentials = this.#credentials(row, keyId, proof);
    if (row[at.version] !== ROW_VERSION)
      throw new CacheCorruptionError(this.#tier, 'a record has an unknown version');
    return credentials;
  }

  #credentials(row: StoredRow, keyId: string, proof: string): Credentials {
    if (this.#ring !== null && SEALED.test(proof) && proof.startsWith(keyId, 4)) {
      const [username, password] = JSON.parse(this.#ring.open(proof, this.#place(row)));
      return { username, password };
    }
    if (this.#mac(row, keyId) !== proof)
      throw new CacheCorruptionError(this.#tier, 'the MAC of a record does not fit');
    return { username: null, password: null };
  }

  /** All columns but the proof are part of it. */
  #place(row: StoredRow): SealedPlace {
    const rest = JSON.stringify(row.slice(0, -1));
    return { tier: this.#tier, key: String(row[at.key]), field: 'credentials', version: ROW_VERSION, rest };
  }

  #mac(row: StoredRow, keyId: string): string {
    const data = `${this.#tier}${JSON.stringify(row.slice(0, -1))}`;
    return keyId === NO_KEY || this.#ring === null ? keylessMac(data) : this.#ring.mac(keyId, data);
  }
}

/**
 * Whether `next` may take the place of `held`: not when that one was written with a key that is not there (it
 * may be the only copy of its credentials), nor when it is newer, nor when only it has its credentials.
 */
export function supersedes(
  next: StoredRow,
  held: StoredRow,
  keyIds: readonly string[],
  now: number,
): boolean {
  if (!keyIds.includes(String(held[at.key_id]))) return false;
  if (next[at.withheld] === 1 && held[at.withheld] === 0) return false;
  // A time that lies ahead is that of a wrong clock, and must not win for ever.
  return Number(next[at.updated_at]) >= Math.min(Number(held[at.updated_at]), now);
}
