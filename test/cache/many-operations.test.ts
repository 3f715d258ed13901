import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, onTestFinished } from 'vitest';
import { MemoryTier } from '../../src/cache/memory-tier.js';
import { TieredCache } from '../../src/cache/tiered-cache.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { epoch, testEntry } from '../support/cache-entries.js';
import { openDiskTier } from '../support/disk-tiers.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const ENTRIES = 2000;

it('K-62 row 40: 100,000 operations at the same time settle, and leave the memory as it was within 20 MB', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pw-heap-'));
  const tiers = [new MemoryTier({ now: () => epoch, maxEntries: 500 }), openDiskTier('sqlite', { dir })];
  const around = {
    now: () => epoch,
    clock: { now: () => performance.now() },
    timers: nodeTimers,
    isOutage: () => false,
    onEvent: () => undefined,
  };
  const cache = new TieredCache(tiers, around, { timeoutMs: 60_000, writeTimeoutMs: 60_000 });
  onTestFinished(async () => {
    await cache.close();
    rmSync(dir, { recursive: true });
  });
  const entries = Array.from({ length: ENTRIES }, (_, n) => testEntry(n));
  await cache.put(entries.map(({ proxy }) => proxy));
  const keys = entries.map(({ key }) => key);
  const burst = async (operations: number): Promise<number> => {
    let found = 0;
    // All of them are under way before the first one is waited for.
    await Promise.all(
      Array.from({ length: operations }, async (_, i) => {
        const key = keys[(i * 7919) % ENTRIES] ?? '';
        if (i % 10 === 9) await cache.learn(key, { i });
        else if ((await cache.get(key)) !== null) found += 1;
      }),
    );
    await cache.flush();
    return found;
  };
  // Compiled code and statements that are kept.
  await burst(20_000);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  expect(await burst(100_000)).toBe(90_000);
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
});
