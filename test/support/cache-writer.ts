/**
 * A process of its own that puts entries into a disk tier, one after the other, and prints the number of each
 * as soon as it was acknowledged: `cache-writer.ts <tier> <dir> <first> <count>`.
 */
import { writeSync } from 'node:fs';
import { testEntry } from './cache-entries.js';
import { type DiskTierName, openDiskTier } from './disk-tiers.js';

const [name = '', dir = '', first = '0', count = '0'] = process.argv.slice(2);
const tier = openDiskTier(name as DiskTierName, { dir, busyTimeoutMs: 30_000 });
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  await tier.put([testEntry(n)]);
  writeSync(1, `${n}\n`);
}
await tier.close();
