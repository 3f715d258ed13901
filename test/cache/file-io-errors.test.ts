import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CacheStorageError } from '../../src/errors.js';
import { revealed, testEntry } from '../support/cache-entries.js';
import { openDiskTier } from '../support/disk-tiers.js';
import { failingDisk } from '../support/failing-disk.js';

vi.mock('node:fs/promises', async (importOriginal) => {
  const { overDisk } = await import('../support/failing-disk.js');
  return overDisk(await importOriginal<typeof import('node:fs/promises')>());
});

describe('K-61 K-60 an error of the disk at any operation of the file tier', () => {
  it.each(['once', 'from then on'] as const)(
    'costs nothing that was acknowledged: %s',
    async (mode) => {
      let failed = 0;
      for (let n = 1; n <= 200; n++) {
        const dir = mkdtempSync(join(tmpdir(), 'pw-eio-'));
        onTestFinished(() => {
          failingDisk.mend();
          rmSync(dir, { recursive: true, force: true });
        });
        const acknowledged = new Map<string, unknown>();
        failingDisk.failAt(n, mode === 'once');
        // A new process in the middle: opening and replaying a log can fail as well.
        for (const first of [0, 4]) {
          const tier = openDiskTier('file', { dir, busyTimeoutMs: 30, staleMs: 20 });
          for (let i = first; i < first + 4; i++) {
            const entry = testEntry(i);
            const error = await tier.put([entry]).then(
              () => acknowledged.set(entry.key, revealed(entry)) && null,
              (reason: unknown) => reason,
            );
            if (error === null) continue;
            failed += 1;
            expect(error, `operation ${n}`).toBeInstanceOf(CacheStorageError);
          }
          await tier.close();
        }
        failingDisk.mend();
        const tier = openDiskTier('file', { dir, busyTimeoutMs: 2000, staleMs: 20 });
        for (const [key, entry] of acknowledged)
          expect(revealed(await tier.get(key)), `operation ${n}`).toEqual(entry);
        await tier.put([testEntry(99)]);
        expect(revealed(await tier.get(testEntry(99).key))).toEqual(revealed(testEntry(99)));
        await tier.close();
      }
      // The shim really stood in the way.
      expect(failed).toBeGreaterThan(100);
    },
    300_000,
  );
});
