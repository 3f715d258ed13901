import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { countSeals, KeyRing } from '../../src/cache/crypto.js';
import { SqliteTier, type SqliteTierOptions } from '../../src/cache/sqlite-tier.js';
import { describeTierContract } from '../contracts/tier-contract.js';
import { epoch, openEntry, testEntry, testKey, testRing } from '../support/cache-entries.js';

const dir = mkdtempSync(join(tmpdir(), 'pw-sqlite-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const fresh = () => join(dir, `${++files}`, 'cache.db');

function sqliteTier(options: Partial<SqliteTierOptions> = {}): SqliteTier {
  return new SqliteTier({
    now: Date.now,
    maxEntries: null,
    path: fresh(),
    ring: testRing(),
    busyTimeoutMs: 5000,
    report: (error) => {
      throw error;
    },
    ...options,
  });
}

describeTierContract({ name: 'sqlite', open: async (settings) => sqliteTier(settings), runs: 12 });

describe('K-03 K-04 the thread of the SQLite tier', () => {
  it('seals in the place of the event loop, and its seals count for the key', async () => {
    const told: string[] = [];
    const drawn: number[] = [];
    const noRandom = (size: number): Uint8Array => {
      drawn.push(size);
      return randomBytes(size);
    };
    const ring = new KeyRing([testKey()], noRandom, (keyId) => void told.push(keyId));
    const tier = sqliteTier({ ring, now: () => epoch });
    onTestFinished(() => tier.close());
    countSeals(ring, 2 ** 31 - 3);
    // One without credentials: nothing of it is sealed.
    await tier.put([testEntry(1), testEntry(2), openEntry(3)]);
    expect([told, drawn]).toEqual([[], []]);
    await tier.put([testEntry(3)]);
    expect([told, drawn]).toEqual([[ring.keyId], []]);
  });

  it('counts what is there when a list names proxies again, between new ones and twice', async () => {
    const tier = sqliteTier({ now: () => epoch });
    onTestFinished(() => tier.close());
    await tier.put([1, 2, 3].map((n) => testEntry(n)));
    await tier.put([4, 2, 5, 5, 1, 6].map((n) => testEntry(n, { accessCount: 7 })));
    expect(tier.figures().size).toBe(6);
    const counts = new Map<string, number>();
    for await (const { key, accessCount } of tier.entries()) counts.set(key, accessCount);
    expect([1, 2, 3, 4, 5, 6].map((n) => counts.get(testEntry(n).key))).toEqual([7, 7, 0, 7, 7, 7]);
    const found = await tier.getMany([1, 9, 6].map((n) => testEntry(n).key));
    expect(found.map(({ key }) => key).sort()).toEqual([testEntry(1).key, testEntry(6).key].sort());
  });
});
