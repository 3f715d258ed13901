import type { Clock, Timers } from '../core/clock.js';
import { CacheValidationError } from '../errors.js';
import type { EvictionCause, WallTime } from './tier.js';

/** What the cache tells as it happens. Entries are named by their key; no credential is ever part of it. */
export type CacheEvent =
  | { readonly type: 'hit' | 'promoted'; readonly key: string; readonly tier: string }
  | { readonly type: 'miss' | 'stored' | 'deleted'; readonly key: string }
  | { readonly type: 'evicted'; readonly key: string; readonly cause: EvictionCause }
  | { readonly type: 'degraded'; readonly tier: string; readonly error: Error }
  | { readonly type: 'recovered'; readonly tier: string };

/** How a {@link TieredCache} behaves; each has a default. */
export interface CacheSettings {
  /** Time to live of a new or renewed entry, in seconds, 60 or more. @default 3600 */
  readonly ttlSeconds: number;
  /** Time to live by the name of the source, in seconds, 60 or more. @default {} */
  readonly sourceTtlSeconds: Readonly<Record<string, number>>;
  /** How often expired entries are deleted, in seconds, 10 to 60. @default 60 */
  readonly sweepIntervalSeconds: number;
  /** Whether proxies that keep failing are evicted. @default true */
  readonly healthInvalidation: boolean;
  /** Proxy faults in a row that evict. @default 3 */
  readonly failureThreshold: number;
  /** How often statistics are written behind, in ms. @default 1000 */
  readonly flushIntervalMs: number;
  /** How long a caller waits for one tier, in ms. @default 250 */
  readonly timeoutMs: number;
  /** How long a write may take beside the path, in ms. @default 6000 */
  readonly writeTimeoutMs: number;
  /** How long a failed tier is left alone, in ms. @default 1000 */
  readonly retryMs: number;
  /** Most writes that wait for one tier. @default 100000 */
  readonly maxPending: number;
}

/** What the cache runs on. */
export interface CacheSurroundings {
  readonly now: WallTime;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether so much of the pool fails at once that no proxy is to blame. */
  readonly isOutage: () => boolean;
  readonly onEvent: (event: CacheEvent) => void;
}

const defaults: CacheSettings = Object.freeze({
  ttlSeconds: 3600,
  sourceTtlSeconds: Object.freeze({}),
  sweepIntervalSeconds: 60,
  healthInvalidation: true,
  failureThreshold: 3,
  flushIntervalMs: 1000,
  timeoutMs: 250,
  writeTimeoutMs: 6000,
  retryMs: 1000,
  maxPending: 100_000,
});

const limits: Readonly<Partial<Record<keyof CacheSettings, readonly [number, number]>>> = {
  ttlSeconds: [60, 1e9],
  sweepIntervalSeconds: [10, 60],
  failureThreshold: [1, 1e6],
  flushIntervalMs: [1, 60_000],
  timeoutMs: [1, 60_000],
  writeTimeoutMs: [1, 600_000],
  retryMs: [1, 600_000],
  maxPending: [1, 1e9],
};

/**
 * The settings with their defaults, frozen.
 * @throws CacheValidationError for an unknown name or a value out of its limits
 */
export function resolveCacheSettings(given: Partial<CacheSettings>): CacheSettings {
  for (const name of Object.keys(given))
    if (!Object.hasOwn(defaults, name)) throw new CacheValidationError(name, 'is no setting');
  const settings = { ...defaults, ...given };
  for (const [name, range] of Object.entries(limits))
    checkNumber(name, settings[name as keyof CacheSettings], range);
  if (typeof settings.healthInvalidation !== 'boolean')
    throw new CacheValidationError('healthInvalidation', 'must be true or false');
  for (const ttl of Object.values(settings.sourceTtlSeconds)) checkTtl('sourceTtlSeconds', ttl);
  return Object.freeze(settings);
}

/** @throws CacheValidationError unless it is a time to live: whole seconds, 60 or more */
export function checkTtl(name: string, value: unknown): void {
  checkNumber(name, value, [60, 1e9]);
}

function checkNumber(name: string, value: unknown, [least, most]: readonly [number, number]): void {
  if (!(Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most))
    throw new CacheValidationError(name, `must be a whole number from ${least} to ${most}`);
}
