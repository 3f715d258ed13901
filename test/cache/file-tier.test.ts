import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { FileTier, type FileTierOptions } from '../../src/cache/file-tier.js';
import { describeTierContract } from '../contracts/tier-contract.js';
import { testRing } from '../support/cache-entries.js';

const dir = mkdtempSync(join(tmpdir(), 'pw-file-'));
afterAll(() => rmSync(dir, { recursive: true }));
let tiers = 0;
const fresh = () => join(dir, `${++tiers}`);

function fileTier(options: Partial<FileTierOptions> = {}): FileTier {
  return new FileTier({
    now: Date.now,
    maxEntries: 5000,
    path: fresh(),
    ring: testRing(),
    staleMs: 2000,
    busyTimeoutMs: 5000,
    report: (error) => {
      throw error;
    },
    ...options,
  });
}

describeTierContract({ name: 'file', open: async (settings) => fileTier(settings), runs: 30 });
