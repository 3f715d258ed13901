import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { KeyRing } from '../../src/cache/crypto.js';
import { FileTier } from '../../src/cache/file-tier.js';
import { SqliteTier } from '../../src/cache/sqlite-tier.js';
import type { CacheTier, TierReport } from '../../src/cache/tier.js';
import { epoch, testKey } from './cache-entries.js';

export const diskTiers = ['file', 'sqlite'] as const;
export type DiskTierName = (typeof diskTiers)[number];

export interface DiskTierSettings {
  readonly dir: string;
  /** Numbers of the test keys; none: without a key. */
  readonly keys?: readonly number[];
  readonly report?: TierReport;
  readonly busyTimeoutMs?: number;
  readonly staleMs?: number;
  readonly maxEntries?: number | null;
}

/** A tier over `dir`, at the time of the test entries. */
export function openDiskTier(name: DiskTierName, settings: DiskTierSettings): CacheTier {
  const { dir, keys = [0], staleMs = 400, report = () => undefined } = settings;
  const shared = {
    now: () => epoch,
    maxEntries: settings.maxEntries ?? null,
    ring: keys.length === 0 ? null : new KeyRing(keys.map(testKey), randomBytes),
    busyTimeoutMs: settings.busyTimeoutMs ?? 5000,
    report,
  };
  return name === 'file'
    ? new FileTier({ ...shared, staleMs, path: join(dir, 'file') })
    : new SqliteTier({ ...shared, path: join(dir, 'sqlite', 'cache.db') });
}
