import { describe, expect, it } from 'vitest';
import { MemoryTier } from '../../src/cache/memory-tier.js';
import { CacheValidationError } from '../../src/errors.js';
import { describeTierContract } from '../contracts/tier-contract.js';
import { epoch, testEntry } from '../support/cache-entries.js';

describeTierContract({
  name: 'memory',
  open: async (settings) => new MemoryTier({ now: Date.now, maxEntries: 1000, ...settings }),
  runs: 300,
});

describe('the memory tier', () => {
  it('K-65 counts a read as a use', async () => {
    const tier = new MemoryTier({ now: () => epoch, maxEntries: 2 });
    await tier.put([testEntry(1), testEntry(2)]);
    await tier.get(testEntry(1).key);
    await tier.put([testEntry(3)]);
    expect(await tier.get(testEntry(1).key)).not.toBeNull();
    expect(await tier.get(testEntry(2).key)).toBeNull();
  });

  it('K-16 must have a bound', () => {
    for (const maxEntries of [null, 0, 1.5])
      expect(() => new MemoryTier({ now: () => epoch, maxEntries })).toThrow(CacheValidationError);
  });
});
