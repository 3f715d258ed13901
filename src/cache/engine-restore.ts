import type { Timers } from '../core/clock.js';
import { type AgedRecord, isCondemned, snapshotOf } from '../core/learned-record.js';
import type { Rotator } from '../core/rotator.js';
import { BATCH, inBatches, turn } from './batches.js';
import type { KeyRing } from './crypto.js';
import type { EngineChanges } from './engine-changes.js';
import { type KeptRecord, readRecord } from './engine-record.js';
import type { CacheEntry } from './entry.js';
import type { WallTime } from './tier.js';

/** An entry that an earlier run left, and what it learned; null where there is nothing that can be read. */
export interface Found {
  readonly entry: CacheEntry;
  readonly kept: KeptRecord | null;
}

/** How long condemned proxies are left alone after the start, in ms, while there are others. */
const REST_MS = 5_000;

/** @param isOver whether nobody waits for it any more */
export async function readFound(
  entries: AsyncIterable<CacheEntry>,
  ring: KeyRing | null,
  timers: Timers,
  isOver: () => boolean,
): Promise<Found[]> {
  const found: Found[] = [];
  for await (const entry of entries) {
    if (isOver()) break;
    found.push({ entry, kept: entry.learned && readRecord(entry.key, entry.learned, ring) });
    if (found.length % BATCH === 0) await turn(timers);
  }
  return found;
}

export interface RestoreTargets {
  readonly rotator: Rotator;
  readonly changes: EngineChanges;
  readonly now: WallTime;
  readonly timers: Timers;
}

/**
 * Brings back the proxies of sources, and what was learned of those in the pool and not yet used by this run.
 * Resolves with how many proxies were added, and of how many something is known.
 */
export async function restoreFound(
  found: readonly Found[],
  { rotator, changes, now, timers }: RestoreTargets,
): Promise<{ added: number; restored: number }> {
  const { pool } = rotator;
  const back = found.flatMap(({ entry: { key, source, withheld, proxy } }) =>
    source !== null && !withheld && pool.get(key) === undefined && !changes.wasRemoved(key) ? [proxy] : [],
  );
  await inBatches(back, timers, (batch) => pool.add(...batch));
  changes.fromCache(back.map(({ id }) => id));
  const records = found.flatMap(({ entry: { key }, kept }): AgedRecord[] => {
    if (kept === null || pool.get(key)?.stats.started !== 0) return [];
    // A clock that was set back makes nothing older than it was when it was written.
    return [{ id: key, record: kept.record, elapsedMs: Math.max(0, now() - kept.at) }];
  });
  const restMs = records.filter(({ record }) => isCondemned(record)).length < pool.size ? REST_MS : 0;
  await inBatches(records, timers, (batch) => rotator.restore(snapshotOf(batch.map(proxyAlone), restMs)));
  // All at once, because of their order.
  const rest = records.map(({ record, ...aged }) => ({ ...aged, record: { ...record, proxy: null } }));
  rotator.restore(snapshotOf(rest));
  return { added: back.length, restored: records.length };
}

/** Without what has an order among proxies. */
function proxyAlone({ record: { proxy }, ...aged }: AgedRecord): AgedRecord {
  return { ...aged, record: { proxy, cooldowns: [], sessions: [] } };
}
