// `proxywhirl/cache`: the tiers by themselves, for programs that keep lists of proxies without an engine, and keys.
export type { CacheEvents } from './cache-events.js';
export { type CacheFigures, cacheMetricsText, hitRate, type TierState } from './cache-metrics.js';
export type { CacheEvent, CacheSettings, CacheSurroundings } from './cache-settings.js';
export { KeyRing, type RandomBytes, type SealedPlace } from './crypto.js';
export type { ProxyCache } from './engine-cache.js';
export { type CacheEntry, type CacheHealth, createEntry, type LearnedJson } from './entry.js';
export { FileTier, type FileTierOptions } from './file-tier.js';
export { createKeyFile, KEY_VARIABLE, type KeySource, loadKeyRing } from './key-source.js';
export { MemoryTier } from './memory-tier.js';
export { SqliteTier, type SqliteTierOptions } from './sqlite-tier.js';
export type { CacheTier, EvictionCause, TierFigures, TierOptions, TierReport, WallTime } from './tier.js';
export { TieredCache, type WriteResult } from './tiered-cache.js';
export {
  type WarmBatch,
  type WarmOptions,
  type WarmReport,
  type WarmSignal,
  type WarmTarget,
  warmCache,
} from './warm.js';
