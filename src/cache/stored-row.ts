import { createProxy, type Proxy, type ProxyMetadata } from '../core/proxy.js';
import { CacheCorruptionError, CacheKeyError, CacheValidationError, ProxyWhirlError } from '../errors.js';
import { type KeyRing, keylessMac, NO_KEY } from './crypto.js';
import {
  type CacheEntry,
  type CacheHealth,
  checkEntry,
  type LearnedJson,
  MAX_LEARNED_LENGTH,
} from './entry.js';

/** Version of the record format; part of what the sealed texts are bound to. */
const ROW_VERSION = 1;

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

/** Values in the order of {@link rowColumns}; the last one is the MAC over all others. */
export type StoredRow = readonly StoredValue[];

const at = Object.fromEntries(rowColumns.map((name, i) => [name, i])) as Record<
  (typeof rowColumns)[number],
  number
>;

/** Where the columns lie that a tier reads without opening the record. */
export const rowAt: Readonly<typeof at> = at;

/**
 * Turns entries into persisted records and back. Credentials are sealed with the key ring; without one they are
 * left out and the record says so. Each record carries a MAC over all of its columns, keyed when there is a key.
 */
export class RowCodec {
  readonly #tier: string;
  readonly #ring: KeyRing | null;

  constructor(tier: string, ring: KeyRing | null) {
    this.#tier = tier;
    this.#ring = ring;
  }

  /** Key ids whose records may be read and written; all others are kept as they are. */
  get keyIds(): readonly string[] {
    return [...(this.#ring?.keyIds ?? []), NO_KEY];
  }

  /** @throws CacheValidationError when the entry breaks a rule. */
  encode(entry: CacheEntry): StoredRow {
    const { proxy, key } = checkEntry(entry);
    const { geo, tags, cost } = proxy;
    const learned = entry.learned === null ? null : JSON.stringify(entry.learned);
    if (learned !== null && learned.length > MAX_LEARNED_LENGTH)
      throw new CacheValidationError('learned', `must not be longer than ${MAX_LEARNED_LENGTH} characters`);
    const hasCredentials = proxy.username !== null || proxy.password !== null;
    const row: StoredValue[] = [
      key,
      ROW_VERSION,
      this.#ring?.keyId ?? NO_KEY,
      proxy.protocol,
      proxy.host,
      proxy.port,
      this.#seal(key, 'username', proxy.username),
      this.#seal(key, 'password', proxy.password?.reveal() ?? null),
      entry.withheld || (this.#ring === null && hasCredentials) ? 1 : 0,
      JSON.stringify({ geo, tags, cost }),
      entry.source,
      entry.fetchedAt,
      entry.lastAccessedAt,
      entry.accessCount,
      entry.ttlSeconds,
      entry.expiresAt,
      entry.healthStatus,
      entry.failureCount,
      entry.createdAt,
      entry.updatedAt,
      learned,
      // Its place from the start: an array that grows takes twice the room, and L2 keeps all of them.
      null,
    ];
    row[at.mac] = this.#mac(row.slice(0, -1), this.#ring?.keyId ?? NO_KEY);
    return row;
  }

  /**
   * @throws CacheKeyError when the record was written with a key that is not there: it is no damage.
   * @throws CacheCorruptionError when the record is not what was written.
   */
  decode(row: StoredRow): CacheEntry {
    this.verify(row);
    try {
      return this.#entry(row);
    } catch (error) {
      if (error instanceof CacheCorruptionError) throw error;
      // Errors of our own checks repeat no value; others might, and are not kept as the cause.
      const cause = error instanceof ProxyWhirlError ? { cause: error } : undefined;
      throw new CacheCorruptionError(this.#tier, 'a record breaks a rule', cause);
    }
  }

  /** Checks what {@link decode} checks, but opens no credential. Throws the same errors. */
  verify(row: StoredRow): void {
    const keyId = row[at.key_id];
    if (row.length !== rowColumns.length || typeof keyId !== 'string')
      throw new CacheCorruptionError(this.#tier, 'a record has no known form');
    if (keyId !== NO_KEY && !this.#ring?.has(keyId)) {
      // A flipped byte can hit the key id itself; what is no key id at all was not written by us.
      if (!/^[0-9a-f]{8}$/.test(keyId))
        throw new CacheCorruptionError(this.#tier, 'a record has no known form');
      throw new CacheKeyError(`The key ${keyId} is not in the key ring; its records are kept unread.`, keyId);
    }
    if (this.#mac(row.slice(0, -1), keyId) !== row[at.mac])
      throw new CacheCorruptionError(this.#tier, 'the MAC of a record does not fit');
    if (row[at.version] !== ROW_VERSION)
      throw new CacheCorruptionError(this.#tier, 'a record has an unknown version');
  }

  #entry(row: StoredRow): CacheEntry {
    const key = row[at.key] as string;
    const learned = row[at.learned] as string | null;
    const source = row[at.source] as string | null;
    const proxy = createProxy({
      protocol: row[at.protocol] as Proxy['protocol'],
      host: row[at.host] as string,
      port: row[at.port] as number,
      username: this.#open(key, 'username', row[at.username] as string | null),
      password: this.#open(key, 'password', row[at.password] as string | null),
      ...(JSON.parse(row[at.metadata] as string) as ProxyMetadata),
      ...(source !== null && { source }),
    });
    return checkEntry({
      key,
      proxy,
      withheld: row[at.withheld] === 1,
      source,
      fetchedAt: row[at.fetched_at] as number,
      lastAccessedAt: row[at.last_accessed_at] as number,
      accessCount: row[at.access_count] as number,
      ttlSeconds: row[at.ttl_seconds] as number,
      expiresAt: row[at.expires_at] as number,
      healthStatus: row[at.health_status] as CacheHealth,
      failureCount: row[at.failure_count] as number,
      createdAt: row[at.created_at] as number,
      updatedAt: row[at.updated_at] as number,
      learned: learned === null ? null : (JSON.parse(learned) as LearnedJson),
    });
  }

  #seal(key: string, field: string, text: string | null): string | null {
    if (text === null || this.#ring === null) return null;
    return this.#ring.seal(text, { tier: this.#tier, key, field, version: ROW_VERSION });
  }

  #open(key: string, field: string, token: string | null): string | null {
    if (token === null || this.#ring === null) return null;
    return this.#ring.open(token, { tier: this.#tier, key, field, version: ROW_VERSION });
  }

  #mac(values: StoredRow, keyId: string): string {
    const data = `${this.#tier}${JSON.stringify(values)}`;
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
