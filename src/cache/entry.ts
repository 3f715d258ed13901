import { isProtocol } from '../core/protocol.js';
import type { Proxy } from '../core/proxy.js';
import { CacheValidationError } from '../errors.js';

export type CacheHealth = 'healthy' | 'unhealthy' | 'unknown';

/** Plain JSON that the engine learned of a proxy; the cache keeps it and does not read it. */
export type LearnedJson = Readonly<Record<string, unknown>>;

/** What the cache knows of one proxy: an immutable value. All times are in ms since 1970 (UTC). */
export interface CacheEntry {
  /** Id of the proxy: a hash of its protocol, host, port, user name and password. */
  readonly key: string;
  /** Without its credentials when they are `withheld`; its id is then another one than `key`. */
  readonly proxy: Proxy;
  /** True when the credentials were not persisted, for want of a key. */
  readonly withheld: boolean;
  /** Name of the source it came from. */
  readonly source: string | null;
  readonly fetchedAt: number;
  readonly lastAccessedAt: number;
  readonly accessCount: number;
  readonly ttlSeconds: number;
  readonly expiresAt: number;
  readonly healthStatus: CacheHealth;
  /** Proxy faults since the last success. */
  readonly failureCount: number;
  readonly createdAt: number;
  /** When its content changed last; being read is no change. */
  readonly updatedAt: number;
  readonly learned: LearnedJson | null;
}

/** Longest text of `learned`, in characters: one entry must not fill the cache. */
export const MAX_LEARNED_LENGTH = 65_536;
/** Shortest time to live, in seconds. */
const MIN_TTL_SECONDS = 60;

/**
 * A new entry for a proxy that was fetched at `now`.
 * @param ttlSeconds time to live, 60 or more
 * @throws CacheValidationError
 */
export function createEntry(proxy: Proxy, now: number, ttlSeconds: number): CacheEntry {
  return checkEntry({
    key: proxy.id,
    proxy,
    withheld: false,
    source: proxy.source ?? null,
    fetchedAt: now,
    lastAccessedAt: now,
    accessCount: 0,
    ttlSeconds,
    expiresAt: now + ttlSeconds * 1000,
    healthStatus: 'unknown',
    failureCount: 0,
    createdAt: now,
    updatedAt: now,
    learned: null,
  });
}

/** Whether it may still be served. */
export function isLive(entry: Pick<CacheEntry, 'expiresAt'>, now: number): boolean {
  return now < entry.expiresAt;
}

/**
 * The same entry, with times that are not after `now`: it may come from a clock that ran ahead. What would live
 * longer than its time to live from now on counts from now, so that a clock set back makes nothing immortal.
 */
export function clampTimes(entry: CacheEntry, now: number): CacheEntry {
  const latest = now + entry.ttlSeconds * 1000;
  if (entry.expiresAt <= latest && entry.updatedAt <= now && entry.lastAccessedAt <= now) return entry;
  return {
    ...entry,
    fetchedAt: Math.min(entry.fetchedAt, now),
    lastAccessedAt: Math.min(entry.lastAccessedAt, now),
    createdAt: Math.min(entry.createdAt, now),
    updatedAt: Math.min(entry.updatedAt, now),
    expiresAt: Math.min(entry.expiresAt, latest),
  };
}

const times = ['fetchedAt', 'lastAccessedAt', 'expiresAt', 'createdAt', 'updatedAt'] as const;
const healths: ReadonlySet<unknown> = new Set<CacheHealth>(['healthy', 'unhealthy', 'unknown']);

/**
 * The frozen entry, when it keeps every rule.
 * @throws CacheValidationError naming the first field that breaks its rule, without its value.
 */
export function checkEntry(entry: CacheEntry): CacheEntry {
  for (const name of times) {
    if (!isCount(entry[name])) throw new CacheValidationError(name, 'must be a time in whole ms');
  }
  for (const name of ['accessCount', 'failureCount'] as const) {
    if (!isCount(entry[name])) throw new CacheValidationError(name, 'must be a whole number of 0 or more');
  }
  if (!(Number.isSafeInteger(entry.ttlSeconds) && entry.ttlSeconds >= MIN_TTL_SECONDS))
    throw new CacheValidationError('ttlSeconds', `must be a whole number of ${MIN_TTL_SECONDS} or more`);
  if (!/^px_[0-9a-f]{16}$/.test(entry.key))
    throw new CacheValidationError('key', 'must be the id of a proxy');
  if (!healths.has(entry.healthStatus))
    throw new CacheValidationError('healthStatus', 'must be healthy, unhealthy or unknown');
  if (entry.learned !== null && !isPlainObject(entry.learned))
    throw new CacheValidationError('learned', 'must be an object or null');
  if (typeof entry.withheld !== 'boolean')
    throw new CacheValidationError('withheld', 'must be true or false');
  if (!isPlainObject(entry.proxy) || !isProtocol(entry.proxy.protocol))
    throw new CacheValidationError('proxy', 'must be a proxy');
  if (!entry.withheld && entry.proxy.id !== entry.key)
    throw new CacheValidationError('key', 'must be the id of its proxy');
  if (entry.source !== (entry.proxy.source ?? null))
    throw new CacheValidationError('source', 'must be the source of its proxy');
  return Object.isFrozen(entry) ? entry : Object.freeze(entry);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
