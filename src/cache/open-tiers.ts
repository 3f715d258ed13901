import { join } from 'node:path';
import type { KeyRing } from './crypto.js';
import { FileTier } from './file-tier.js';
import { MemoryTier } from './memory-tier.js';
import { SqliteTier } from './sqlite-tier.js';
import type { CacheTier, TierReport, WallTime } from './tier.js';

export type DiskTier = 'file' | 'sqlite';

export interface TierSettings {
  /** Directory of the tiers on disk. */
  readonly dir: string;
  readonly tiers: readonly DiskTier[];
  /** Most entries of each; null: as many as there is room for. */
  readonly maxEntries: {
    readonly memory: number;
    readonly file: number | null;
    readonly sqlite: number | null;
  };
}

export interface TierSurroundings {
  readonly now: WallTime;
  readonly ring: KeyRing | null;
  readonly report: TierReport;
}

/** Other processes hold the lock for milliseconds; one that gave no sign of life for so long was killed. */
const STALE_MS = 10_000;
/** Below the time that a write may take before its tier counts as failed. */
const BUSY_TIMEOUT_MS = 5_000;

/** Memory, then files, then SQLite. Nothing is opened before it is used. */
export function openTiers({ dir, tiers, maxEntries }: TierSettings, around: TierSurroundings): CacheTier[] {
  const { now } = around;
  const disk = { ...around, busyTimeoutMs: BUSY_TIMEOUT_MS };
  const open: CacheTier[] = [new MemoryTier({ now, maxEntries: maxEntries.memory })];
  if (tiers.includes('file')) {
    const path = join(dir, 'file');
    open.push(new FileTier({ ...disk, path, staleMs: STALE_MS, maxEntries: maxEntries.file }));
  }
  if (tiers.includes('sqlite'))
    open.push(new SqliteTier({ ...disk, path: join(dir, 'cache.db'), maxEntries: maxEntries.sqlite }));
  return open;
}
