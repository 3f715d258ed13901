import { createProxy, type Proxy, type ProxyMetadata } from '../core/proxy.js';
import { CacheCorruptionError, CacheKeyError, CacheValidationError, ProxyWhirlError } from '../errors.js';
import { type KeyRing, NO_KEY } from './crypto.js';
import {
  type CacheEntry,
  type CacheHealth,
  checkEntry,
  type LearnedJson,
  MAX_LEARNED_LENGTH,
} from './entry.js';
import {
  rowAt as at,
  type Credentials,
  type OpenRow,
  ROW_VERSION,
  RowSeal,
  type StoredRow,
} from './row-seal.js';

/**
 * Turns entries into persisted records and back. Credentials are sealed with the key ring; without one they are
 * left out and the record says so. Each record proves that none of its columns was changed, with a key when there is
 * one.
 */
export class RowCodec {
  readonly #tier: string;
  readonly #ring: KeyRing | null;
  readonly #seal: RowSeal;

  constructor(tier: string, ring: KeyRing | null) {
    this.#tier = tier;
    this.#ring = ring;
    this.#seal = new RowSeal(tier, ring);
  }

  /** Key ids whose records may be read and written; all others are kept as they are. */
  get keyIds(): readonly string[] {
    return [...(this.#ring?.keyIds ?? []), NO_KEY];
  }

  /** @throws CacheValidationError when the entry breaks a rule. */
  encode(entry: CacheEntry): StoredRow {
    return this.#seal.seal(this.openRow(entry));
  }

  /**
   * The first half of {@link encode}; the other one is `seal` of RowSeal.
   * @throws CacheValidationError when the entry breaks a rule.
   */
  openRow(entry: CacheEntry): OpenRow {
    const { proxy, key } = checkEntry(entry);
    const { geo, tags, cost } = proxy;
    const learned = entry.learned === null ? null : JSON.stringify(entry.learned);
    if (learned !== null && learned.length > MAX_LEARNED_LENGTH)
      throw new CacheValidationError('learned', `must not be longer than ${MAX_LEARNED_LENGTH} characters`);
    const hasCredentials = proxy.username !== null || proxy.password !== null;
    const isPlain = geo === undefined && cost === undefined && tags.length === 0;
    return [
      key,
      ROW_VERSION,
      this.#ring?.keyId ?? NO_KEY,
      proxy.protocol,
      proxy.host,
      proxy.port,
      proxy.username,
      proxy.password?.reveal() ?? null,
      entry.withheld || (this.#ring === null && hasCredentials) ? 1 : 0,
      isPlain ? '{}' : JSON.stringify({ geo, tags, cost }),
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
  }

  /**
   * @throws CacheKeyError when the record was written with a key that is not there: it is no damage.
   * @throws CacheCorruptionError when the record is not what was written.
   */
  decode(row: StoredRow): CacheEntry {
    try {
      return this.#entry(row, this.#seal.open(row));
    } catch (error) {
      if (error instanceof CacheCorruptionError || error instanceof CacheKeyError) throw error;
      // Errors of our own checks repeat no value; others might, and are not kept as the cause.
      const cause = error instanceof ProxyWhirlError ? { cause: error } : undefined;
      throw new CacheCorruptionError(this.#tier, 'a record breaks a rule', cause);
    }
  }

  /** Checks that it is what was written. Throws the errors of {@link decode}. */
  verify(row: StoredRow): void {
    this.#seal.open(row);
  }

  #entry(row: StoredRow, { username, password }: Credentials): CacheEntry {
    const learned = row[at.learned] as string | null;
    const source = row[at.source] as string | null;
    const proxy = createProxy({
      protocol: row[at.protocol] as Proxy['protocol'],
      host: row[at.host] as string,
      port: row[at.port] as number,
      username,
      password,
      ...(JSON.parse(row[at.metadata] as string) as ProxyMetadata),
      ...(source !== null && { source }),
    });
    return checkEntry({
      key: row[at.key] as string,
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
}
